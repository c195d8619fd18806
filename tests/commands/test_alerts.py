"""`alerts` against a running daemon and a real broker, and what it reads without either."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto
from chirpstack_events import eui, up
from daemons import Client, Daemon, running

from gateway.commands import alerts
from gateway.errors import ConfigError, GatewayError

pytestmark = [pytest.mark.network, pytest.mark.mosquitto]

PROBE = eui(5)
MORE = """
digest_at = "07:00"
[[alerts.threshold]]
name = "wet"
channel = "soil.moisture"
above = 60.0
hysteresis = 5.0
[inference]
enabled = false
"""
BASE = f"lora-gateway/device/{PROBE}"


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[tuple[Path, Daemon, Client]]:
    """Run a daemon that has an alert; give its settings, itself, and who listens to it."""
    daemon = Daemon(tmp_path / "gateway", mosquitto, MORE)
    listener = Client(mosquitto, f"{BASE}/alert", f"{BASE}/alerts/+", f"{BASE}/alerts")
    with running(daemon):
        listener.wait_ready(daemon)
        report(listener, 0, 70.0)
        listener.wait_for(f"{BASE}/alert", lambda body: body["event_type"] == "new", 20)
        yield tmp_path / "gateway" / "lora-gateway.toml", daemon, listener
    listener.close()


def report(listener: Client, f_cnt: int, moisture: float) -> None:
    listener.publish(*up(PROBE, f_cnt, time.time(), {"water_SOIL": moisture}))


def ask(config: Path, verb: str, capsys: pytest.CaptureFixture[str], **fields: str) -> Any:  # noqa: ANN401 - JSON
    capsys.readouterr()
    status = alerts.ask_for(config, verb, fields, by="anna", wait_s=20.0, as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert status == (0 if answer["status"] == "ok" else 1)
    return answer


def listed(config: Path, capsys: pytest.CaptureFixture[str]) -> Any:  # noqa: ANN401 - JSON
    capsys.readouterr()
    assert alerts.list_open(config, None, as_json=True) == 0
    return json.loads(capsys.readouterr().out)


def test_an_alert_is_acknowledged_snoozed_and_kept_through_a_kill(
    site: tuple[Path, Daemon, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    config, daemon, listener = site
    (alert,) = listed(config, capsys)
    topic = f"{BASE}/alerts/{alert['id']}"
    assert ask(config, "ack", capsys, id=alert["id"][:8], text="on my way")["status"] == "ok"
    listener.wait_for(topic, lambda body: body["ack"] == "anna", 10)
    answer = ask(config, "snooze", capsys, **{"dev_eui": PROBE, "for": "2h"})
    assert answer["data"]["alerts"][0]["snoozed_until"]
    listener.wait_for(f"{BASE}/alerts", lambda body: body["snoozed"] == 1, 10)
    before = listed(config, capsys)
    daemon.kill()
    assert listed(config, capsys) == before
    listener.drain(0.5)
    daemon.start()
    shown = listener.wait_for(topic, lambda body: body["snoozed_until"] is not None, 30)
    assert isinstance(shown, dict)
    assert [one["text"] for one in shown["comments"]] == ["on my way"]
    report(listener, 1, 80.0)
    report(listener, 2, 40.0)
    listener.wait_for(f"{BASE}/alert", lambda body: body["event_type"] == "end", 20)
    told = [topic for topic, payload, _ in listener.drain(0.5) if topic == f"{BASE}/alert"]
    assert told == []
    assert listed(config, capsys) == []


def test_a_false_alarm_ends_and_is_found_in_the_history(
    site: tuple[Path, Daemon, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    config, _, listener = site
    (alert,) = listed(config, capsys)
    answer = ask(config, "false-alarm", capsys, id=alert["id"], text="cows")
    assert "stays as it is" in answer["data"]["proposal"]
    ended = listener.wait_for(f"{BASE}/alert", lambda body: body["event_type"] == "end", 10)
    assert isinstance(ended, dict)
    assert ended["false_alarm"] is True
    assert listed(config, capsys) == []
    assert alerts.list_over(config, PROBE, 1.0, 10, as_json=False) == 0
    assert "(false alarm, 1 comment, ended" in capsys.readouterr().out
    assert alerts.show(config, alert["id"][:8], as_json=False) == 0
    assert "anna: cows" in capsys.readouterr().out
    assert ask(config, "ack", capsys, id=alert["id"])["error"].startswith("unknown_alert")


def test_what_is_asked_of_nobody_says_so(tmp_path: Path, mosquitto: Mosquitto) -> None:
    config = tmp_path / "lora-gateway.toml"
    config.write_text(f"[mqtt]\nport = {mosquitto.port}\n[store]\npath = '{tmp_path}/none.db'\n")
    with pytest.raises(GatewayError, match="No answer"):
        alerts.ask_for(config, "ack", {"id": "12345678"}, by=None, wait_s=1.0, as_json=False)
    with pytest.raises(ConfigError, match="--device"):
        alerts.ask_for(config, "ack", {}, by=None, wait_s=1.0, as_json=False)
    with pytest.raises(GatewayError, match="has not run yet"):
        alerts.list_open(config, None, as_json=False)
