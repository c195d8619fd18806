"""SIGKILL at every step of irrigation programs: closed in the end, opened once, nothing hidden.

A real daemon and broker, a server whose queues behave as ChirpStack's, and valves and pumps that do
what they are told. Several programs run at once, so that one kill meets each at another step.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from queue import Empty

import pytest
from brokers import Mosquitto
from chirpstack_events import eui, up
from daemons import Client, Daemon, running
from fake_chirpstack import Queues

from gateway.store import Reader, verify

pytestmark = [pytest.mark.network, pytest.mark.mosquitto, pytest.mark.slow]

SEED = int(os.environ.get("PROGRAM_SEED", "20261125"))
KILLS = int(os.environ.get("PROGRAM_KILLS", "3"))
"""Each meets four runs. Fifty take a quarter of an hour; what matters shows with these too."""

PLOTS = ("north", "east", "south", "west")
VALVES = {name: eui(10 + number) for number, name in enumerate(PLOTS)}
PUMPS = {name: eui(20 + number) for number, name in enumerate(PLOTS)}
OPEN_S = 5.0
AIR_S = 0.15
"""How often the devices' class C windows are used, and their uplinks heard."""

SETTLED_S = 150.0
"""A close in doubt is given again after 15 s, then 30 s: a run that dies twice takes so long."""

STEPS = (
    "asked", "accepted", "command:open", "sent:open", "acked:open", "command:start", "sent:start",
    "acked:start", "open", "command:stop", "sent:stop", "acked:stop", "command:close",
    "sent:close", "acked:close", "starting",
)  # fmt: skip
DEVICE = """
[devices.{valve}.commands.open]
f_port = 10
effect = "open"
hex = "01"
close_with = "close"
confirmed = true
[devices.{valve}.commands.close]
f_port = 10
effect = "close"
hex = "00"
[devices.{pump}.commands.start]
f_port = 10
effect = "start"
hex = "03"
close_with = "stop"
confirmed = true
needs_open = ["{valve}"]
[devices.{pump}.commands.stop]
f_port = 10
effect = "stop"
hex = "02"
[programs.{name}]
start = ["04:00"]
minutes = {minutes}
tolerance_s = 60
[[programs.{name}.valve]]
device = "{valve}"
[programs.{name}.pump]
device = "{pump}"
stop_before_s = 2
"""
SETTINGS = """
[downlink]
per_device_per_hour = 100000
[inference]
enabled = false
""" + "".join(
    DEVICE.format(name=name, valve=VALVES[name], pump=PUMPS[name], minutes=OPEN_S / 60.0)
    for name in PLOTS
)
DOES = {b"\0": "close", b"\1": "open", b"\2": "stop", b"\3": "start"}


class Plots:
    """The network server and its devices: a thread that hears commands and speaks for them."""

    def __init__(self, broker: Mosquitto) -> None:
        self.queues = Queues()
        self.client = Client(broker, "application/+/device/+/command/down")
        self.running: dict[str, bool] = {}
        self.seen: list[tuple[str, str]] = []
        self.lock = threading.Condition()
        self._f_cnt: Counter[str] = Counter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def start(self) -> None:
        for dev_eui in (*VALVES.values(), *PUMPS.values()):
            self.client.publish(*up(dev_eui, 0, time.time(), {"x": 1}))
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)
        self.client.close()

    def _live(self) -> None:
        while not self._ended.wait(AIR_S):
            with suppress(Empty):
                while True:
                    topic, payload, _ = self.client.heard.get_nowait()
                    self.queues.command(topic, payload)
                    self._note("command", topic.split("/")[3], self._last(topic.split("/")[3]))
            for dev_eui in list(self.queues.items):
                if self.queues.items[dev_eui]:
                    self._speak(dev_eui)

    def _last(self, dev_eui: str) -> bytes:
        items = self.queues.items.get(dev_eui)
        return items[-1].data if items else b""

    def _speak(self, dev_eui: str) -> None:
        now_s = time.time()
        self._f_cnt[dev_eui] += 1
        pending = self.queues.items[dev_eui][0]
        acknowledges = pending.is_pending
        before = len(self.queues.transmitted)
        events = self.queues.uplink(dev_eui, now_s, acknowledges=True)
        self.client.publish(*up(dev_eui, self._f_cnt[dev_eui], now_s, {"x": 1}))
        for event in events:
            self.client.publish(*event)
        if acknowledges:
            self._note("acked", dev_eui, pending.data)
        for _, _, data in self.queues.transmitted[before:]:
            self.running[dev_eui] = DOES[data] in {"open", "start"}
            self._note("sent", dev_eui, data)

    def _note(self, what: str, dev_eui: str, data: bytes) -> None:
        with self.lock:
            self.seen.append((f"{what}:{DOES.get(data, '')}", dev_eui))
            self.lock.notify_all()

    def wait_for(self, step: str, device: str, since: int, within_s: float) -> bool:
        """Wait until a device has met a step; False when it did not."""
        with self.lock:
            return self.lock.wait_for(lambda: (step, device) in self.seen[since:], within_s)


class Farm:
    """The daemon, its plots, and what is known of each program."""

    def __init__(self, daemon: Daemon, plots: Plots, broker: Mosquitto) -> None:
        self.broker = broker
        self.daemon = daemon
        self.plots = plots
        self.people = Client(broker, "lora-gateway/program/+/state")
        self.states: dict[str, dict[str, object]] = {}

    def listen(self) -> None:
        with suppress(Empty):
            while True:
                topic, payload, _ = self.people.heard.get_nowait()
                if payload:
                    self.states[topic.split("/")[2]] = json.loads(payload)

    def ask_all(self, rng: random.Random) -> None:
        """Start every program, now and then a little after the one before."""
        for name in PLOTS:
            time.sleep(rng.choice([0.0, 0.0, rng.uniform(0.0, 1.5)]))
            body = json.dumps({"name": name, "by": "test"}).encode()
            self.people.publish("lora-gateway/bridge/request/program/run", body)

    def until(self, holds: Callable[[], object], within_s: float, what: str) -> None:
        deadline_s = time.monotonic() + within_s
        while not holds():
            assert self.daemon.runs(), self.daemon.log.read_text()[-3000:]
            assert time.monotonic() < deadline_s, f"not within {within_s} s: {what}"
            time.sleep(0.05)

    def is_running(self, name: str) -> bool:
        self.listen()
        return self.states.get(name, {}).get("state") == "running"

    def is_settled(self) -> bool:
        """Tell whether no run is under way and no command is open, by what is stored."""
        runs = self.daemon.rows(
            "SELECT count(*) FROM control WHERE name LIKE 'program:%'"
            " AND json_extract(value, '$.run') IS NOT NULL"
        )
        commands = self.daemon.rows(
            "SELECT count(*) FROM downlink WHERE state IN ('held', 'accepted', 'queued')"
            " OR (state = 'sent' AND json_extract(body, '$.confirmed'))"
        )
        return runs == commands == [(0,)]

    def ready(self) -> None:
        """Wait until the daemon answers: a request before that would be lost."""
        topic = "lora-gateway/bridge/response/program/list"
        asking = Client(self.broker, topic)
        try:
            for _ in range(100):
                asking.publish("lora-gateway/bridge/request/program/list", b"{}")
                with suppress(AssertionError):
                    asking.wait_for(topic, lambda _: True, 0.3)
                    return
            raise AssertionError("the daemon does not answer")
        finally:
            asking.close()


def kill_at(farm: Farm, step: str, plot: str, rng: random.Random, since: int) -> None:
    """Let the programs run until one of them is at a step, and kill the daemon there."""
    if step in {"asked", "starting"}:
        time.sleep(rng.uniform(0.0, 0.08))
    else:
        farm.until(lambda: farm.is_running(plot), 20, f"{plot} running")
    if ":" in step:
        device = (PUMPS if step.endswith(("start", "stop")) else VALVES)[plot]
        farm.plots.wait_for(step, device, since, 2 * OPEN_S)
        time.sleep(rng.uniform(0.0, 0.15))
    elif step == "open":
        time.sleep(rng.uniform(0.0, OPEN_S))
    farm.daemon.kill()
    farm.daemon.start()
    if step == "starting" or rng.random() < 0.3:
        time.sleep(rng.uniform(0.2, 1.5))
        farm.daemon.kill()
        farm.daemon.start()


@pytest.mark.timeout(7200)
def test_kills_at_every_step_leave_every_valve_closed_and_open_none_twice(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    daemon = Daemon(tmp_path / "gateway", mosquitto, SETTINGS)
    plots = Plots(mosquitto)
    opened: Counter[int] = Counter()
    kills: Counter[str] = Counter()
    with running(daemon):
        farm = Farm(daemon, plots, mosquitto)
        farm.ready()
        plots.start()
        devices = [*VALVES.values(), *PUMPS.values()]
        farm.until(lambda: all(map(daemon.heard, devices)), 30, "all devices heard")
        for number in range(KILLS):
            step, plot = STEPS[(SEED + number) % len(STEPS)], rng.choice(PLOTS)
            since, before = len(plots.seen), len(plots.queues.transmitted)
            farm.states.clear()
            farm.ask_all(rng)
            kill_at(farm, step, plot, rng, since)
            kills[step] += 1
            farm.ready()
            farm.until(farm.is_settled, SETTLED_S, f"an end after a kill at {step}")
            # What the valves were told after all was said is heard first.
            farm.until(lambda: not any(plots.queues.items.values()), 30, "empty queues")
            assert not any(plots.running.values()), f"{plots.running} after a kill at {step}"
            sent = plots.queues.transmitted[before:]
            for valve in VALVES.values():
                opens = [one for one in sent if one[0] == valve and one[2] == b"\1"]
                assert len(opens) <= 1, f"{valve} was opened {len(opens)} times: {step}"
                opened[len(opens)] += 1
    plots.close()
    farm.people.close()
    ids = [identity for _, identity, _ in plots.queues.transmitted]
    assert len(ids) == len(set(ids))
    assert not plots.queues.log
    with closing(Reader.beside(daemon.database).connection) as connection:
        store = Reader(daemon.database, connection)
        rows = [row for page in range(0, 1_000_000, 1000) for row in store.audit(page)]
        assert verify(rows, store.audit_head()).fault is None
    assert daemon.rows("PRAGMA integrity_check") == [("ok",)]
    assert opened[1] >= opened.total() // 4, "most kills came before anything was opened"
    print(  # noqa: T201 - the figures of a long run
        f"{opened.total()} runs, {kills.total()} kills at {len(kills)} steps, {opened[1]} opened "
        f"once, {opened[0]} never; {len(ids)} transmissions, {len(rows)} rows of audit"
    )
