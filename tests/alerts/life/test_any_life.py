"""Whatever devices, people and restarts do: of each id one beginning and one end are told.

The engine is driven with the real rules; what it gives is stored as the daemon stores it, and a
restart makes a new engine from nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.alerts import AlertEngine
from gateway.config import Config
from gateway.store import encoding
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    EventType,
    Json,
    Reading,
    ReadingKind,
    Severity,
    Status,
    Verdict,
)

NOW_S = 1_790_000_000.0
HOUR_S = 3600.0
RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
DEVICES = [DeviceInfo(DevEui(f"70b3d57ed000000{n}"), f"Probe {n}") for n in range(3)]
LIMITS = [
    {"name": "frost", "channel": "air.temperature", "below": 1.0, "hysteresis": 1.0},
    {"name": "hot", "channel": "air.temperature", "above": 35.0, "severity": "critical"},
]
VALUES = st.sampled_from([10.0, 1.5, 0.5, -3.0, 36.0, 90.0, -70.0])


def config(*, silence: bool, per_week: int) -> Config:
    tree: dict[str, Any] = {
        "threshold": LIMITS,
        "per_week": per_week,
        "digest_at": "07:00",
        "silence": {"enabled": silence},
    }
    # Each stands alone: what a group knows after a restart is `tests/alerts/causes`' to say.
    apart = {device.dev_eui: {"site": device.name} for device in DEVICES}
    return Config.model_validate(
        {"alerts": tree, "agronomy": {"time_zone": "UTC"}, "devices": apart}
    )


@dataclass
class Site:
    """An engine, its store, and everything that was said."""

    config: Config
    now_s: float = NOW_S
    rows: dict[str, str] = field(default_factory=dict)
    memory: dict[str, Json] = field(default_factory=dict)
    heard: dict[DevEui, list[float]] = field(default_factory=lambda: defaultdict(list))
    events: list[AlertEvent] = field(default_factory=list)
    odd: set[DevEui] = field(default_factory=set)
    past: list[tuple[DeviceInfo, Reading]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = AlertEngine(self.config)

    def take(self, events: list[AlertEvent]) -> None:
        for event in events:
            self.rows[event.alert.id] = encoding.encode_alert(event.alert)
        self.events += events
        for name, kept in self.engine.life.changes().items():
            self.memory.pop(name, None)
            self.memory |= {} if kept is None else {name: kept}

    def hear(self, number: int, value: float) -> None:
        device, channel = DEVICES[number], Channel("air.temperature")
        status = Status.ANOMALOUS if device.dev_eui in self.odd else Status.OK
        verdict = Verdict(device.dev_eui, channel, self.now_s, value, status, (5.0, 9.0, 15.0),
                          4.0, 1e-6, {}, "rise" if status is Status.ANOMALOUS else "")  # fmt: skip
        kind, at_s = ReadingKind.NUMERIC, self.now_s
        reading = Reading(device.dev_eui, channel, value, "°C", kind, at_s, "temp")
        self.heard[device.dev_eui].append(self.now_s)
        self.past.append((device, reading))
        self.take(self.engine.heard(device, self.now_s, self.now_s))
        self.take(self.engine.consider(device, [verdict], [reading], self.now_s))

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.take(self.engine.tick(self.now_s))

    def act(self, what: str, at: int) -> None:
        shown = self.engine.open()
        if not shown:
            return
        alert, life = shown[at % len(shown)], self.engine.life
        if what == "ack":
            self.take(life.ack(alert, "anna", "", self.now_s))
        elif what == "snooze":
            self.take(life.snooze(alert, self.now_s + 5 * HOUR_S, "anna", "", self.now_s))
        elif what == "unsnooze":
            self.take(life.unsnooze(alert))
        elif what == "comment":
            self.take(life.comment(alert, "anna", "seen", self.now_s))
        else:
            self.take(life.false_alarm(alert, "anna", "", self.now_s).events)

    def restart(self) -> None:
        before = self.engine.open()
        stored = [encoding.decode_alert(row) for row in self.rows.values()]
        self.engine = AlertEngine(self.config)
        self.engine.restore(
            [one for one in stored if one.end_s is None], self.heard, self.now_s, DEVICES,
            recent=[one for one in stored if one.end_s is not None], memory=self.memory,
        )  # fmt: skip
        for device, reading in self.past:
            self.engine.recall(device, [reading])
        assert self.engine.open() == before
        self.take([])

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("hear", number, value):
                self.hear(number, value)
            case ("odd", number):
                self.odd ^= {DEVICES[number].dev_eui}
            case ("wait", seconds):
                self.wait(seconds)
            case ("restart",):
                self.restart()
            case (what, at):
                self.act(what, at)

    def recover(self) -> None:
        """Let all be well for a long time."""
        self.odd.clear()
        for _ in range(12):
            for number in range(len(DEVICES)):
                self.hear(number, 10.0)
            self.wait(HOUR_S)


HEAR = st.tuples(st.just("hear"), st.integers(0, 2), VALUES)
WAIT = st.tuples(st.just("wait"), st.sampled_from([60.0, 900.0, HOUR_S, 7 * HOUR_S, 60 * HOUR_S]))
ODD = st.tuples(st.just("odd"), st.integers(0, 2))
PEOPLE = st.tuples(st.sampled_from(["ack", "snooze", "unsnooze", "comment", "false"]),
                   st.integers(0, 5))  # fmt: skip
RESTART = st.just(("restart",))
ALL = st.lists(HEAR | HEAR | WAIT | WAIT | ODD | PEOPLE | RESTART, max_size=60)
BUDGETS = st.sampled_from([0, 1, 2, 21])


def lives(events: list[AlertEvent]) -> dict[str, list[str]]:
    """Return what was told of each id, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if event.told:
            found[event.alert.id].append(event.event_type.value)
    return found


def check_rest(events: list[AlertEvent]) -> None:
    """Nothing but what is worse, or an end, is told of what rests."""
    resting: dict[str, Alert] = {}
    for event in events:
        before = resting.pop(event.alert.id, None)
        if before is not None and event.told and event.event_type is EventType.UPDATE:
            woken = event.alert.care.snoozed_until_s is None and before.ack is None
            assert woken or RANK[event.alert.severity] > RANK[before.care.loudest or "info"]
        if event.alert.ack is not None or event.alert.care.snoozed_until_s is not None:
            resting[event.alert.id] = event.alert


@given(ALL, BUDGETS)
@settings(deadline=None, max_examples=150)
def test_each_id_is_told_one_beginning_and_one_end(
    steps: list[tuple[Any, ...]], per_week: int
) -> None:
    site = Site(config(silence=True, per_week=per_week))
    for step in steps:
        site.do(step)
    site.recover()
    assert site.engine.open() == []
    for told in lives(site.events).values():
        assert told[0] == "new"
        assert told[-1] == "end"
        assert set(told[1:-1]) <= {"update"}
    check_rest(site.events)
    assert all(encoding.decode_alert(row).end_s is not None for row in site.rows.values())


def gist(site: Site) -> list[tuple[object, ...]]:
    """Return what was told, the last state of each alert, and what is kept beside them.

    When it was last seen is known, after a restart, only as of its newest step.
    """
    told = [
        (one.event_type, replace(one.alert, last_seen_s=0.0)) for one in site.events if one.told
    ]
    last = [
        (name, replace(encoding.decode_alert(row), last_seen_s=0.0))
        for name, row in sorted(site.rows.items())
    ]
    return [*told, *last, *sorted(site.memory.items())]


@given(
    st.lists(HEAR | HEAR | WAIT | PEOPLE, max_size=50),
    st.sets(st.integers(0, 50), max_size=6),
    BUDGETS,
)
@settings(deadline=None, max_examples=150)
def test_restarts_repeat_nothing_and_forget_nothing(
    steps: list[tuple[Any, ...]], restarts: set[int], per_week: int
) -> None:
    whole, cut = (Site(config(silence=False, per_week=per_week)) for _ in range(2))
    for at, step in enumerate(steps):
        if at in restarts:
            cut.restart()
        whole.do(step)
        cut.do(step)
    whole.recover()
    cut.recover()
    assert gist(cut) == gist(whole)
