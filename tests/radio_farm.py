"""A gateway process with radios of its own, its broker, and the devices of a small farm."""

from __future__ import annotations

import json
import queue
import sqlite3
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from board_on_air import OnAir, Sent
from brokers import Mosquitto
from daemons import Client, Daemon
from lorawan_devices import ADDRESS, Device, key

from gateway.codecs.lorawan import AppSKey, NwkSKey, SessionKeys
from gateway.codecs.lorawan.frames import DataFrame, decode
from gateway.network import Kind, RadioDevice, to_record
from gateway.store import database
from gateway.store import radio as register
from gateway.types import DevEui

BASE = "lora-gateway"
SETTINGS = """
[chirpstack]
enabled = false
[downlink]
per_device_per_hour = 10000
[[alerts.threshold]]
name = "dry"
channel = "soil.moisture"
below = 15.0
{more}
"""
QUICK = """
[inference]
enabled = false
"""
"""Starts sooner."""

BOARD = """
[radios.board]
port = "{port}"
"""
RX1_US, RX2_US = 1_000_000, 2_000_000
JOIN1_US, JOIN2_US = 5_000_000, 6_000_000
WITHIN_US = 100
SOON_S = 20.0
ATTEMPTS = 5
"""How often a machine that is busy with other things may miss a moment."""

MISSES_US: list[float] = []
"""By how much every timed downlink missed its moment; told at the end of the tests."""

Body = dict[str, Any]


class Settle(Protocol):
    """Makes a gateway and its board: `radio` goes on in the board's settings, `more` before."""

    def __call__(self, radio: str = "", more: str = "") -> tuple[Farm, OnAir]:
        """Return both; the board runs, the gateway does not yet."""


def abp(dev_eui: DevEui, number: int, **changes: object) -> RadioDevice:
    """Return a device personalised by hand, with keys that differ by number."""
    fields: dict[str, object] = {
        "dev_addr": ADDRESS,
        "nwk_s_key": NwkSKey(key(number)),
        "app_s_key": AppSKey(key(number + 1)),
    }
    return RadioDevice(dev_eui, Kind.ABP, **{**fields, **changes})  # type: ignore[arg-type]


def node_of(air: OnAir, device: RadioDevice) -> Node:
    """Return a device personalised by hand as it is in the field."""
    assert device.nwk_s_key is not None
    assert device.app_s_key is not None
    assert device.dev_addr is not None
    return Node(air, Device(SessionKeys(device.nwk_s_key, device.app_s_key), device.dev_addr))


class Farm:
    """The gateway with what it says, and who is registered. `radios` are its `[radios.*]`."""

    def __init__(self, folder: Path, broker: Mosquitto, radios: str, more: str = "") -> None:
        self.daemon = Daemon(folder, broker, SETTINGS.format(more=more) + radios)
        self.client = Client(broker, f"{BASE}/#")
        self.said: list[tuple[str, Any]] = []

    def close(self) -> None:
        """End it."""
        self.daemon.kill()
        self.client.close()

    def start(self, radio: str = "board") -> None:
        """Start it and wait until its radio listens."""
        self.daemon.start()
        self.wait_listening(radio)

    def wait_listening(self, radio: str = "board", within_s: float = 30.0) -> None:
        """Wait until a radio says that it listens."""
        self.health(lambda body: body["sources"][radio]["listening"], within_s)

    # --- the register ---------------------------------------------------------------------

    def register(self, *devices: RadioDevice) -> None:
        """Register devices, whether it runs or not."""
        with closing(self._database()) as connection, connection:
            register.put(connection, [to_record(device, time.time()) for device in devices])

    def unregister(self, dev_eui: DevEui) -> None:
        """Take a device out; its counters stay."""
        with closing(self._database()) as connection, connection:
            assert register.remove(connection, dev_eui, forget=False)

    def _database(self) -> sqlite3.Connection:
        path = self.daemon.database
        if not path.exists():
            database.prepare(path).close()
        return sqlite3.connect(path, timeout=10)

    # --- what it says ---------------------------------------------------------------------

    def publish(self, topic: str, body: object) -> None:
        """Ask it something over the broker."""
        self.client.publish(f"{BASE}/{topic}", json.dumps(body).encode())

    def mark(self) -> int:
        """Return where what it says from now on begins."""
        self._pull(0.0)
        return len(self.said)

    def wait(
        self,
        topic: str,
        wanted: Callable[[Body], object] = lambda _: True,
        within_s: float = SOON_S,
        since: int = 0,
    ) -> Body:
        """Return the first wanted body on a topic; what else is said is kept."""
        deadline_s = time.monotonic() + within_s
        place = since
        while True:
            for heard, body in self.said[place:]:
                if heard == f"{BASE}/{topic}" and body is not None and wanted(body):
                    assert isinstance(body, dict)
                    return body
            place = len(self.said)
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"nothing wanted on {topic} in {within_s} s: {self._on(topic)}"
            self._pull(left_s)

    def _on(self, topic: str) -> list[Any]:
        return [body for heard, body in self.said if heard == f"{BASE}/{topic}"][-5:]

    def _pull(self, wait_s: float) -> None:
        try:
            heard = self.client.heard.get(timeout=wait_s) if wait_s else None
            while True:
                if heard is not None:
                    topic, payload, _ = heard
                    self.said.append((topic, json.loads(payload) if payload else None))
                heard = self.client.heard.get_nowait()
        except queue.Empty:
            return

    def health(
        self, wanted: Callable[[Body], object] = lambda _: True, within_s: float = SOON_S
    ) -> Body:
        """Ask for `bridge/health` until it is as wanted."""
        deadline_s = time.monotonic() + within_s
        body: Body = {}
        while time.monotonic() < deadline_s:
            mark = self.mark()
            self.publish("bridge/request/health", {})
            try:
                body = self.wait("bridge/response/health", within_s=2.0, since=mark)["data"]
            except AssertionError:
                continue  # it is starting
            if wanted(body):
                return body
            time.sleep(0.05)
        raise AssertionError(f"health is not as wanted after {within_s} s: {body}")

    def quarantined(self, reason: str) -> int:
        """Return how many messages were put aside for this reason, as it says."""
        counts: dict[str, int] = self.health()["quarantine"]["counts"]
        return counts.get(reason, 0)

    # --- commands -------------------------------------------------------------------------

    def command(self, dev_eui: str, **body: object) -> str:
        """Command a device and return the command's id once it is accepted."""
        identity = str(uuid.uuid4())
        self.publish(f"device/{dev_eui}/set", {"id": identity, **body})
        self.wait(f"device/{dev_eui}/command/{identity}")
        return identity

    def command_is(self, dev_eui: str, identity: str, state: str, within_s: float = SOON_S) -> Body:
        """Wait until a command is in this state."""
        topic = f"device/{dev_eui}/command/{identity}"
        return self.wait(topic, lambda body: body["state"] == state, within_s)

    def command_states(self, dev_eui: str, identity: str) -> list[str]:
        """Return the states a command went through."""
        self._pull(0.2)
        topic = f"{BASE}/device/{dev_eui}/command/{identity}"
        states = [body["state"] for heard, body in self.said if heard == topic and body]
        return [state for place, state in enumerate(states) if states[:place][-1:] != [state]]


@dataclass
class Node:
    """A LoRaWAN device in the field: `Device` with an antenna. It keeps every counter it saw."""

    air: OnAir
    device: Device
    seen: dict[int, bytes] = field(default_factory=dict)

    def say(self, data: bytes = b"\x01\x02", f_port: int | None = 2, **flags: object) -> float:
        """Send an uplink and return when it ended."""
        return self.air.hear(self.device.uplink(data, f_port, **flags))

    def ask(
        self, data: bytes = b"\x01\x02", f_port: int | None = 2, **flags: object
    ) -> tuple[float, Sent | None]:
        """Send an uplink and return when it ended and what came back within the windows."""
        mark = len(self.air.events)
        end_us = self.say(data, f_port, **flags)
        return end_us, self.air.next_sent(mark, 4.0)

    def converse(self, data: bytes = b"\x01\x02", **flags: object) -> tuple[float, Sent]:
        """Send uplinks until one is answered: a busy machine may miss both windows of one."""
        for _ in range(ATTEMPTS):
            end_us, sent = self.ask(data, **flags)
            if sent is not None:
                return end_us, sent
        raise AssertionError(f"{ATTEMPTS} uplinks and no answer")

    def read(self, sent: Sent) -> DataFrame:
        """Open a downlink with the device's own keys; no counter may come with other content."""
        frame = decode(sent.payload).frame
        assert isinstance(frame, DataFrame)
        assert frame.dev_addr == self.device.dev_addr
        assert self.seen.setdefault(frame.f_cnt, sent.payload) == sent.payload
        return self.device.open(sent.payload, frame.f_cnt)


def assert_like_lorawan(sent: Sent, frequency_hz: int, spreading_factor: int) -> None:
    """Hold a downlink to LoRaWAN: inverted, no payload CRC, where the window is."""
    assert abs(sent.freq - frequency_hz) <= 62  # the synthesizer's step is 61 Hz
    assert (sent.sf, sent.bw, sent.cr, sent.preamble) == (spreading_factor, 125_000, 5, 8)
    assert (sent.iq, sent.crc, sent.sync) == (True, False, 0x34)


def met(end_us: float, sent: Sent, *delays_us: int) -> int:
    """Return which of these moments after an uplink a packet met, to what a device forgives."""
    after_us = sent.t_us - end_us
    delay_us = min(delays_us, key=lambda delay_us: abs(after_us - delay_us))
    MISSES_US.append(after_us - delay_us)
    assert abs(after_us - delay_us) < WITHIN_US, f"{after_us} us after the uplink"
    return delay_us


def until_met(attempt: Callable[[], int], delay_us: int) -> None:
    """Try until this moment was met: a machine that is busy may miss it, but not every time."""
    assert any(attempt() == delay_us for _ in range(ATTEMPTS)), "it was missed every time"
