"""From the alerts of the rules to the alerts that people get: one cause, one alert.

::

    rules -> [ new, update, end ] -> Causes -> [ new, update, end ] -> life -> published

Nothing waits here. The first alert of a cause is published at once; those that follow join it under
its id, so that a front is one alert from its first device on and a storm is one at all. README says
when one joins, and how a group ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.alerts.book import alert_id
from gateway.alerts.causes.fitting import Fitting, in_order
from gateway.alerts.causes.group import Group, worse
from gateway.alerts.causes.headline import is_the_users
from gateway.alerts.causes.likeness import ABOUT_DEVICE, SPIKE, is_natural, ways_of
from gateway.alerts.causes.neighbours import Neighbours
from gateway.alerts.causes.story import tell
from gateway.alerts.families import Family, family_of
from gateway.config import Config
from gateway.speech import say
from gateway.types import (
    DERIVED,
    Alert,
    AlertEvent,
    DevEui,
    DeviceInfo,
    EventType,
    Reading,
    ReadingKind,
)

LINGER_S = 2 * 3600.0
"""How long what is left of a group may take to follow when most of it is over."""

WELL = 3
"""Uplinks without trouble, after a restart, that take a device out of its group."""

WAITED_S = 6 * 3600.0
"""How long after a restart a device may be silent and still be in its group."""

RETHINK_S = 24 * 3600.0
"""How long after its beginning the neighbours may change what an alert's cause is."""

QUIET_S = 60.0
"""A group that grows is published when it has doubled, else no sooner than this."""

_UNSAID = frozenset({Family.LINK, Family.BATTERY, Family.VALVE})


class Causes:
    """Every published alert with what it stands for. Bounded by the alerts that rules have open."""

    def __init__(self, config: Config) -> None:
        self.neighbours = Neighbours(config.devices)
        self._site = config.site.name
        self._groups: dict[str, Group] = {}
        self._of: dict[str, Group] = {}
        self._fitting = Fitting(self.neighbours)
        self._rethink: dict[str, float] = {}
        self._waiting: dict[str, float] = {}
        self._now_s = 0.0

    # --- what is learned ------------------------------------------------------------------

    def note(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from one uplink, whenever it was sent."""
        self.neighbours.know(device)
        for reading in readings:
            if reading.kind is ReadingKind.NUMERIC and not reading.key.startswith(DERIVED):
                if family_of(reading.channel) in _UNSAID or isinstance(reading.value, str):
                    continue
                value = float(reading.value)
                self.neighbours.hours.add(
                    device.dev_eui, reading.channel, reading.time_s, value, reading.unit
                )

    def spoke(self, dev_eui: DevEui, now_s: float) -> list[AlertEvent]:
        """Take a device's live uplink: after a restart, who is well leaves its old group."""
        events: list[AlertEvent] = []
        for group in [self._groups[one] for one in self._waiting]:
            if dev_eui in group.waiting:
                group.waiting[dev_eui] += 1
                if group.waiting[dev_eui] >= WELL:
                    del group.waiting[dev_eui]
                    events += self._lost(group, now_s, now_s)
        return events

    # --- events ---------------------------------------------------------------------------

    def take(self, events: Iterable[AlertEvent], now_s: float) -> list[AlertEvent]:
        """Turn what the rules say into what is published. Events come in order."""
        self._now_s = max(self._now_s, now_s)
        told: list[AlertEvent] = []
        for event in events:
            group = self._of.get(event.alert.id)
            if event.event_type is EventType.END:
                told += self._end(group, event.alert, now_s) if group else []
            elif group is None:
                told += self._begin(event.alert, now_s)
            else:
                told += self._update(group, event.alert, now_s)
        return told

    def tick(self, now_s: float) -> list[AlertEvent]:
        """Say what has become known meanwhile, and end what is over."""
        self._now_s = max(self._now_s, now_s)
        events: list[AlertEvent] = []
        for group in list(self._groups.values()):
            if group.waiting and now_s - self._waiting.get(group.alert.id, now_s) > WAITED_S:
                group.waiting.clear()
                events += self._lost(group, now_s, now_s)
                if group.empty():
                    continue
            if group.over_s is not None and now_s - group.over_s >= LINGER_S:
                events += self._release(group, now_s)
            elif group.unnamed() and now_s - group.told_s >= QUIET_S:
                events += self._publish(group, now_s)
        return events + self._reconsider(now_s)

    def open(self) -> list[Alert]:
        """Return what is published and not over, oldest first."""
        alerts = (group.alert for group in self._groups.values())
        return sorted(alerts, key=lambda alert: (alert.first_seen_s, alert.id))

    def standing_for(self, identity: str) -> Alert | None:
        """Return the published alert that stands for a rule's open one, by the rule's id."""
        group = self._of.get(identity)
        return group.alert if group is not None else None

    def restore(self, alert: Alert, now_s: float) -> Alert:
        """Take back a published alert after a restart; return what its rule is to continue with.

        Its other devices wait in it: a rule that finds one still in trouble joins it again.
        """
        self._now_s = max(self._now_s, now_s)
        ways = ways_of(alert)
        own = replace(alert, evidence=(), peers=()) if ways else alert
        group = Group(own, alert, ways, now_s, now_s, told=1 + len(alert.peers))
        group.take(own)
        if ways:
            group.waiting = dict.fromkeys(alert.peers, 0)
            group.most = group.told
        self._add(group)
        self._of[own.id] = group
        if group.waiting:
            self._waiting[alert.id] = now_s
        return own

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device, after its rules' alerts have ended."""
        self.neighbours.forget(dev_eui)
        events: list[AlertEvent] = []
        for group in list(self._groups.values()):
            if group.waiting.pop(dev_eui, None) is not None:
                events += self._lost(group, self._now_s, self._now_s)
        return events

    # --- a rule's alert -------------------------------------------------------------------

    def _begin(self, alert: Alert, now_s: float) -> list[AlertEvent]:
        ways = ways_of(alert)
        found = self._fitting.find(alert, ways, now_s) if ways else []
        if found:
            into, *others = found
            if is_the_users(alert) and not any(map(is_the_users, into.members.values())):
                return self._take_over(alert, ways, found, now_s)
            events = [step for one in others for step in self._fold(one, into, now_s)]
            return events + self._join(into, alert, ways, now_s)
        group = Group(alert, self._introduced(alert), ways, now_s, now_s)
        group.take(alert)
        self._of[alert.id] = group
        return self._open(group, now_s)

    def _take_over(
        self, alert: Alert, ways: frozenset[tuple[str, str]], found: Sequence[Group], now_s: float
    ) -> list[AlertEvent]:
        """Begin what a limit of the user's own says, and fold into it what was told before.

        So it is told as new, even where what others said was acknowledged or in the digest.
        """
        group = Group(alert, alert, ways, now_s, now_s)
        group.take(alert)
        self._of[alert.id] = group
        self._add(group)
        folded = [step for one in found for step in self._fold(one, group, now_s)]
        group.told = len(group.devices())
        group.alert = tell(group, self.neighbours, self._site, now_s)
        return [AlertEvent(EventType.NEW, group.alert), *folded]

    def _open(self, group: Group, now_s: float) -> list[AlertEvent]:
        self._add(group)
        if group.ways:
            group.alert = tell(group, self.neighbours, self._site, now_s)
        if any(is_natural(way) or way[1] == SPIKE for way in group.ways):
            self._rethink[group.alert.id] = now_s + RETHINK_S
        return [AlertEvent(EventType.NEW, group.alert)]

    def _join(
        self, group: Group, alert: Alert, ways: frozenset[tuple[str, str]], now_s: float
    ) -> list[AlertEvent]:
        group.take(alert)
        group.joined_s = max(group.joined_s, now_s)
        self._of[alert.id] = group
        self._grow(group, ways)
        return self._grown(group, alert, now_s)

    def _grown(self, group: Group, alert: Alert, now_s: float) -> list[AlertEvent]:
        """Publish a group that something has joined, if that is worth telling by now."""
        if 2 * len(group.devices()) > group.most:
            group.over_s = None
        doubled = len(group.devices()) >= 2 * group.told
        joined = len(group.devices()) == 1 or now_s - group.told_s >= QUIET_S
        if doubled or joined or worse(alert.severity, group.alert.severity):
            return self._publish(group, now_s)
        return []

    def _update(self, group: Group, alert: Alert, now_s: float) -> list[AlertEvent]:
        ways = ways_of(alert) if group.ways else frozenset()
        before = group.members.get(alert.id)
        turned = bool(ways) and before is not None and before.kind != alert.kind
        if beside := self._fitting.beside(group, alert, ways, now_s) if turned else []:
            # It is of another kind now: what was one device's own is part of what others show.
            group.take(alert)
            into, other = in_order([group, *beside])
            self._grow(into, ways)
            return [*self._fold(other, into, now_s), *self._grown(into, alert, now_s)]
        group.take(alert)
        self._grow(group, ways)
        if not group.ways:
            group.alert = self._introduced(alert)
            return [AlertEvent(EventType.UPDATE, group.alert)]
        rose = before is not None and worse(alert.severity, before.severity)
        if rose or len(group.devices()) == 1 or worse(alert.severity, group.alert.severity):
            return self._publish(group, now_s)
        return []

    def _end(self, group: Group, alert: Alert, now_s: float) -> list[AlertEvent]:
        del self._of[alert.id]
        group.members.pop(alert.id, None)
        end_s = alert.end_s if alert.end_s is not None else now_s
        return self._lost(group, end_s, now_s, folded_into=alert.folded_into)

    # --- groups ---------------------------------------------------------------------------

    def _lost(
        self, group: Group, end_s: float, now_s: float, *, folded_into: str = ""
    ) -> list[AlertEvent]:
        """Go on after something has left a group: it ends with its last."""
        if not group.waiting:
            self._waiting.pop(group.alert.id, None)
        if group.empty():
            return self._close(group, end_s, folded_into)
        if 2 * len(group.devices()) <= group.most and group.over_s is None and group.most > 1:
            group.over_s = now_s
        return []

    def _close(self, group: Group, end_s: float, folded_into: str = "") -> list[AlertEvent]:
        identity = group.alert.id
        del self._groups[identity]
        self._rethink.pop(identity, None)
        self._waiting.pop(identity, None)
        self._fitting.remove(group)
        ended = replace(
            group.alert, end_s=max(end_s, group.alert.last_seen_s), folded_into=folded_into
        )
        return [AlertEvent(EventType.END, ended)]

    def _fold(self, group: Group, into: Group, now_s: float) -> list[AlertEvent]:
        """End a published alert because another, of the same cause, now stands for it."""
        events = self._close(group, now_s, into.alert.id)
        into.joined_s = max(into.joined_s, group.joined_s)
        into.spent |= {group.alert.id, *group.spent}
        for member in group.members.values():
            into.take(member)
            self._of[member.id] = into
        self._grow(into, group.ways)
        for dev_eui, well in group.waiting.items():
            into.waiting[dev_eui] = well
            self._waiting.setdefault(into.alert.id, now_s)
        return events

    def _release(self, group: Group, now_s: float) -> list[AlertEvent]:
        """Part from what did not recover with the others: it is no longer the common cause."""
        group.waiting.clear()
        self._waiting.pop(group.alert.id, None)
        left = [one for one in group.members.values() if one.dev_eui != group.alert.dev_eui]
        for member in left:
            del group.members[member.id], self._of[member.id]
        events: list[AlertEvent] = []
        if group.empty():
            events += self._close(group, now_s)
        else:
            group.over_s, group.most = None, 1
            events += self._publish(group, now_s)
        for member in left:
            events += self._part(group, member, now_s)
        return events

    def _part(self, group: Group, member: Alert, now_s: float) -> list[AlertEvent]:
        """Publish one that is left under an id of its own, beside others of its device."""
        for other in self._fitting.of_device(member, ways_of(member)):
            return self._join(other, member, ways_of(member), now_s)
        alert = replace(
            member,
            evidence=(
                *member.evidence,
                say("The others that showed it are as usual again; this one is not."),
            ),
        )
        if member.id in {group.alert.id, *group.spent} or member.id in self._groups:
            again = alert_id(member.dev_eui, member.rule, f"again|{member.id}", now_s)
            alert = replace(alert, id=again)
        single = Group(replace(alert, id=member.id), alert, ways_of(member), now_s, now_s)
        single.take(single.lead)
        self._of[member.id] = single
        return self._open(single, now_s)

    def _publish(self, group: Group, now_s: float) -> list[AlertEvent]:
        alert = tell(group, self.neighbours, self._site, now_s)
        group.told_s, group.told = now_s, len(group.devices())
        if alert == group.alert:
            return []
        group.alert = alert
        return [AlertEvent(EventType.UPDATE, alert)]

    def _reconsider(self, now_s: float) -> list[AlertEvent]:
        """Ask the neighbours again while an alert is young: some had not spoken when it began."""
        events: list[AlertEvent] = []
        for identity, until_s in list(self._rethink.items()):
            group = self._groups[identity]
            if now_s > until_s:
                del self._rethink[identity]
            elif len(group.devices()) == 1:
                newer = tell(group, self.neighbours, self._site, now_s)
                if newer.cause != group.alert.cause:
                    events += self._publish(group, now_s)
        return events

    def _add(self, group: Group) -> None:
        self._groups[group.alert.id] = group
        self._fitting.add(group)

    def _grow(self, group: Group, ways: frozenset[tuple[str, str]]) -> None:
        if not ways <= group.ways:
            group.ways |= ways
            self._fitting.add(group)

    def _introduced(self, alert: Alert) -> Alert:
        """Return a silence with what was known of the device before it."""
        if alert.kind != "silence" or alert.peers:
            return alert
        way = (ABOUT_DEVICE, str(alert.dev_eui))
        known = [group.alert for group in self._fitting.going(way)]
        said = tuple(say("Known before: {title}.", title=one.title) for one in known)
        evidence = tuple(dict.fromkeys((*alert.evidence, *said)))
        if not any(one.kind == "battery" for one in known):
            return replace(alert, evidence=evidence)
        advice = say("Replace its battery, and see whether it is heard again.")
        return replace(alert, cause="sensor", advice=advice, evidence=evidence)
