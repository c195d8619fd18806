"""The history for an adapter is gathered from a table or the store; without PyTorch it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, bench, settings

from gateway.commands import models_adapt
from gateway.commands.models_adapt import STORE, Wanted
from gateway.errors import ConfigError, GatewayError

PROBE, OTHER = eui(1), eui(2)


def source(folder: Path) -> Path:
    (folder / "models").mkdir()
    (folder / "models" / "adapt.py").touch()
    return folder


def test_where_nothing_can_train_it_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="laptop or a server with the source"):
        models_adapt.trainer(tmp_path, lambda _: object())
    with pytest.raises(GatewayError, match=r"PyTorch.*pip install --editable '\.\[train\]'"):
        models_adapt.trainer(source(tmp_path), lambda _: None)


def test_the_environment_that_the_training_script_made_is_used(tmp_path: Path) -> None:
    folder = source(tmp_path)
    python = folder / ".train-venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert models_adapt.trainer(folder, lambda _: None) == python
    assert models_adapt.trainer(folder, lambda _: object()) != python


def test_a_table_becomes_samples_without_its_blanks(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("time,air,soil\n1790000000,20.5,\n1790000900,20.7,31\n")
    found = list(models_adapt.rows(str(file), Wanted(profiles=["x"]), settings()))
    assert found == [
        ("table", "air", 1790000000.0, 20.5),
        ("table", "air", 1790000900.0, 20.7),
        ("table", "soil", 1790000900.0, 31.0),
    ]


@pytest.mark.parametrize(
    ("wanted", "devices"),
    [
        (Wanted(profiles=["Soil probe"]), {PROBE, OTHER}),
        (Wanted(devices=[OTHER]), {OTHER}),
        (Wanted(sites=["field"]), {PROBE, OTHER}),
        (Wanted(profiles=["none"], sites=["nowhere"]), set()),
    ],
    ids=["profile", "device", "site", "nobody"],
)
async def test_the_store_gives_the_samples_of_whom_it_is_for(
    tmp_path: Path, wanted: Wanted, devices: set[str]
) -> None:
    path = tmp_path / "gateway.db"
    config = settings(store={"path": str(path)})
    async with bench(config, path) as gateway:
        for dev_eui in (PROBE, OTHER):
            await gateway.hear(up(dev_eui, 1, NOW_S, {"TempC_SHT": 20.5}), received_s=NOW_S)
    found = list(models_adapt.rows(STORE, wanted, config))
    assert {row[0] for row in found} == devices
    assert {row[1:] for row in found if row[1] == "air.temperature"} <= {
        ("air.temperature", NOW_S, 20.5)
    }
    assert "radio.spreadingFactor" not in {row[1] for row in found}


def test_it_must_be_said_whom_the_adapter_is_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--profile NAME"):
        models_adapt.run("t.csv", Wanted(), tmp_path / "a.zip", None)


def test_the_schedule_names_whom_it_is_for_and_quotes_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert models_adapt.schedule(Wanted(profiles=["Soil probe"])) == 0
    out = capsys.readouterr().out
    assert "lora-gateway models adapt --history store" in out
    assert "--profile 'Soil probe'" in out
    assert "OnCalendar=monthly" in out
