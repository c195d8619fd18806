"""The access list for operators, held against a real mosquitto."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from brokers import Mosquitto
from chirpstack_events import eui

from gateway.commands import acl
from gateway.errors import ConfigError, GatewayError

SETTINGS = f"""
[operators.anna]
devices = ["{eui(1)}"]
[operators.olaf]
role = "admin"
username = "chief"
[operators.view]
role = "viewer"
"""
USERS = ("lora-gateway", "chirpstack", "anna", "chief", "view")


def settings(tmp_path: Path, text: str = SETTINGS) -> Path:
    path = tmp_path / "lora-gateway.toml"
    path.write_text(text)
    return path


def test_it_needs_operators_and_overwrites_nothing(tmp_path: Path) -> None:
    out = tmp_path / "acl"
    with pytest.raises(ConfigError, match="operators"):
        acl.write(settings(tmp_path, ""), out, force=False)
    out.write_text("mine")
    with pytest.raises(GatewayError, match="--force"):
        acl.write(settings(tmp_path), out, force=False)
    assert out.read_text() == "mine"
    assert acl.write(settings(tmp_path), out, force=True) == 0
    assert "user anna\n" in out.read_text()


def publish(broker: Mosquitto, user: str, topics: list[str]) -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"test-{user}")
    client.username_pw_set(user, f"secret of {user}")
    client.connect(broker.host, broker.port)
    client.loop_start()
    for topic in topics:
        client.publish(topic, user, qos=1).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


@pytest.mark.network
@pytest.mark.mosquitto
def test_each_may_command_what_the_settings_say_and_nothing_else(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    rights, passwords = tmp_path / "acl", tmp_path / "passwd"
    acl.write(settings(tmp_path), rights, force=False)
    rights.chmod(0o600)
    passwords.write_text("".join(f"{user}:secret of {user}\n" for user in USERS))
    passwords.chmod(0o600)
    program = shutil.which("mosquitto_passwd")
    assert program, "mosquitto_passwd comes with mosquitto"
    subprocess.run([program, "-U", passwords], check=True, capture_output=True)
    broker = start_mosquitto(
        f"allow_anonymous false\npassword_file {passwords}\nacl_file {rights}\n"
    )
    heard: set[tuple[str, str]] = set()
    gateway = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="gateway")
    gateway.username_pw_set("lora-gateway", "secret of lora-gateway")
    gateway.on_message = lambda _c, _d, message: heard.add(
        (message.payload.decode(), message.topic)
    )
    gateway.connect(broker.host, broker.port)
    gateway.loop_start()
    gateway.subscribe("lora-gateway/#", 1)
    topics = [
        f"lora-gateway/device/{eui(1)}/set",
        f"lora-gateway/device/{eui(1)}/set/open",
        f"lora-gateway/device/{eui(2)}/set",
        "lora-gateway/bridge/request/downlink",
        "lora-gateway/bridge/request/stop",
        "lora-gateway/bridge/request/resume",
        "lora-gateway/bridge/request/health",
        f"lora-gateway/device/{eui(1)}/state",
        "lora-gateway/bridge/request/alert/list",
        "lora-gateway/bridge/request/alert/ack",
        "lora-gateway/bridge/request/rule/list",
        "lora-gateway/bridge/request/rule/add",
        "lora-gateway/group/valves/set",
        "lora-gateway/bridge/request/program/run",
        "lora-gateway/bridge/request/program/stop",
        "lora-gateway/bridge/request/program/list",
    ]
    for user in ("anna", "chief", "view"):
        publish(broker, user, topics)
    publish(broker, "lora-gateway", ["lora-gateway/last"])
    until_s = time.monotonic() + 10
    while ("lora-gateway", "lora-gateway/last") not in heard and time.monotonic() < until_s:
        time.sleep(0.02)
    gateway.disconnect()
    gateway.loop_stop()
    by = {
        user: [topics.index(topic) for who, topic in heard if who == user]
        for user in ("anna", "chief", "view")
    }
    assert {user: sorted(found) for user, found in by.items()} == {
        "anna": [0, 1, 4, 6, 8, 9, 10, 14, 15],
        "chief": [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15],
        "view": [6, 8, 10, 15],
    }
