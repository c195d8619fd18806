"""`downlink` through a real broker and daemon, against a server that answers as ChirpStack does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from brokers import Mosquitto
from chirpstack_events import eui, up
from daemons import Client, Daemon, running
from server_events import Event, ack, log, txack

from gateway.commands import downlink, order
from gateway.errors import ConfigError, GatewayError

pytestmark = [pytest.mark.network, pytest.mark.mosquitto]

VALVE = eui(5)
MORE = f"[inference]\nenabled = false\n[devices.{VALVE}]\ncommand_f_port = 7\n"
COMMANDS = f"""
[devices.{VALVE}.commands.open]
f_port = 7
effect = "open"
hex = "01"
close_with = "close"
[devices.{VALVE}.commands.close]
f_port = 7
effect = "close"
hex = "00"
"""

Answer = Callable[[dict[str, Any]], list[Event]]


class FakeServer:
    """Takes commands on `command/down` and answers each as `answer` says."""

    def __init__(self, broker: Mosquitto, answer: Answer) -> None:
        self.taken: list[dict[str, Any]] = []
        self._answer = answer
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(
            "application/+/device/+/command/down", 1
        )
        self._client.on_message = self._take
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def _take(self, client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        command = json.loads(message.payload)
        self.taken.append(command)
        for topic, payload in self._answer(command):
            client.publish(topic, payload, qos=1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def confirms(command: dict[str, Any]) -> list[Event]:
    """Transmit, and hear the device's answer."""
    return [txack(VALVE, time.time(), command["id"]), ack(VALVE, time.time(), command["id"])]


def cannot_encode(command: dict[str, Any]) -> list[Event]:
    """Say that the codec has failed."""
    return [log(VALVE, time.time(), "DOWNLINK_CODEC", command["id"])]


@pytest.fixture
def config(tmp_path: Path, mosquitto: Mosquitto, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Run a daemon that knows the valve, and give its settings file."""
    folder = tmp_path / "gateway"
    daemon = Daemon(folder, mosquitto, MORE + getattr(request, "param", ""))
    listener = Client(mosquitto)
    with running(daemon):
        listener.wait_ready(daemon)
        listener.publish(*up(VALVE, 0, time.time(), {"valve": "closed"}))
        daemon.wait_stored(1, 30)
        yield folder / "lora-gateway.toml"
        assert daemon.stop() == 0
    listener.close()


def send(config: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[int, list[Any]]:  # noqa: ANN401 - any option
    given: dict[str, Any] = {
        "hex_data": None, "object_json": None, "f_port": None, "confirmed": False,
        "wait_s": 20.0, "as_json": True,
    }  # fmt: skip
    status = downlink.run(config, options.pop("dev_eui", VALVE), **(given | options))
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_confirmed_command_is_followed_to_the_devices_answer(
    config: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    server = FakeServer(mosquitto, confirms)
    status, told = send(config, capsys, hex_data="01ff", confirmed=True)
    server.close()
    assert status == 0
    states = [one["state"] for one in told]
    # Each step is told at least once, so one may come twice.
    steps = [state for state, _ in groupby(state for state in states if state != "queued")]
    assert steps == ["accepted", "sent", "acked"]
    (command,) = server.taken
    assert (command["devEui"], command["fPort"], command["data"]) == (VALVE, 7, "Af8=")
    assert command["confirmed"] is True
    assert {one["id"] for one in told} == {command["id"]}
    assert {one["by"] for one in told} == {"command line"}


def test_a_command_that_the_codec_cannot_encode_has_failed(
    config: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    server = FakeServer(mosquitto, cannot_encode)
    status, told = send(config, capsys, object_json='{"valve": true}', f_port=9)
    server.close()
    assert status == 1
    assert told[-1]["state"] == "failed"
    assert "could not encode" in told[-1]["detail"]
    assert server.taken[0]["object"] == {"valve": True}
    assert server.taken[0]["fPort"] == 9


def test_a_command_that_nobody_takes_stays_queued(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = send(config, capsys, hex_data="01", wait_s=3.0)
    assert status == 0
    assert [one["state"] for one in told] == ["accepted", "queued"]


def test_a_command_to_a_stranger_is_refused_with_the_reason(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = send(config, capsys, dev_eui=eui(99).upper(), hex_data="01")
    assert status == 1
    assert [one["state"] for one in told] == ["refused"]
    assert told[0]["detail"].startswith("unknown_device")
    status, told = send(config, capsys, hex_data="not hex")
    assert (status, told[0]["state"]) == (1, "refused")


def test_without_a_daemon_nobody_answers_and_without_a_broker_nobody_is_there(
    tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"[mqtt]\nport = {mosquitto.port}\n")
    with pytest.raises(GatewayError, match="is the gateway running"):
        send(path, capsys, hex_data="01", wait_s=0.5)
    with pytest.raises(ConfigError, match="is not a DevEUI"):
        send(path, capsys, dev_eui="zz", hex_data="01")


@pytest.mark.parametrize("config", [COMMANDS], indirect=True, ids=["with a schema"])
def test_an_emergency_stop_refuses_what_opens_until_it_is_lifted(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def give(verb: str) -> tuple[int, Any]:
        status = order.run(
            config, verb, command=None, by=None, reason="test", wait_s=10, as_json=True
        )
        return status, json.loads(capsys.readouterr().out)

    assert give("stop") == (0, {"status": "ok", "data": {"stopped": True, "closes": 0},
                                "error": None, "transaction": None})  # fmt: skip
    status, told = send(config, capsys, command="open", duration_s=60.0)
    assert (status, told[-1]["state"]) == (1, "refused")
    assert told[-1]["detail"].startswith("emergency_stop")
    assert give("resume")[0] == 0
    status, told = send(config, capsys, command="open", duration_s=60.0, dry_run=True)
    assert (status, told[-1]["state"]) == (0, "rehearsed")


def test_a_wrong_order_is_told_before_it_is_sent(config: Path) -> None:
    for verb, command in (("halt", None), ("confirm", None), ("stop", "x")):
        with pytest.raises(ConfigError):
            order.run(config, verb, command=command, by=None, reason="", wait_s=1, as_json=False)


STEP: dict[str, Any] = {"id": "1", "detail": "", "duration_s": None, "held_for": "", "eta": None}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"state": "refused", "detail": "interlock: Give `duration_s`"}, "that is --duration."),
        ({"state": "refused", "detail": "rate: wait 9 s."}, ""),
        ({"state": "held", "held_for": "confirmation", "held_until": "12:00"},
         "Until 12:00 another operator may let it go: lora-gateway order confirm --command 1"),
        ({"state": "queued"}, "It goes on without this command line; its id is 1."),
        ({"state": "queued", "eta": "13:00"}, "when the device is expected at 13:00; its id is 1."),
        ({"state": "acked", "duration_s": 12.0}, "It lasts 12 s, and is ended then without a"),
        ({"state": "failed", "duration_s": 12.0}, ""),
        ({"state": "rehearsed", "duration_s": 12.0}, ""),
        ({"state": "sent"}, ""),
    ],
)  # fmt: skip
def test_what_may_be_done_after_the_last_state_is_said(state: dict[str, Any], said: str) -> None:
    hint = downlink.hint_of(STEP | state)
    assert said in hint
    assert bool(hint) is bool(said)
