"""Whatever rules say, and whenever the daemon restarts: every alert is told once, and ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.alerts.causes import Causes
from gateway.alerts.causes.groups import WAITED_S
from gateway.config import Config
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    EventType,
    Reason,
    Severity,
)

HOUR_S = 3600.0
DEVICES = 6
CONFIG = Config.model_validate(
    {
        "devices": {
            f"70b3d57ed000000{number}": {"area": "North" if number < 3 else "South"}
            for number in range(DEVICES - 1)
        }
    }
)
ABOUT = (
    ("model", "drift", "air.temperature", 4.0),
    ("model", "drift", "air.temperature", 30.0),
    ("model", "leak", "soil.moisture", 40.0),
    ("model", "stuck", "soil.moisture", 16.0),
    ("at-once:early", "stuck", "soil.moisture", 16.0),
    ("hot", "threshold", "air.temperature", 40.0),
    ("at-once:battery", "battery", "device.battery_v", 2.5),
    ("link", "link", "radio.loss", 40.0),
    ("at-once:scale", "scale", "device.battery_v", 3000.0),
    ("range:high:air.temperature", "threshold", "air.temperature", 655.35),
    ("silence", "silence", "device.silent_for", 9999.0),
)
Key = tuple[int, int]


@dataclass
class Rules:
    """Rules as far as the layer sees them: what they have open, by device and subject."""

    causes: Causes = field(default_factory=lambda: Causes(CONFIG))
    now_s: float = 1_790_000_000.0
    open: dict[Key, Alert] = field(default_factory=dict)
    told: list[AlertEvent] = field(default_factory=list)
    made: int = 0

    def begin(self, key: Key) -> None:
        number, about = key
        if key in self.open:
            return
        rule, kind, channel, observed = ABOUT[about]
        self.made += 1
        self.open[key] = Alert(
            id=f"{number}-{about}-{self.made}", dev_eui=DevEui(f"70b3d57ed000000{number}"),
            rule=rule, kind=kind, cause="unknown", severity=Severity.WARNING, title=f"{key}",
            advice="", first_seen_s=self.now_s, last_seen_s=self.now_s,
            reason=(Reason(Channel(channel), observed, (12.0, 16.0, 20.0), 1.0, None),),
        )  # fmt: skip
        self.take(EventType.NEW, self.open[key])

    def update(self, key: Key) -> None:
        if key in self.open:
            self.open[key] = replace(
                self.open[key], last_seen_s=self.now_s, severity=Severity.CRITICAL
            )
            self.take(EventType.UPDATE, self.open[key])

    def end(self, key: Key) -> None:
        if key in self.open:
            self.take(EventType.END, replace(self.open.pop(key), end_s=self.now_s))

    def storm(self, key: Key) -> None:
        for number in range(DEVICES):
            self.begin((number, key[1]))

    def calm(self, key: Key) -> None:
        """All but one are over."""
        for number in range(DEVICES):
            if number != key[0]:
                self.end((number, key[1]))

    def speak(self, key: Key) -> None:
        device = DeviceInfo(DevEui(f"70b3d57ed000000{key[0]}"))
        self.causes.note(device, [])
        self.told += self.causes.spoke(device.dev_eui, self.now_s)

    def wait(self, key: Key) -> None:
        self.now_s += (30.0, 300.0, HOUR_S, 3 * HOUR_S, 90.0, 7 * HOUR_S)[key[0]]
        self.told += self.causes.tick(self.now_s)

    def restart(self, _: Key) -> None:
        """Rules go on with what was published; what they had besides they find again, or not."""
        published = self.causes.open()
        lost = [key for key, alert in self.open.items()
                if alert.id not in {one.id for one in published}]  # fmt: skip
        self.causes = Causes(CONFIG)
        for alert in published:
            own = self.causes.restore(alert, self.now_s)
            key = next((key for key, one in self.open.items() if one.id == alert.id), None)
            if key is None:  # a rule that had ended it takes it up once more, and ends it again
                key = (DEVICES, self.made)
                self.made += 1
            self.open[key] = own
        for key in lost:
            del self.open[key]
            self.begin(key)

    def take(self, step: EventType, alert: Alert) -> None:
        self.told += self.causes.take([AlertEvent(step, alert)], self.now_s)


STEPS: dict[str, Callable[[Rules, Key], None]] = {
    "begin": Rules.begin, "again": Rules.begin, "update": Rules.update, "end": Rules.end,
    "speak": Rules.speak, "storm": Rules.storm, "calm": Rules.calm,
    "wait": Rules.wait, "restart": Rules.restart,
}  # fmt: skip
KEYS = st.tuples(st.integers(0, DEVICES - 1), st.integers(0, len(ABOUT) - 1))
SCRIPTS = st.lists(st.tuples(st.sampled_from(sorted(STEPS)), KEYS), max_size=60)


def check_lives(told: list[AlertEvent], still_open: set[str]) -> None:
    """Every id begins once, is updated only while open, and ends once."""
    live: set[str] = set()
    over: set[str] = set()
    for event in told:
        identity = event.alert.id
        assert identity not in over
        assert (identity in live) == (event.event_type is not EventType.NEW)
        if event.event_type is EventType.END:
            live.discard(identity)
            over.add(identity)
        else:
            live.add(identity)
    assert live == still_open


@settings(max_examples=300, deadline=None)
@given(SCRIPTS)
def test_every_rules_alert_is_in_one_published_alert_and_nothing_stays_open(
    script: list[tuple[str, Key]],
) -> None:
    rules = Rules()
    for step, key in script:
        STEPS[step](rules, key)
        published = {alert.id: alert for alert in rules.causes.open()}
        for alert in rules.open.values():
            standing = rules.causes.standing_for(alert.id)
            assert standing is not None
            assert published[standing.id] is standing
    check_lives(rules.told, {alert.id for alert in rules.causes.open()})

    rules.now_s += 120.0
    rules.told += rules.causes.tick(rules.now_s)
    named = {eui for alert in rules.causes.open() for eui in (alert.dev_eui, *alert.peers)}
    assert {alert.dev_eui for alert in rules.open.values()} <= named

    for key in list(rules.open):
        rules.end(key)
    rules.now_s += WAITED_S + 1
    rules.told += rules.causes.tick(rules.now_s)
    assert rules.causes.open() == []
    check_lives(rules.told, set())


@given(SCRIPTS)
@settings(max_examples=50, deadline=None)
def test_the_same_events_again_give_the_same_alerts(script: list[tuple[str, Key]]) -> None:
    def run() -> list[AlertEvent]:
        rules = Rules()
        for step, key in script:
            STEPS[step](rules, key)
        return rules.told

    assert run() == run()
