"""The demo from outside: what it prints, how it ends, and that it can be told again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time

import pytest

from gateway.commands.demo import Pace, demo_config
from gateway.commands.demo_broker import embedded_broker
from gateway.commands.wire import visit
from gateway.config import ConnectionConfig
from gateway.sources.simulated_farm import DEVICES
from gateway.types import Delivery, Message

pytestmark = [pytest.mark.network, pytest.mark.filterwarnings("default::ResourceWarning")]

DEMO = [sys.executable, "-m", "gateway", "demo"]


def demo(*arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False
    )


def test_json_alone_stands_on_standard_output() -> None:
    done = demo("--duration", "6", "--seed", "4", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert set(summary) == {"faults", "false_alarms", "unexplained", "days", "uplinks"}
    assert summary["uplinks"] > 50
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_with_its_summary(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [*DEMO, "--seed", "4"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while "alerts open" not in process.stdout.readline():
        pass
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "faults found" in out
    assert err == ""


def test_a_terminal_shows_devices_their_readings_and_how_to_listen() -> None:
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": "150", "LINES": "50", "TERM": "xterm"}
    process = subprocess.Popen(
        [*DEMO, "--duration", "7"], stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    shown, until_s = b"", time.monotonic() + 40
    while process.poll() is None and time.monotonic() < until_s:
        if select.select([master], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):
                shown += os.read(master, 65536)
    assert process.wait(10) == 0
    os.close(master)
    for word in ("Water tank", "uplinks/s", "mosquitto_sub -h 127.0.0.1", "moisture", "ok"):
        assert word.encode() in shown


def test_a_broker_that_is_not_there_is_said_plainly() -> None:
    done = demo("--broker", "127.0.0.1:1", "--duration", "30")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "127.0.0.1" in done.stderr


def test_a_wrong_broker_is_wrong_usage() -> None:
    assert demo("--broker", "nonsense").returncode == 2


async def test_the_brokers_port_is_the_next_when_the_usual_one_is_taken() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", 1883))
            taken.listen()
        async with embedded_broker() as port:
            assert port > 1883


async def test_what_is_published_to_the_broker_is_heard_by_others() -> None:
    heard: asyncio.Queue[Delivery] = asyncio.Queue()
    async with embedded_broker() as port:

        def connection(name: str) -> ConnectionConfig:
            return ConnectionConfig(port=port, version="3.1.1", client_id=name)

        async with (
            visit(connection("ear"), subscriptions=[("farm/#", 1)], hear=heard.put),
            visit(connection("mouth")) as link,
        ):
            await link.publish(Message("farm/a", b"hello"))
            delivery = await asyncio.wait_for(heard.get(), 10)
    assert delivery.payload == b"hello"


def test_the_demos_settings_watch_for_frost_at_the_weather_station_alone() -> None:
    config = demo_config(ConnectionConfig())
    (frost,) = config.alerts.threshold
    weather = next(device for device in DEVICES if device.name == "weather")
    assert frost.devices == (weather.dev_eui,)
    assert frost.kind == "frost"


def test_the_warm_up_is_never_held_back_and_the_rest_fills_the_time() -> None:
    pace = Pace(warm_until_s=100.0, end_s=200.0, watch_s=50.0)
    assert pace.wait_s(90.0, elapsed_s=1.0, warm_s=1.0) == 0.0
    assert pace.wait_s(150.0, elapsed_s=10.0, warm_s=10.0) == pytest.approx(20.0)
    assert pace.wait_s(200.0, elapsed_s=60.0, warm_s=10.0) == 0.0
    assert pace.wait_s(200.0 + 1200.0, elapsed_s=50.0, warm_s=10.0) == pytest.approx(1.0)
    assert Pace(100.0, 200.0, None).wait_s(150.0, elapsed_s=0.0, warm_s=0.0) == 0.0
