"""`automation`: simulated from settings alone, and the rest through a real broker and daemon."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto
from chirpstack_events import eui, up
from daemons import Client, Daemon, running

from gateway.commands import automation, downlink
from gateway.errors import ConfigError

VALVE, OTHER = eui(5), eui(6)
DEVICES = """
[inference]
enabled = false
[downlink]
timezone = "UTC"
""" + "".join(
    f"""
[devices.{device}]
name = "{name}"
[devices.{device}.commands.open]
f_port = 7
effect = "open"
hex = "01"
close_with = "close"
flow_l_per_min = 10.0
max_s = 1800
[devices.{device}.commands.close]
f_port = 7
effect = "close"
hex = "00"
"""
    for device, name in ((VALVE, "North"), (OTHER, "South"))
)
PROGRAM = """
[programs.orchard]
start = ["06:00"]
minutes = 10
valve = [{ device = "North" }, { device = "South", minutes = 40 }]
[[programs.orchard.skip_when]]
kind = "rained"
device = "North"
[groups.both]
devices = ["North", "South"]
spacing_s = 0.0
"""
RAIN = """time,rain.amount
2026-06-01T00:00:00Z,0.0
2026-06-01T12:00:00Z,8.0
2026-06-02T12:00:00Z,0.0
2026-06-03T12:00:00Z,0.0
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lora-gateway.toml"
    store = f'[store]\npath = "{tmp_path / "gateway.db"}"\n'
    path.write_text(store + DEVICES + PROGRAM, encoding="utf-8")
    return path


def simulated(
    config: Path, capsys: pytest.CaptureFixture[str], weather: Path | None = None
) -> list[dict[str, object]]:
    automation.simulate(config, days=3, names=[], weather=weather, as_json=True)
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_a_simulation_shows_what_would_open_and_what_safety_would_refuse(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = simulated(config, capsys)
    first = [(one["device"], one["what"], one["duration_s"]) for one in events[:4]]
    assert first == [
        ("North", "open", 600.0),
        ("North", "close", None),
        ("South", "refused", None),
        ("", "partial", None),
    ]
    assert str(events[2]["why"]).startswith("limit: 2400 s are too long")
    assert len(events) == 12
    assert not config.with_name("gateway.db").exists()


def test_a_simulation_with_a_file_of_weather_skips_what_the_rain_brings(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weather = tmp_path / "rain.csv"
    weather.write_text(RAIN, encoding="utf-8")
    ends = [
        (one["local"], one["what"], one["why"])
        for one in simulated(config, capsys, weather)
        if not one["device"]
    ]
    assert [(local, what) for local, what, _ in ends] == [
        ("Mon 2026-06-01 06:10", "partial"),
        ("Tue 2026-06-02 06:00", "skipped"),
        ("Wed 2026-06-03 06:10", "partial"),
    ]
    assert ends[1][2] == "rain.amount, sum of 24 h, is 8, above 5."


def test_a_simulation_is_told_in_a_table(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    automation.simulate(config, days=1, names=["orchard"], weather=None, as_json=False)
    said = capsys.readouterr().out
    assert "North: open for 10 min (100 L)" in said
    assert "orchard: opens valves 1 times, 10 min in all, 100 L." in said
    assert "Not heard yet, and taken to be there: North" in said
    assert said.rstrip().endswith("Nothing was sent.")


def test_a_program_that_is_none_is_told_with_those_there_are(config: Path) -> None:
    with pytest.raises(ConfigError, match="meadow is no program; there are: orchard"):
        automation.simulate(config, days=1, names=["meadow"], weather=None, as_json=True)


def mine(answer: object, transaction: object) -> bool:
    return isinstance(answer, dict) and answer["transaction"] == transaction


@pytest.fixture
def farm(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Path]:
    daemon = Daemon(tmp_path / "gateway", mosquitto, DEVICES + PROGRAM)
    client = Client(mosquitto)
    with running(daemon):
        client.wait_ready(daemon)
        for device in (VALVE, OTHER):
            client.publish(*up(device, 1, time.time(), {"x": 1}))
        daemon.wait_stored(2, 20)
        yield tmp_path / "gateway" / "lora-gateway.toml"
    client.close()


@pytest.mark.network
@pytest.mark.mosquitto
@pytest.mark.timeout(120)
def test_programs_are_switched_and_run_through_the_gateway(
    farm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def order(verb: str, **more: object) -> tuple[int, str]:
        status = automation.order(
            farm, verb, "orchard", by=None, more=more, wait_s=15, as_json=False
        )
        return status, capsys.readouterr().out.strip()

    assert order("run", minutes=1) == (0, "orchard runs.")
    assert order("run") == (1, "busy: orchard is running already.")
    assert order("stop") == (0, "orchard is being stopped.")
    assert order("disable") == (0, "orchard is off.")
    status, said = order("skip")
    assert status == 0
    assert said.endswith("is left out.")
    automation.list_programs(farm, wait_s=15, as_json=True)
    (program,) = json.loads(capsys.readouterr().out)
    assert (program["name"], program["enabled"], program["skip"]) == ("orchard", False, True)


@pytest.mark.network
@pytest.mark.mosquitto
@pytest.mark.timeout(120)
def test_a_group_is_commanded_and_followed(farm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = downlink.run(
        farm, None, group="both", hex_data=None, object_json=None, command="open", duration_s=2000,
        f_port=None, confirmed=False, wait_s=15, as_json=False,
    )  # fmt: skip
    said = capsys.readouterr().out
    assert status == 1
    assert "failed  2 refused" in said
    assert f"{VALVE}: limit: 2000 s are too long" in said


@pytest.mark.network
@pytest.mark.mosquitto
@pytest.mark.timeout(120)
def test_what_programs_would_do_is_asked_over_mqtt_and_nothing_is_sent(
    farm: Path, mosquitto: Mosquitto
) -> None:
    assert farm.exists()
    answers = "lora-gateway/bridge/response/program/simulate"
    client = Client(mosquitto, answers, "application/+/device/+/command/down")

    def ask(**body: object) -> dict[str, Any]:
        body = {**body, "transaction": str(uuid.uuid4())}
        client.publish("lora-gateway/bridge/request/program/simulate", json.dumps(body).encode())
        told = client.wait_for(answers, lambda one: mine(one, body["transaction"]), 15)
        assert isinstance(told, dict)
        return told

    told = ask(days=2, name="orchard")
    assert told["status"] == "ok"
    events = [(one["device"], one["what"]) for one in told["data"]["events"]]
    assert events[:4] == [
        ("North", "open"),
        ("North", "close"),
        ("South", "refused"),
        ("", "partial"),
    ]
    for name in ("meadow", 7, ["orchard"], {"name": "orchard"}):
        assert ask(name=name)["error"].startswith("unknown_program: ")
    for days in (0, -1, 1e9, "7", True, None):
        assert ask(days=days)["error"].startswith("malformed: `days` is a number")
    assert client.heard.empty(), "the server was told something"
    client.close()
