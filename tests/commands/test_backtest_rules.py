"""`backtest --rules`: tables and stores through the same rules as the daemon's."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chirpstack_events import eui, up
from fake_models import LastValue
from gateways import NOW_S, bench, settings

from gateway.commands import backtest_rules
from gateway.config import Config, as_rule
from gateway.errors import ConfigError, GatewayError
from gateway.inference import Detector
from gateway.rehearsal import Rehearsal, stored, summary

START = datetime(2026, 4, 6, tzinfo=UTC)
COLD = '[[rule]]\nname = "cold"\nchannel = "air.temperature"\nbelow = 2.0\nfor_s = 1200\n'


def table(path: Path, values: list[object], channel: str = "air.temperature") -> Path:
    rows = [f"{(START + timedelta(minutes=10 * at)).isoformat()},{one}"
            for at, one in enumerate(values)]  # fmt: skip
    path.write_text(f"time,{channel}\n" + "\n".join(rows) + "\n")
    return path


def rules(tmp_path: Path, text: str = COLD) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    return path


def fired(tmp_path: Path, text: str, *files: Path, config: Config | None = None) -> list[list[str]]:
    out = tmp_path / "fired.csv"
    found = config or Config()
    assert backtest_rules.run(rules(tmp_path, text), files, found, days=None, out=out) == 0
    with out.open(newline="") as lines:
        return list(csv.reader(lines))[1:]


def test_a_table_says_when_a_rule_would_have_fired_and_for_how_long(tmp_path: Path) -> None:
    (row,) = fired(tmp_path, COLD, table(tmp_path / "North.csv", [3, 1, 1, 1, 1, 3, 1]))
    assert row[0] == "cold"
    assert row[2:6] == [
        "2026-04-06T00:10:00.000Z", "2026-04-06T00:30:00.000Z", "2026-04-06T00:50:00.000Z", "1200",
    ]  # fmt: skip
    assert row[7] == "North: air temperature is below 2 °C"


def test_what_has_not_ended_lasts_to_the_end_of_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = fired(tmp_path, COLD, table(tmp_path / "a.csv", [1, 1, 1, 1]))
    assert row[4:6] == ["", "600"]
    assert "would have fired once (7 a week)" in capsys.readouterr().out


def test_several_files_and_a_device_column_are_several_devices(tmp_path: Path) -> None:
    both = '[[rule]]\nname = "both"\nat_least = 2\nchannel = "air.temperature"\nbelow = 2.0\n'
    one, two = table(tmp_path / "North.csv", [1, 3]), table(tmp_path / "South.csv", [1, 1])
    (row,) = fired(tmp_path, both, one, two)
    assert sorted(row[7].split(":")[0].split(", ")) == ["North", "South"]
    farm = tmp_path / "farm.csv"
    farm.write_text(
        "time,device,air.temperature\n2026-04-06T00:00:00Z,North,1\n2026-04-06T00:00:00Z,South,1\n"
        "2026-04-06T01:00:00Z,North,5\n"
    )
    (again,) = fired(tmp_path, both, farm)
    assert again[7] == row[7]


def test_a_devices_area_comes_from_the_settings(tmp_path: Path) -> None:
    config = Config.model_validate({"devices": {eui(1): {"name": "North", "area": "orchard"}}})
    text = COLD + 'areas = ["orchard"]\n'
    one, two = table(tmp_path / "North.csv", [1] * 4), table(tmp_path / "South.csv", [1] * 4)
    (row,) = fired(tmp_path, text, one, two, config=config)
    assert row[1] == eui(1)


def test_a_rule_that_wavers_is_told_what_would_calm_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = COLD.replace("for_s = 1200", "for_s = 0")
    fired(tmp_path, text, table(tmp_path / "a.csv", [1, 3] * 5))
    assert "5 of these ended within 15 min: a `hysteresis`" in capsys.readouterr().out
    fired(tmp_path, text + "hysteresis = 2.0\n", table(tmp_path / "a.csv", [1, 3] * 5))
    assert "hysteresis" not in capsys.readouterr().out


def test_words_are_states(tmp_path: Path) -> None:
    text = '[[rule]]\nname = "open"\nchannel = "valve"\nequals = "open"\n'
    values: list[object] = ["closed", "open", "open", "closed"]
    (row,) = fired(tmp_path, text, table(tmp_path / "a.csv", values, "valve"))
    assert row[5] == "1200"


def test_silence_is_noticed_between_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("time,x\n2026-04-06T00:00:00Z,1\n2026-04-06T05:00:00Z,1\n")
    (row,) = fired(tmp_path, '[[rule]]\nname = "q"\nchannel = "x"\nsilent_s = 3600\n', file)
    assert row[3].startswith("2026-04-06T01:00")
    assert row[4] == "2026-04-06T05:00:00.000Z"


def test_derived_channels_are_there_as_in_the_daemon(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "time,air.temperature,air.relativeHumidity\n2026-04-06T00:00:00Z,20,50\n"
        "2026-04-06T01:00:00Z,20,90\n"
    )
    (row,) = fired(tmp_path, '[[rule]]\nchannel = "air.dewPoint"\nabove = 15.0\n', file)
    assert row[3] == "2026-04-06T01:00:00.000Z"


async def test_a_forecast_is_asked_causally_on_the_store() -> None:
    rule = as_rule({
        "name": "ahead", "channel": "air.temperature", "below": 2, "within_s": 3600,
        "probability": 0.5,
    })  # fmt: skip
    async with bench(settings()) as gateway:
        for at in range(100):
            value = 20.0 if at < 90 else 1.0
            time_s = NOW_S + at * 600
            event = up(eui(2), at, time_s, {"TempC_SHT": value})
            await gateway.hear(event, received_s=time_s)
        config = Config.model_validate({"inference": {"warm_samples": 16}})
        firings = []
        for until in (90, 91, 100):
            detector = Detector(LastValue(), config.inference)
            rows = list(stored(gateway.store, gateway.assembly.stages.devices.info_of, 0.0))
            tried = Rehearsal(config, [rule], detector, derive=False).run(rows[:until])
            firings.append([one["fired"] for one in summary(tried, "ahead")["firings"]])
    assert firings[0] == []
    assert firings[1] == firings[2]
    assert len(firings[1]) == 1


@pytest.mark.parametrize(
    ("files", "days"), [([], None), ([Path("x.csv")], 3)], ids=["neither", "both"]
)
def test_tables_or_the_store_must_be_given(
    tmp_path: Path, files: list[Path], days: int | None
) -> None:
    with pytest.raises(ConfigError, match="--store"):
        backtest_rules.run(rules(tmp_path), files, Config(), days=days)


def test_a_store_that_is_not_there_is_said(tmp_path: Path) -> None:
    config = Config.model_validate({"store": {"path": str(tmp_path / "none.db")}})
    with pytest.raises(GatewayError, match="has not run yet"):
        backtest_rules.run(rules(tmp_path), [], config, days=3)


def test_a_wrong_rules_file_names_the_rule_and_the_key(tmp_path: Path) -> None:
    wrong = COLD.replace("below", "bellow")
    with pytest.raises(ConfigError, match=r"rule 'cold': unknown key .*bellow.*'below'"):
        backtest_rules.run(rules(tmp_path, wrong), [tmp_path / "a.csv"], Config(), days=None)


def test_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = table(tmp_path / "a.csv", [1, 1, 1, 3])
    backtest_rules.run(rules(tmp_path), [file], Config(), days=None, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["name"], found["fired"]) == ("cold", 1)
    assert found["firings"][0]["lasted_s"] == 600
