"""`lora-gateway rules` through a real broker and daemon."""

from __future__ import annotations

import contextlib
import json
import queue
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from brokers import Mosquitto
from chirpstack_events import eui, up
from daemons import Client, Daemon, running

from gateway.codecs import format_rfc3339
from gateway.commands import rules
from gateway.control import sign
from gateway.errors import GatewayError
from gateway.publishers.contract import schema

pytestmark = [pytest.mark.network, pytest.mark.mosquitto]

PROBE, VALVE = eui(5), eui(6)
MORE = f"""
[inference]
enabled = false
[devices.{PROBE}]
name = "Probe"
[devices.{VALVE}]
name = "Valve"
[devices.{VALVE}.commands.close]
f_port = 7
effect = "close"
hex = "00"
[operators.anna]
role = "admin"
key_file = "KEY"
[[rule]]
name = "of-the-file"
channel = "soil.moisture"
below = 10.0
"""
HOT = """
[[rule]]
name = "hot"
channel = "air.temperature"
above = 30.0
message = "{device} is hot: {value}"
action = { device = "Valve", command = "close" }
"""


@pytest.fixture
def config(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Path]:
    """Run a daemon, and give its settings file."""
    key = tmp_path / "anna.key"
    key.write_bytes(b"0123456789abcdef0123456789abcdef")
    (tmp_path / "hot.toml").write_text(HOT)
    folder = tmp_path / "gateway"
    daemon = Daemon(folder, mosquitto, MORE.replace("KEY", str(key)))
    client = Client(mosquitto)
    with running(daemon):
        client.wait_ready(daemon)
        for at in range(3):
            client.publish(*up(PROBE, at, time.time() - 30 + at, {"TempC_SHT": 31.0 - 10 * at}))
        client.publish(*up(VALVE, 1, time.time(), {"valve": "closed"}))
        daemon.wait_stored(4, 10)
        yield folder / "lora-gateway.toml"
        assert daemon.stop() == 0
    client.close()


class Ears:
    """A client that remembers all it has heard, in whatever order things come."""

    def __init__(self, broker: Mosquitto) -> None:
        self.client = Client(broker, "#")
        self._said: list[tuple[str, bytes]] = []

    def hear(self, part: str, text: bytes, within_s: float = 10.0) -> bytes:
        """Return the first message on a topic with `part` in it, `$` its end, that holds a text."""
        deadline_s = time.monotonic() + within_s
        while True:
            for topic, payload in self._said:
                if part in f"{topic}$" and text in payload:
                    return payload
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"nothing on {part} holds {text!r}"
            with contextlib.suppress(queue.Empty):
                topic, payload, _ = self.client.heard.get(timeout=left_s)
                self._said.append((topic, payload))


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Ears]:
    """Listen to everything, until the test is over."""
    ears = Ears(mosquitto)
    yield ears
    ears.client.close()


def test_a_rule_lives_from_its_trial_to_its_end(
    config: Path, listener: Ears, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config.parents[1] / "hot.toml"
    assert rules.run(config, "test", file=file, days=1, by="anna", wait_s=30) == 0
    assert "hot: would have fired once" in capsys.readouterr().out
    assert rules.run(config, "list") == 0
    assert "on  of-the-file (file): When soil moisture is below 10: warning." in (
        capsys.readouterr().out
    )
    assert rules.run(config, "add", file=file, by="anna") == 0
    assert "on  hot (mqtt)" in capsys.readouterr().out
    retained = json.loads(listener.hear("bridge/rules", b'"hot"'))
    jsonschema.validate(retained, schema("bridge_rules"))
    listener.client.publish(*up(PROBE, 9, time.time(), {"TempC_SHT": 35.5}))
    alert = json.loads(listener.hear("/alert$", b"Probe is hot: 35.5"))
    assert alert["event_type"] in {"new", "update"}
    assert b"rule:hot" in listener.hear(f"device/{VALVE}/command/", b"rule:hot")
    listener.hear("/command/down", b"AA==")
    assert rules.run(config, "disable", name="hot", by="anna") == 0
    assert "off hot (mqtt)" in capsys.readouterr().out
    listener.hear("/alert$", b'"end"')
    assert rules.run(config, "remove", name="of-the-file", by="anna") == 1
    assert "stands in a settings file" in capsys.readouterr().out
    assert rules.run(config, "remove", name="hot", by="anna") == 0


def test_a_stranger_changes_no_rule(
    config: Path, listener: Ears, capsys: pytest.CaptureFixture[str]
) -> None:
    now = format_rfc3339(time.time())
    body = {"name": "of-the-file", "by": "anna", "id": "1", "time": now}
    forged = {**body, "signature": sign(b"another key of sixteen bytes", "", body)}
    topic = "lora-gateway/bridge/request/rule/disable"
    listener.client.publish(topic, json.dumps({"name": "of-the-file", "by": "anna"}).encode())
    listener.hear("response/rule/disable", b"must be signed")
    listener.client.publish(topic, json.dumps(forged).encode())
    listener.hear("response/rule/disable", b"not that of anna")
    assert rules.run(config, "list", as_json=True) == 0
    (entry,) = json.loads(capsys.readouterr().out)["data"]["rules"]
    assert entry["enabled"] is True


def test_without_a_gateway_there_is_a_plain_word(tmp_path: Path, mosquitto: Mosquitto) -> None:
    config = tmp_path / "lora-gateway.toml"
    config.write_text(f"[mqtt]\nport = {mosquitto.port}\n")
    with pytest.raises(GatewayError, match="is the gateway running"):
        rules.run(config, "list", wait_s=1)
