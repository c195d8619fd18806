"""From what rules say to what people are told.

::

    rule events -> follow ----------------> events, `told` or only shown
                      |    budget: told, or folded into the digest
                      |    acknowledged or snoozed: told again only when it becomes worse
                      `    it had just ended: it recurs, and its next end waits until it is sure
    people -------> ack, snooze, comment, false_alarm ...
    time ---------> tick: snoozes that are over, ends that are sure, the digest

What is told of one id is `new`, any number of `update`, then one `end`, whatever rules and people
do and however often the gateway is restarted: everything that is remembered stands in the stored
alerts (`Alert.care`), and for adjustments and the newest digest in `changes`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.alerts.book import alert_id
from gateway.alerts.life.adjustments import Adjustment, Adjustments
from gateway.alerts.life.budget import WEEK_S, Budget
from gateway.alerts.life.digest import Digest
from gateway.alerts.life.states import (
    Trouble,
    as_known,
    awake,
    ended_s,
    has_paused,
    is_refreshed,
    is_settling,
    is_soon,
    is_worse,
    loudest,
    settles_s,
    trouble_of,
    with_comment,
)
from gateway.alerts.life.wording import proposal
from gateway.config import AlertsConfig
from gateway.types import (
    Alert,
    AlertEvent,
    Care,
    DevEui,
    EventType,
    Json,
)

REMEMBERED_S = WEEK_S + 86400.0
"""How far back `restore` wants stored alerts: the budget's week, and room for clocks."""


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """What calling an alert false did; `proposal` is what only the user can change."""

    events: list[AlertEvent]
    adjustments: list[Adjustment]
    proposal: str = ""


@dataclass(frozen=True, slots=True)
class _Ending:
    """How the same trouble last ended."""

    id: str
    end_s: float
    recurred: int


class Life:
    """Every alert that is open for people. `timezone` is the digest's, "" for this machine's."""

    def __init__(
        self, settings: AlertsConfig, built_in: Iterable[str] = (), timezone: str = ""
    ) -> None:
        self._limits = {limit.name: limit for limit in settings.threshold}
        self.adjustments = Adjustments(settings.false_alarm_days, frozenset(built_in))
        self.digest = Digest(settings.digest_at, timezone)
        self._budget = Budget(settings.per_week, self._limits)
        self._open: dict[str, Alert] = {}
        self._muted: dict[str, Alert] = {}
        self._ids: dict[str, str] = {}
        self._ended: dict[Trouble, _Ending] = {}

    # --- what rules say -------------------------------------------------------------------

    def follow(self, events: Iterable[AlertEvent], now_s: float) -> list[AlertEvent]:
        """Take rule events in their order; return what comes of them."""
        return [step for event in events for step in self._follow(event, now_s)]

    def tick(self, now_s: float) -> list[AlertEvent]:
        """Look at what time brings."""
        self.adjustments.expire(now_s)
        events: list[AlertEvent] = []
        for alert in self.open():
            care = alert.care
            if is_settling(alert) and now_s - ended_s(alert) >= settles_s(care):
                events += self._finish(replace(alert, end_s=ended_s(alert)))
            elif care.snoozed_until_s is not None and now_s >= care.snoozed_until_s:
                calm = is_settling(alert) or care.digested_s is not None or alert.ack is not None
                woken = awake(alert)
                events += self._show(woken) if calm else self._tell(woken, now_s)
            elif care.owed and has_paused(care, now_s):
                events += self._tell(alert, now_s)
        over = [key for key, end in self._ended.items() if not is_soon(end.end_s, now_s)]
        for key in over:
            del self._ended[key]
        self.digest.look(now_s)
        return events

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """End what still waits of a device whose rules have let go of it."""
        gone = [alert for alert in self.open() if alert.dev_eui == dev_eui]
        return [step for one in gone for step in self._finish(replace(one, end_s=ended_s(one)))]

    def let_go(self, rules: Collection[str]) -> list[AlertEvent]:
        """End what waits to be really over of rules that were switched off."""
        waiting = [one for one in self.open() if one.rule in rules and is_settling(one)]
        return [step for one in waiting for step in self._finish(replace(one, end_s=ended_s(one)))]

    def _follow(self, event: AlertEvent, now_s: float) -> list[AlertEvent]:
        alert = event.alert
        if alert.id in self._muted:
            return self._after_false_alarm(event, now_s)
        before = self._open.get(self._ids.get(alert.id, alert.id))
        if event.event_type is EventType.NEW and (before is None or is_settling(before)):
            if before is not None:
                return self._reopen(before, alert, now_s)
            return self._begin(alert, now_s)
        if before is None:
            return []
        if event.event_type is EventType.END:
            self._ids.pop(alert.id, None)
            return self._end(before, alert, now_s)
        return self._update(before, as_known(before, alert), now_s)

    def _begin(self, alert: Alert, now_s: float) -> list[AlertEvent]:
        trouble = trouble_of(alert)
        for waiting in self._open.values():
            if is_settling(waiting) and trouble_of(waiting) == trouble:
                return self._reopen(waiting, alert, now_s)
        ending, recurred = self._ended.get(trouble), 0
        if ending is not None and is_soon(ending.end_s, now_s):
            recurred = ending.recurred + 1
            if ending.id == alert.id:  # an id is told as new only once
                alert = self._renamed(alert, now_s)
        alert = replace(alert, ack=None, care=Care(recurred=recurred))
        if self._budget.admits(alert, now_s):
            return self._tell_new(alert, now_s)
        folded = replace(alert, care=replace(alert.care, digested_s=now_s, loudest=alert.severity))
        self.digest.fold(folded)
        return self._show(folded, EventType.NEW)

    def _tell_new(self, alert: Alert, now_s: float) -> list[AlertEvent]:
        alert = replace(alert, care=replace(alert.care, told_s=now_s, digested_s=None))
        self.digest.drop(alert.id)
        self._budget.count(alert)
        return self._tell(alert, now_s, EventType.NEW)

    def _reopen(self, waiting: Alert, alert: Alert, now_s: float) -> list[AlertEvent]:
        """Go on with an alert whose end was not told yet."""
        self._ids[alert.id] = waiting.id
        care = replace(waiting.care, recurred=waiting.care.recurred + 1, well_since_s=None)
        again = replace(as_known(waiting, alert), care=care)
        if is_worse(waiting, again):
            return self._tell_worse(again, now_s)
        return self._show(again)

    def _update(self, before: Alert, after: Alert, now_s: float) -> list[AlertEvent]:
        if is_worse(before, after):
            return self._tell_worse(after, now_s)
        care = before.care
        resting = before.ack is not None or care.snoozed_until_s is not None
        if resting or care.digested_s is not None or is_refreshed(before, after):
            return self._show(after)
        if has_paused(care, now_s):
            return self._tell(after, now_s)
        return self._show(replace(after, care=replace(care, owed=True)))

    def _tell_worse(self, alert: Alert, now_s: float) -> list[AlertEvent]:
        """Tell what has become worse, also where it rests; from the digest, if the budget lets."""
        if alert.care.digested_s is None:
            return self._tell(awake(alert), now_s)
        if self._budget.admits(alert, now_s):
            return self._tell_new(awake(alert), now_s)
        return self._show(alert)

    def _end(self, before: Alert, alert: Alert, now_s: float) -> list[AlertEvent]:
        ended = as_known(before, alert)
        if not before.care.recurred or alert.folded_into:
            return self._finish(ended)
        care = replace(before.care, well_since_s=min(ended_s(ended), now_s), owed=False)
        return self._show(replace(ended, end_s=None, care=care))

    def _finish(self, alert: Alert) -> list[AlertEvent]:
        alert = awake(alert)
        del self._open[alert.id]
        self._ids = {name: one for name, one in self._ids.items() if one != alert.id}
        self._remember(alert)
        return [AlertEvent(EventType.END, alert, told=alert.care.told_s is not None)]

    def _after_false_alarm(self, event: AlertEvent, now_s: float) -> list[AlertEvent]:
        """Say nothing more of a false alarm, unless its rule takes it for something worse."""
        ended, alert = self._muted[event.alert.id], event.alert
        worse = event.event_type is not EventType.END and is_worse(ended, alert)
        if event.event_type is not EventType.END and not worse:
            return []
        for name in [name for name, one in self._muted.items() if one.id == ended.id]:
            del self._muted[name]
        free = replace(ended, care=replace(ended.care, muted=False))
        events = [AlertEvent(EventType.END, free, told=False)]
        return events + (self._begin(self._renamed(alert, now_s), now_s) if worse else [])

    # --- what people do -------------------------------------------------------------------

    def ack(self, alert: Alert, by: str, text: str, now_s: float) -> list[AlertEvent]:
        """Let somebody take an alert on: it is told again only when it becomes worse."""
        said = with_comment(alert, by, text, now_s)
        care = replace(said.care, owed=False)
        return self._show(replace(said, ack=by or "somebody", care=care))

    def unack(self, alert: Alert) -> list[AlertEvent]:
        """Take that back."""
        return self._show(replace(alert, ack=None))

    def snooze(
        self, alert: Alert, until_s: float, by: str, text: str, now_s: float
    ) -> list[AlertEvent]:
        """Let an alert rest; what becomes worse is told at once, what lasts, at `until_s`."""
        said = with_comment(alert, by, text, now_s)
        care = replace(said.care, snoozed_until_s=until_s, owed=False)
        return self._show(replace(said, care=care))

    def unsnooze(self, alert: Alert) -> list[AlertEvent]:
        """End a snooze early."""
        return self._show(awake(alert))

    def comment(self, alert: Alert, by: str, text: str, now_s: float) -> list[AlertEvent]:
        """Keep a remark; the newest `MOST_COMMENTS` stay."""
        return self._show(with_comment(alert, by, text, now_s))

    def false_alarm(self, alert: Alert, by: str, text: str, now_s: float) -> FalseAlarm:
        """End an alert as false, and make what raised it less sensitive where it is ours."""
        adjusted = self.adjustments.after_false_alarm(alert, by, now_s)
        held = not is_settling(alert)  # its rule will still speak of it
        said = awake(with_comment(alert, by, text, now_s))
        care = replace(said.care, false_alarm=True, muted=held, well_since_s=None)
        ended = replace(said, care=care, end_s=max(now_s, alert.last_seen_s))
        if held:
            names = [name for name, one in self._ids.items() if one == alert.id]
            self._muted |= dict.fromkeys((alert.id, *names), ended)
        proposed = proposal(self._limits.get(alert.rule), alert)
        return FalseAlarm(self._finish(ended), adjusted, proposed)

    # --- what there is --------------------------------------------------------------------

    def open(self) -> list[Alert]:
        """Return what is open, oldest first."""
        return sorted(self._open.values(), key=lambda alert: (alert.first_seen_s, alert.id))

    def find(self, name: str) -> list[Alert]:
        """Return the open alerts whose id begins like this."""
        exact = self._open.get(name)
        found = [one for one in self.open() if name and one.id.startswith(name)]
        return [exact] if exact else found

    def changes(self) -> dict[str, Json]:
        """Return what must be kept since this was last asked: None drops a name."""
        changed = self.adjustments.changes | self.digest.changes
        self.adjustments.changes.clear()
        self.digest.changes.clear()
        return changed

    def restore(self, stored: Sequence[Alert], memory: Mapping[str, Json]) -> list[Alert]:
        """Go on where the last run stopped; return the alerts that their rules still hold.

        `stored` are those that are open, and those of the last `REMEMBERED_S`.
        """
        self.adjustments.restore(memory)
        self.digest.restore(memory)
        held = []
        for alert in sorted(stored, key=lambda one: (one.care.told_s or 0.0, one.id)):
            care = alert.care
            if care.told_s is None and care.digested_s is None:  # of a version that told them all
                care = replace(care, told_s=alert.first_seen_s, loudest=alert.severity)
            known = replace(alert, care=care)
            self._budget.count(known)
            self.digest.take_up(known)
            if known.end_s is None:
                self._open[known.id] = known
                held += [] if is_settling(known) else [known]
                continue
            self._remember(known)
            if care.muted:
                self._muted[known.id] = known
                held.append(replace(known, end_s=None))
        return sorted(held, key=lambda alert: (alert.first_seen_s, alert.id))

    def _remember(self, alert: Alert) -> None:
        if alert.folded_into:
            return  # it goes on, in another alert
        before = self._ended.get(trouble_of(alert))
        if before is None or before.end_s <= ended_s(alert):
            self._ended[trouble_of(alert)] = _Ending(alert.id, ended_s(alert), alert.care.recurred)

    def _tell(
        self, alert: Alert, now_s: float, step: EventType = EventType.UPDATE
    ) -> list[AlertEvent]:
        care = replace(alert.care, said_s=now_s, owed=False, loudest=loudest(alert))
        told = self._open[alert.id] = replace(alert, care=care)
        return [AlertEvent(step, told)]

    def _show(self, alert: Alert, step: EventType = EventType.UPDATE) -> list[AlertEvent]:
        self._open[alert.id] = alert
        return [AlertEvent(step, alert, told=False)]

    def _renamed(self, alert: Alert, now_s: float) -> Alert:
        """Return an alert under an id of its own; its rule goes on with the one it knows."""
        name = alert_id(alert.dev_eui, alert.rule, f"anew|{alert.id}", now_s)
        self._ids[alert.id] = name
        return replace(alert, id=name)
