"""Adapters are installed, listed, removed and brought back, each refusal changing nothing."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import model_adapters as adapters
import numpy as np
import pytest
from farm_series import air_temperature

from gateway.commands import (
    backtest,
    forecast,
    models,
    models_adapters,
    models_install,
    models_sign,
)
from gateway.config import load
from gateway.errors import PackError
from gateway.inference.installed_adapters import installed


@pytest.fixture
def key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    file = tmp_path / "maker.key"
    assert models_sign.keygen(file) == 0
    return file, capsys.readouterr().out.strip()


@pytest.fixture
def settings(tmp_path: Path, key: tuple[Path, str]) -> Path:
    file = tmp_path / "c.toml"
    file.write_text(f"[inference]\npacks = '{tmp_path / 'packs'}'\ntrusted_keys = ['{key[1]}']\n")
    return file


def signed(path: Path, key: tuple[Path, str], name: str = "field", **options: Any) -> Path:  # noqa: ANN401
    made = adapters.write(path, name, **options)
    models_sign.sign(made, key[0])
    return made


def names(settings: Path) -> list[str]:
    return [path.stem for path in installed(load(settings).inference)]


def refused(file: Path, settings: Path) -> str:
    before = names(settings)
    with pytest.raises(PackError) as caught:
        models_install.install(file, settings)
    assert caught.value.remedy
    assert names(settings) == before
    return caught.value.reason


def test_a_signed_adapter_is_installed_listed_and_verified(
    tmp_path: Path, settings: Path, key: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = signed(tmp_path / "a.zip", key)
    capsys.readouterr()
    assert models_install.install(file, settings, as_json=True) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["signed_by"] == key[1]
    assert facts["serves"]["profiles"] == [adapters.PROFILE]
    assert names(settings) == ["field"]
    assert models.list_packs(settings, as_json=True) == 0
    row = json.loads(capsys.readouterr().out)[-1]
    assert (row["kind"], row["name"], row["gain"], row["trouble"]) == ("adapter", "field", 0.1, "")
    assert models.list_packs(settings, as_json=False) == 0
    assert f"+ field for profile {adapters.PROFILE}" in capsys.readouterr().out
    assert models.verify(file, settings, as_json=False) == 0
    assert "0.9000 (base 1.0000)" in capsys.readouterr().out


def test_an_adapter_nobody_trusted_signed_needs_the_word_unsigned(
    tmp_path: Path, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = adapters.write(tmp_path / "a.zip")
    assert refused(file, settings) == "unsigned"
    stranger = tmp_path / "stranger.key"
    models_sign.keygen(stranger)
    models_sign.sign(file, stranger)
    assert refused(file, settings) == "unknown_key"
    assert models_install.install(file, settings, unsigned=True) == 0
    assert "is installed for profile" in capsys.readouterr().out


@pytest.mark.parametrize(
    "ours",
    [{"pinball": 1.0, "episodes": 3}, {"pinball": 0.9, "episodes": 9}],
    ids=["forecasts no better", "more alarms"],
)
def test_an_adapter_that_is_not_better_than_its_base_is_refused(
    tmp_path: Path, settings: Path, key: tuple[Path, str], ours: dict[str, Any]
) -> None:
    file = signed(tmp_path / "a.zip", key, change=lambda m: m["metrics"].update(adapter=ours))
    assert refused(file, settings) == "not_better"


def test_a_second_adapter_for_the_same_profile_is_refused(
    tmp_path: Path, settings: Path, key: tuple[Path, str]
) -> None:
    models_install.install(signed(tmp_path / "a.zip", key), settings)
    assert refused(signed(tmp_path / "b.zip", key, "other"), settings) == "overlapping"
    models_install.install(signed(tmp_path / "c.zip", key, "other", profiles=["x"]), settings)
    assert names(settings) == ["field", "other"]


def test_an_adapter_is_removed_brought_back_and_its_older_self_too(
    tmp_path: Path, settings: Path, key: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    config = load(settings).inference
    first = signed(tmp_path / "a.zip", key)
    models_install.install(first, settings)
    assert models_adapters.take_out("field", settings) == 0
    assert "rollback --adapter field" in capsys.readouterr().out
    assert names(settings) == []
    assert models_adapters.go_back("field", settings, as_json=False) == 0
    assert names(settings) == ["field"]
    second = signed(tmp_path / "b.zip", key, profiles=["new"])
    models_install.install(second, settings)
    assert installed(config)[0].read_bytes() == second.read_bytes()
    models_adapters.go_back("field", settings, as_json=True)
    assert installed(config)[0].read_bytes() == first.read_bytes()
    models_adapters.go_back("field", settings, as_json=True)
    assert installed(config)[0].read_bytes() == second.read_bytes()


def test_what_is_not_there_is_not_removed_nor_brought_back(settings: Path) -> None:
    for work, reason in (
        (lambda: models_adapters.take_out("none", settings), "no_such_adapter"),
        (lambda: models_adapters.go_back("none", settings, as_json=False), "no_previous"),
    ):
        with pytest.raises(PackError) as caught:
            work()
        assert caught.value.reason == reason


def test_doctor_looks_at_installed_adapters_and_says_what_to_do(
    tmp_path: Path, settings: Path, key: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    models_install.install(signed(tmp_path / "a.zip", key), settings)
    capsys.readouterr()
    assert models_install.doctor(None, settings) == 0
    assert "ok     adapter field: works here" in capsys.readouterr().out
    torn = installed(load(settings).inference)[0]
    torn.write_bytes(torn.read_bytes()[:2000])
    assert models_install.doctor(None, settings) == 1
    out = capsys.readouterr().out
    assert "FAILED adapter field: whole: truncated" in out
    other = signed(tmp_path / "b.zip", key, change=lambda m: m["base"].update(sha256="0" * 64))
    assert models_install.doctor(other, settings) == 1
    assert "other_base" in capsys.readouterr().out
    assert models.list_packs(settings, as_json=False) == 0
    assert "(truncated)" in capsys.readouterr().out


# --- backtest and forecast ----------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "t.csv"
    values = air_temperature(200)
    rows = [f"{1_790_000_000 + 900 * at},{value}" for at, value in enumerate(values.tolist())]
    file.write_text("time,air\n" + "\n".join(rows) + "\n")
    return file


def read(path: Path) -> list[Mapping[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_forecast_and_backtest_judge_with_the_adapter_that_is_named(
    tmp_path: Path, settings: Path, key: tuple[Path, str], table: Path
) -> None:
    file, config = signed(tmp_path / "a.zip", key), load(settings).inference
    models_install.install(file, settings)
    made: dict[str, np.ndarray] = {}
    for adapter in ("", "field", str(file)):
        out, scores = tmp_path / "f.csv", tmp_path / "s.csv"
        forecast.run(table, 8, out, adapter=adapter, config=config)
        backtest.run(table, scores, adapter=adapter, config=config)
        middle = [float(row["q0.5"]) for row in read(out)]
        expected = [float(row["expected_mid"]) for row in read(scores) if row["expected_mid"]]
        made[adapter] = np.array([*middle, *expected])
    assert np.abs(made["field"] - made[""]).max() > 0.01
    np.testing.assert_array_equal(made["field"], made[str(file)])
    with pytest.raises(PackError) as caught:
        forecast.run(table, 8, tmp_path / "f.csv", adapter="none", config=config)
    assert caught.value.reason == "no_such_adapter"
    assert "field" in caught.value.detail
