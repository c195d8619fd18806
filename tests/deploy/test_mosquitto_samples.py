"""The broker samples, in a real broker: who may command, and what is kept for whom."""

from __future__ import annotations

import queue
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from brokers import Mosquitto, StartMosquitto

FOLDER = Path(__file__).parents[2] / "deploy" / "mosquitto"
USERS = ("lora-gateway", "chirpstack", "operator", "dashboard", "homeassistant")
EUI = "a84041000181c061"
APPLICATION = "application/6b5f0f9c-0000-4000-8000-000000000001"

pytestmark = [pytest.mark.network, pytest.mark.mosquitto]

Connect = Callable[[str], paho.Client]


@pytest.fixture
def broker(tmp_path: Path, start_mosquitto: StartMosquitto) -> Mosquitto:
    passwords, rights = tmp_path / "passwd", tmp_path / "acl"
    passwords.write_text("".join(f"{user}:secret of {user}\n" for user in USERS))
    passwords.chmod(0o600)
    program = shutil.which("mosquitto_passwd")
    assert program, "mosquitto_passwd comes with mosquitto"
    subprocess.run([program, "-U", passwords], check=True, capture_output=True)
    shutil.copy(FOLDER / "acl", rights)
    rights.chmod(0o600)
    text = "".join((FOLDER / name).read_text() for name in ("lora-gateway.conf", "users.conf"))
    # The fixture has a listener, a folder and an autosave interval of its own.
    text = re.sub(r"(?m)^(listener|persistence|autosave_interval) .*$", "", text)
    text = text.replace("/etc/mosquitto/lora-gateway.passwd", str(passwords))
    return start_mosquitto(text.replace("/etc/mosquitto/lora-gateway.acl", str(rights)))


@pytest.fixture
def connect(broker: Mosquitto) -> Iterator[Connect]:
    clients: list[paho.Client] = []

    def connect(user: str) -> paho.Client:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"test-{user}")
        client.username_pw_set(user, f"secret of {user}")
        client.connect(broker.host, broker.port)
        client.loop_start()
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.disconnect()
        client.loop_stop()


def listen(client: paho.Client, topic: str) -> queue.Queue[str]:
    heard: queue.Queue[str] = queue.Queue()
    ready: queue.Queue[None] = queue.Queue()
    client.on_message = lambda _client, _data, message: heard.put(message.topic)
    client.on_subscribe = lambda *_: ready.put(None)
    client.subscribe(topic, qos=1)
    ready.get(timeout=5)
    return heard


def publish(client: paho.Client, topic: str) -> None:
    client.publish(topic, b"{}", qos=1).wait_for_publish(5)


def test_an_operator_commands_and_a_dashboard_cannot(connect: Connect) -> None:
    heard = listen(connect("lora-gateway"), "lora-gateway/#")

    publish(connect("dashboard"), f"lora-gateway/device/{EUI}/set")
    publish(connect("homeassistant"), f"lora-gateway/device/{EUI}/set/valve")
    publish(connect("chirpstack"), f"lora-gateway/device/{EUI}/set")
    publish(connect("operator"), f"lora-gateway/device/{EUI}/set/valve")

    assert heard.get(timeout=5) == f"lora-gateway/device/{EUI}/set/valve"
    assert heard.empty()


def test_an_operator_cannot_forge_what_the_gateway_says(connect: Connect) -> None:
    heard = listen(connect("dashboard"), "lora-gateway/#")

    publish(connect("operator"), f"lora-gateway/device/{EUI}/alert")
    publish(connect("operator"), f"{APPLICATION}/device/{EUI}/command/down")
    publish(connect("lora-gateway"), f"lora-gateway/device/{EUI}/state")

    assert heard.get(timeout=5) == f"lora-gateway/device/{EUI}/state"
    assert heard.empty()


def test_only_the_gateway_puts_downlinks_in_the_servers_queue(connect: Connect) -> None:
    heard = listen(connect("chirpstack"), "application/+/device/+/command/+")

    for user in ("operator", "dashboard", "homeassistant", "lora-gateway"):
        publish(connect(user), f"{APPLICATION}/device/{EUI}/command/down")

    assert heard.get(timeout=5).endswith("/command/down")
    assert heard.empty()


def test_uplinks_reach_the_gateway_alone(connect: Connect) -> None:
    topic = f"{APPLICATION}/device/{EUI}/event/up"
    gateway = listen(connect("lora-gateway"), "application/+/device/+/event/+")
    dashboard = listen(connect("dashboard"), "application/#")

    publish(connect("operator"), topic)
    publish(connect("chirpstack"), topic)

    assert gateway.get(timeout=5) == topic
    assert gateway.empty()
    assert dashboard.empty()


def test_nobody_comes_in_without_a_name(broker: Mosquitto) -> None:
    refused: queue.Queue[bool] = queue.Queue()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda _c, _d, _f, reason, _p: refused.put(reason.is_failure)
    client.connect(broker.host, broker.port)
    client.loop_start()
    assert refused.get(timeout=5)
    client.loop_stop()
    client.disconnect()


def test_what_comes_while_a_client_is_away_waits_for_it(broker: Mosquitto) -> None:
    def kept(user: str) -> paho.Client:
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=f"kept-{user}", clean_session=False
        )
        client.username_pw_set(user, f"secret of {user}")
        return client

    def enter(client: paho.Client) -> None:
        client.connect(broker.host, broker.port)
        client.loop_start()

    def leave(client: paho.Client) -> None:
        client.disconnect()
        client.loop_stop()

    away, server, back = kept("lora-gateway"), kept("chirpstack"), kept("lora-gateway")
    enter(away)
    listen(away, "application/+/device/+/event/+")
    leave(away)
    enter(server)
    sent = [server.publish(f"{APPLICATION}/device/{EUI}/event/up", b"{}", 1) for _ in range(3000)]
    for message in sent:
        message.wait_for_publish(30)
    leave(server)

    heard: queue.Queue[str] = queue.Queue()
    back.on_message = lambda _client, _data, message: heard.put(message.topic)
    enter(back)
    for _ in range(3000):
        heard.get(timeout=10)
    leave(back)
