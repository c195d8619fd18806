"""Every rule that people wrote, at work: readings, forecasts and time in, alert events out.

::

    reading ──> plan of its device: (rule, leaf) by channel ──> leaf: has its answer changed?
                                       no, and nothing waits <──┴──> yes: ask the rule
    rule ──> holds: a watch since then; for `for_s`, not within `cooldown_s`: an alert begins
         ├─> does not hold: the alert ends
         └─> nobody knows: nothing begins, nothing ends

State is rebuilt by giving stored uplinks again in their order (`recall`), which makes no events and
moves nothing, and by the alerts that are stored (`restore`, `cool`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from gateway.alerts.book import AlertBook
from gateway.alerts.written.conditions import HEARING, Leaf, Mark, Outage
from gateway.alerts.written.rule import GROUP, Part, Watch, WrittenRule
from gateway.alerts.written.scope import Place
from gateway.alerts.written.telling import RULE_PREFIX, alert_of, badness, latch
from gateway.config import ActionConfig, RuleConfig
from gateway.speech import say
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    Reading,
    Verdict,
)

UPDATE_S = 1800.0
GIVE_UP_S = 172_800.0
"""An alert of which nothing is known for so long ends."""

DEAF_S = 300.0
"""Nothing heard of anybody for so long before a start: nobody listened."""

MOST_CHANNELS = 256
"""Channels planned for one device; one that invents more is planned again and again."""

_Item = tuple[WrittenRule, int, Part]
_Plan = dict[Channel, tuple[_Item, ...]]
_NO_NEWS = False, False


@dataclass(frozen=True, slots=True)
class DueAction:
    """A command that a rule's alert asks for: `device` is a DevEUI or a name.

    `is_live`: what the alert rests on was heard since the start. Nothing else moves anything.
    """

    alert_id: str
    rule: str
    device: str
    action: ActionConfig
    is_live: bool


class WrittenRules:
    """The rules that are switched on. `zone` is the site's, None for this machine's."""

    def __init__(self, book: AlertBook, place: Place, zone: tzinfo | None) -> None:
        self._book = book
        self._place = place
        self._zone = zone
        self._rules: dict[str, WrittenRule] = {}
        self._plans: dict[DevEui, tuple[DeviceInfo, _Plan]] = {}
        self._due: list[DueAction] = []
        self._muted = False
        self._deaf: Outage = HEARING
        self._resumed_s = 0.0

    def __len__(self) -> int:
        return len(self._rules)

    @property
    def longest_cooldown_s(self) -> float:
        """How far back ended alerts still keep a rule quiet."""
        return max((rule.config.cooldown_s for rule in self._rules.values()), default=0.0)

    @property
    def names(self) -> frozenset[str]:
        """The names of the rules that are switched on."""
        return frozenset(self._rules)

    @property
    def watch_time(self) -> bool:
        """Whether any rule can begin an alert by time alone."""
        return any(rule.watches_time for rule in self._rules.values())

    @property
    def asks_forecasts(self) -> frozenset[str]:
        """The channels (or patterns) whose forecasts are asked for."""
        return frozenset(
            leaf.config.channel
            for rule in self._rules.values()
            for leaf in rule.leaves
            if leaf.is_forecast
        )

    def lookback_s(self) -> float:
        """Return how far back stored uplinks must be recalled; 0 without rules."""
        return max((rule.lookback_s() for rule in self._rules.values()), default=0.0)

    def separate(self) -> WrittenRules:
        """Return an empty set of rules for the same place, with a book of its own."""
        return WrittenRules(AlertBook(), self._place, self._zone)

    # --- rules come and go ----------------------------------------------------------------

    def add(self, configs: Iterable[RuleConfig]) -> None:
        """Switch rules on; one that is off in its settings stays out."""
        for config in configs:
            if config.enabled:
                self._rules[config.name] = WrittenRule.of(config, self._zone)
        self._plans.clear()

    def adopt(self, other: WrittenRules) -> None:
        """Take over another set's rules with all that they know."""
        self._rules |= other._rules
        self._plans.clear()

    def remove(self, name: str, now_s: float) -> list[AlertEvent]:
        """Switch a rule off; its open alerts end."""
        rule = self._rules.pop(name, None)
        self._plans.clear()
        if rule is None:
            return []
        return [
            event
            for watch in rule.watches.values()
            if watch.alert is not None
            for event in self._book.end(watch.alert, now_s)
        ]

    # --- what is heard --------------------------------------------------------------------

    def consider(
        self, device: DeviceInfo, verdicts: Sequence[Verdict], readings: Sequence[Reading]
    ) -> list[AlertEvent]:
        """Judge one uplink; late ones must not be given."""
        if not self._rules or not readings:
            return []
        plan = self._plan(device)
        touched: dict[str, tuple[bool, bool]] = {}
        for reading in readings:
            for rule, at, part in self._planned(plan, device, reading.channel):
                if part.is_reference:
                    rule.feed(at, part, reading)
        for reading in readings:
            for item in plan[reading.channel]:
                if item[2].is_value:
                    self._compare(touched, device, item, reading)
        for verdict in verdicts:
            self._foresee(touched, device, self._planned(plan, device, verdict.channel), verdict)
        now_s = max(reading.time_s for reading in readings)
        return [
            event
            for name in sorted(touched)
            for event in self._ask(self._rules[name], device, now_s, *touched[name])
        ]

    @staticmethod
    def _compare(
        touched: dict[str, tuple[bool, bool]], device: DeviceInfo, item: _Item, reading: Reading
    ) -> None:
        rule, at, part = item
        leaf = part.leaf
        if leaf.is_forecast:
            leaf.name_unit(part.key, reading)
            return
        if not part.plain or not leaf.passes(part.key, reading):
            _note(touched, rule, part, device, rule.take(at, part, reading))
        elif rule.watches or len(rule.leaves) > 1:
            _note(touched, rule, part, device, _NO_NEWS)
        elif rule.is_counted:
            rule.answers[device.dev_eui] = False, reading.time_s

    @staticmethod
    def _foresee(
        touched: dict[str, tuple[bool, bool]],
        device: DeviceInfo,
        items: tuple[_Item, ...],
        verdict: Verdict,
    ) -> None:
        if verdict.forecast is None:
            return
        for rule, _, part in items:
            if part.is_value and part.leaf.is_forecast:
                found = part.leaf.foresee(part.key, verdict, verdict.forecast)
                _note(touched, rule, part, device, found)

    def _ask(
        self,
        rule: WrittenRule,
        device: DeviceInfo,
        now_s: float,
        stale: bool,  # noqa: FBT001 - facts that were noted
        everybody: bool,  # noqa: FBT001
    ) -> list[AlertEvent]:
        if rule.is_counted:
            if everybody:
                rule.ask_all(now_s, self._deaf)
            elif device.dev_eui in rule.infos:
                rule.ask(device.dev_eui, now_s, self._deaf)
            return self._step(rule, GROUP, now_s)
        subjects = sorted(rule.infos) if everybody else [rule.subject_of(device.dev_eui)]
        return [
            event for subject in subjects for event in self._step(rule, subject, now_s, stale=stale)
        ]

    # --- time -----------------------------------------------------------------------------

    def tick(self, now_s: float) -> list[AlertEvent]:
        """Look at what time alone brings: states that last, silence, windows that open or close."""
        events: list[AlertEvent] = []
        for name in sorted(self._rules):
            rule = self._rules[name]
            if rule.watches_time:
                events += self._look(rule, now_s)
            for subject in [key for key, watch in rule.watches.items() if watch.alert is not None]:
                events += self._keep(rule, subject, now_s)
        return events

    def _look(self, rule: WrittenRule, now_s: float) -> list[AlertEvent]:
        is_open = rule.covers(now_s)
        anew = is_open is not rule.was_open or now_s >= rule.look_s
        rule.was_open = is_open
        if anew:
            rule.look_s = min(leaf.next_silence_s(now_s, self._deaf) for leaf in rule.leaves)
        if anew and rule.is_counted:
            rule.ask_all(now_s, self._deaf)
        subjects = (
            ([GROUP] if rule.is_grouped else sorted(rule.infos)) if anew else list(rule.watches)
        )
        return [
            event
            for subject in subjects
            if (watch := rule.watches.get(subject)) is None or watch.alert is None
            for event in self._step(rule, subject, now_s)
        ]

    def _keep(self, rule: WrittenRule, subject: str, now_s: float) -> list[AlertEvent]:
        """End an open alert whose window has closed, or of which nothing is known any more."""
        watch = rule.watches[subject]
        answer = rule.answer(subject, now_s, self._deaf)
        if answer or watch.alert is None:
            return []
        if answer is None and now_s - watch.alert.last_seen_s < GIVE_UP_S:
            return []
        return self._end(rule, subject, watch.alert, now_s)

    # --- one rule, one subject --------------------------------------------------------------

    def _step(
        self, rule: WrittenRule, subject: str, now_s: float, *, stale: bool = False
    ) -> list[AlertEvent]:
        answer, watch = rule.answer(subject, now_s, self._deaf), rule.watches.get(subject)
        if stale and watch is not None and watch.alert is None:
            del rule.watches[subject]  # how long it lasted is counted from news to news
            watch = None
        if answer:
            return self._holding(rule, subject, watch, now_s)
        if watch is None:
            return []
        if watch.alert is None:
            del rule.watches[subject]
            return []
        return self._end(rule, subject, watch.alert, now_s) if answer is False else []

    def _holding(
        self, rule: WrittenRule, subject: str, watch: Watch | None, now_s: float
    ) -> list[AlertEvent]:
        if watch is None:
            since_s = rule.since_s(subject, now_s) if rule.watches_time else now_s
            watch = rule.watches[subject] = Watch(since_s)
        worst = rule.worst(subject)
        if worst is None:
            return []
        if watch.alert is not None:
            rule.latch(subject, on=True)
            return self._update(rule, subject, watch, worst, now_s)
        rested = now_s >= rule.ended_s.get(subject, -1e18) + rule.config.cooldown_s
        if now_s - watch.since_s < rule.config.for_s or not rested:
            return []
        rule.latch(subject, on=True)
        watch.alert = alert_of(rule, subject, watch.since_s, worst, now_s)
        watch.worst, watch.published_s = badness(rule, worst[1], now_s), now_s
        if self._muted:
            return []
        action = rule.config.action
        if action is not None:
            target = action.device or watch.alert.dev_eui
            live = worst[1].time_s >= self._resumed_s
            self._due.append(DueAction(watch.alert.id, rule.name, target, action, live))
        return self._book.begin(watch.alert)

    def _update(
        self,
        rule: WrittenRule,
        subject: str,
        watch: Watch,
        worst: tuple[Leaf, Mark],
        now_s: float,
    ) -> list[AlertEvent]:
        """Tell of an alert again when it has become worse, and not at every sample."""
        if watch.alert is None:
            return []
        watch.alert = replace(watch.alert, last_seen_s=max(watch.alert.last_seen_s, now_s))
        bad = badness(rule, worst[1], now_s)
        if bad <= watch.worst or now_s - watch.published_s < UPDATE_S:
            return []
        watch.worst, watch.published_s = bad, now_s
        now = alert_of(rule, subject, watch.since_s, worst, now_s)
        watch.alert = replace(watch.alert, title=now.title, reason=now.reason, peers=now.peers)
        return [] if self._muted else self._book.update(watch.alert)

    def _end(self, rule: WrittenRule, subject: str, alert: Alert, now_s: float) -> list[AlertEvent]:
        del rule.watches[subject]
        rule.latch(subject, on=False)
        rule.ended_s[subject] = now_s
        return [] if self._muted else self._book.end(alert, now_s)

    # --- actions --------------------------------------------------------------------------

    def due(self) -> list[DueAction]:
        """Return the commands that alerts have asked for since this was last asked."""
        due, self._due = self._due, []
        return due

    def acted(self, name: str, identity: str, said: str) -> list[AlertEvent]:
        """Tell in an alert what became of its command."""
        rule = self._rules.get(name)
        for watch in rule.watches.values() if rule is not None else ():
            if watch.alert is not None and watch.alert.id == identity:
                advice = say("{advice} {said}", advice=watch.alert.advice, said=said).strip()
                watch.alert = replace(watch.alert, advice=advice)
                return self._book.update(watch.alert)
        return []

    # --- after a restart ------------------------------------------------------------------

    def recall(self, device: DeviceInfo, readings: Sequence[Reading], now_s: float) -> None:
        """Take a stored uplink again, in the order in which they came, without any event."""
        self._muted = True
        try:
            if self.watch_time:
                self.tick(now_s)
            self.consider(device, (), readings)
        finally:
            self._muted = False

    def settle(self, heard_s: float, now_s: float) -> None:
        """End the recalling: what no stored alert tells of has not been told.

        `heard_s` is when anybody was last heard, 0 for never.
        """
        for rule in self._rules.values():
            rule.ended_s.clear()
            for subject, watch in rule.watches.items():
                watch.alert = None
                rule.latch(subject, on=False)
        self._resumed_s = now_s
        if heard_s and now_s - heard_s > DEAF_S:
            self._deaf = Outage(heard_s, now_s)

    def restore(self, alert: Alert) -> bool:
        """Take an open alert back; tell whether there is a rule for it."""
        rule = self._rules.get(alert.rule.removeprefix(RULE_PREFIX))
        if rule is None or not alert.rule.startswith(RULE_PREFIX):
            return False
        subject = rule.subject_of(alert.dev_eui)
        watch = rule.watches.setdefault(subject, Watch(alert.first_seen_s))
        watch.since_s, watch.alert, watch.published_s = (
            alert.first_seen_s, alert, alert.last_seen_s,
        )  # fmt: skip
        rule.infos.setdefault(alert.dev_eui, DeviceInfo(alert.dev_eui))
        for reason in alert.reason:
            latch(rule, subject, alert, reason)
        return True

    def cool(self, ended: Iterable[Alert]) -> None:
        """Learn from ended alerts for how long their rules stay quiet."""
        for alert in ended:
            rule = self._rules.get(alert.rule.removeprefix(RULE_PREFIX))
            if rule is None or alert.end_s is None:
                continue
            subject = rule.subject_of(alert.dev_eui)
            rule.ended_s[subject] = max(rule.ended_s.get(subject, 0.0), alert.end_s)

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device; its open alerts end."""
        self._plans.pop(dev_eui, None)
        events: list[AlertEvent] = []
        for rule in self._rules.values():
            watch = rule.watches.pop(dev_eui, None)
            if watch is not None and watch.alert is not None:
                events += self._book.end(watch.alert, watch.alert.last_seen_s)
            rule.forget(dev_eui)
        return events

    # --- which readings concern which rules -------------------------------------------------

    def _plan(self, device: DeviceInfo) -> _Plan:
        known = self._plans.get(device.dev_eui)
        if known is None or known[0] != device or len(known[1]) > MOST_CHANNELS:
            known = self._plans[device.dev_eui] = device, {}
        return known[1]

    def _planned(self, plan: _Plan, device: DeviceInfo, channel: Channel) -> tuple[_Item, ...]:
        found = plan.get(channel)
        if found is None:
            found = plan[channel] = tuple(
                (rule, at, part)
                for rule in self._rules.values()
                for at, part in rule.parts(device, channel, self._place)
            )
            for rule, _, part in found:
                if part.is_value and (part.key != GROUP or rule.is_fixed):
                    rule.infos[device.dev_eui] = device
        return found


def _note(
    touched: dict[str, tuple[bool, bool]],
    rule: WrittenRule,
    part: Part,
    device: DeviceInfo,
    found: tuple[bool, bool],
) -> None:
    """Note a rule to be asked: its answer may have changed, or something waits for time."""
    changed, stale = found
    fixed = part.key == GROUP
    waits = bool(rule.watches) if fixed else rule.subject_of(device.dev_eui) in rule.watches
    if changed or stale or waits or not rule.always or rule.is_counted:
        before = touched.get(rule.name, _NO_NEWS)
        touched[rule.name] = before[0] or stale, before[1] or (fixed and not rule.is_fixed)
