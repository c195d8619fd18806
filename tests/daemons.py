"""The gateway as a process of its own, for tests that kill it, starve it, or measure it."""

from __future__ import annotations

import json
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import paho.mqtt.client as paho
from brokers import Mosquitto
from chirpstack_events import eui, up

SETTINGS = """
[chirpstack.mqtt]
port = {port}
[mqtt]
port = {port}
[store]
path = "{folder}/gateway.db"
[alerts]
late_after_s = 10000000.0
{more}
"""

UNIT_ENVIRONMENT = dict(
    setting.split("=", 1)
    for line in (Path(__file__).parents[1] / "deploy/lora-gateway.service").read_text().splitlines()
    if line.startswith("Environment=")
    for setting in line.removeprefix("Environment=").split()
)
"""What the systemd unit sets: how much memory the allocator keeps is part of it."""

SENTINEL = eui(0xFFFFFFFF)
STORED = f"""SELECT hex(uid) FROM uplink JOIN device ON device.id = uplink.device
    WHERE dev_eui != '{SENTINEL}'"""  # noqa: S608 - both parts are ours


class Daemon:
    """`lora-gateway run` on one folder and one broker; `start` after `kill` goes on from there."""

    def __init__(self, folder: Path, broker: Mosquitto, more: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.database = folder / "gateway.db"
        self.log = folder / "log"
        self._settings = folder / "lora-gateway.toml"
        self._settings.write_text(SETTINGS.format(port=broker.port, folder=folder, more=more))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id; only while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and return at once."""
        command = [sys.executable, "-m", "gateway", "run", "--config", str(self._settings)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[1],
                env=os.environ | UNIT_ENVIRONMENT,
            )

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as systemd would and return its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(how)
        return process.wait(20)

    def runs(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask its database, also while it runs."""
        with closing(sqlite3.connect(self.database, timeout=10)) as database:
            return list(database.execute(query))

    def stored(self) -> int:
        """How many uplinks it has stored so far, less those of `Client.wait_ready`."""
        try:
            return self.stored_ids().total()
        except sqlite3.OperationalError:
            return 0  # it has not made its tables yet

    def heard(self, dev_eui: str) -> bool:
        """Whether it has stored anything of this device."""
        try:
            return bool(self.rows(f"SELECT 1 FROM device WHERE dev_eui = '{dev_eui}'"))  # noqa: S608
        except sqlite3.OperationalError:
            return False

    def stored_ids(self) -> Counter[str]:
        """Return the ids of the stored uplinks, as hex, and how often each is there."""
        return Counter(str(uid).lower() for (uid,) in self.rows(STORED))

    def wait_stored(self, count: int, within_s: float) -> None:
        """Wait until it has stored so many; an end of its own fails with its last words."""
        deadline_s = time.monotonic() + within_s
        while (stored := self.stored()) < count:
            assert self.runs(), f"it ended by itself:\n{self._last_words()}"
            late = time.monotonic() > deadline_s
            assert not late, f"{stored} of {count} in {within_s} s:\n{self._last_words()}"
            time.sleep(0.02)

    def wait_empty_outbox(self, within_s: float) -> None:
        """Wait until every alert and command it stored has reached the broker."""
        deadline_s = time.monotonic() + within_s
        while self.rows("SELECT count(*) FROM outbox") != [(0,)]:
            assert time.monotonic() < deadline_s, f"still unsent:\n{self._last_words()}"
            time.sleep(0.05)

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


@contextmanager
def running(daemon: Daemon) -> Iterator[Daemon]:
    """Start it, and kill it in the end whatever happens."""
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.kill()


class Client:
    """An MQTT client that publishes at QoS 1 and keeps what it hears, newest per topic."""

    def __init__(self, broker: Mosquitto, *topics: str) -> None:
        self.heard: queue.Queue[tuple[str, bytes, bool]] = queue.Queue()
        self._ready: queue.Queue[None] = queue.Queue()
        self._topics = [(topic, 1) for topic in topics]
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(1000)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.put(None)
        self._client.on_message = lambda _c, _d, message: self.heard.put(
            (message.topic, message.payload, message.retain)
        )
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        if topics:
            self._ready.get(timeout=10)

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        if self._topics:
            client.subscribe(self._topics)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> paho.MQTTMessageInfo:
        """Queue one message; it is sent now or when the broker is back."""
        return self._client.publish(topic, payload, qos=1, retain=retain)

    def wait_ready(self, daemon: Daemon, within_s: float = 30.0) -> None:
        """Wait until an uplink published now would be stored: `online` says less than that."""
        deadline_s = time.monotonic() + within_s
        message = up(SENTINEL, 0, time.time(), None)
        while not (daemon.database.exists() and daemon.heard(SENTINEL)):
            assert time.monotonic() < deadline_s, "it does not take uplinks"
            self.publish(*message)
            time.sleep(0.05)

    def wait_for(self, topic: str, wanted: Callable[[object], bool], within_s: float) -> object:
        """Return the first body heard on `topic` that is wanted."""
        deadline_s = time.monotonic() + within_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                heard, payload, _ = self.heard.get(timeout=left_s)
            except queue.Empty:
                break
            if heard == topic and payload and wanted(body := json.loads(payload)):
                return body
        raise AssertionError(f"nothing wanted on {topic} within {within_s} s")

    def ask_health(self, wanted: Callable[[dict[str, int]], bool], within_s: float) -> object:
        """Return `bridge/health`'s counts of what was put aside, once they are as wanted."""
        deadline_s = time.monotonic() + within_s
        counts: dict[str, int] = {}
        while time.monotonic() < deadline_s:
            self.publish("lora-gateway/bridge/request/health", b"{}")
            try:
                body = self.wait_for("lora-gateway/bridge/response/health", lambda _: True, 3)
            except AssertionError:
                continue  # an answer may be dropped, and counted, while thousands of topics wait
            assert isinstance(body, dict)
            counts = body["data"]["quarantine"]["counts"]
            if wanted(counts):
                return counts
            time.sleep(0.2)
        raise AssertionError(f"put aside after {within_s} s: {counts}")

    def drain(self, quiet_s: float) -> list[tuple[str, bytes, bool]]:
        """Return what was heard, once nothing came for `quiet_s`."""
        found = []
        while True:
            try:
                found.append(self.heard.get(timeout=quiet_s))
            except queue.Empty:
                return found

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
