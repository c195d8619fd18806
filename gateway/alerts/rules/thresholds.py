"""Limits on values: the user's own with hysteresis and duration, and what physics allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.words import titled
from gateway.config import ThresholdConfig
from gateway.speech import Phrase, figure, phrase, say, words_of
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    Reading,
    ReadingKind,
    Reason,
    Severity,
)

DeviceKey = tuple[str, str, str, str]
UPDATE_S = 1800.0
_CACHED = 16384
_WIDER, _WIDER_SHARE = 0.5, 0.05
_CAUSES = {"frost": "environment", "heat": "environment", "rain": "environment",
           "battery": "sensor", "link": "network", "silence": "network"}  # fmt: skip
_JUDGED = frozenset({ReadingKind.NUMERIC, ReadingKind.COUNTER, ReadingKind.BOOLEAN})


@dataclass(frozen=True, slots=True)
class Limit:
    """One side of what a channel may be; `sign` is +1 above a limit, -1 below it.

    `channel` may hold `*`. `samples` abnormal readings in a row, and `for_s` between the first and
    the newest of them, make an alert. `{channel}` in `title` is the channel's name in words.
    Our own `title` and `advice` are phrases, the user's are plain text.
    """

    name: str
    channel: str
    bound: float
    sign: int
    hysteresis: float = 0.0
    for_s: float = 0.0
    samples: int = 1
    severity: Severity = Severity.WARNING
    kind: str = "threshold"
    cause: str = "unknown"
    title: str = ""
    advice: str = ""
    devices: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()

    def watches(self, device: DeviceInfo, channel: Channel) -> bool:
        """Say whether this limit holds for a channel of a device."""
        named = not self.devices or device.dev_eui in self.devices or device.name in self.devices
        kind = not self.profiles or bool({device.profile, device.profile_id} & {*self.profiles})
        return named and kind and fnmatchcase(str(channel), self.channel)

    def wider(self, steps: int) -> Limit:
        """Return it further out, and slower to be believed, after so many false alarms."""
        if not steps:
            return self
        further = steps * max(_WIDER * self.hysteresis, _WIDER_SHARE * abs(self.bound))
        bound, samples = self.bound + self.sign * further, self.samples * (1 + steps)
        return replace(self, bound=bound, samples=samples)

    def beyond(self, value: float) -> float:
        """Return by how much the value is past the bound; negative when it is within."""
        return self.sign * (value - self.bound)


def limits_of(rules: Iterable[ThresholdConfig]) -> tuple[Limit, ...]:
    """Return the user's own limits."""
    return tuple(
        Limit(
            name=rule.name, channel=rule.channel,
            bound=rule.above if rule.above is not None else rule.below or 0.0,
            sign=1 if rule.above is not None else -1,
            hysteresis=rule.hysteresis, for_s=rule.for_s, severity=Severity(rule.severity),
            kind=rule.kind, cause=_CAUSES.get(rule.kind, "unknown"), title=rule.title,
            advice=rule.advice, devices=rule.devices, profiles=rule.profiles,
        )
        for rule in rules
    )  # fmt: skip


def _physical(channel: str, low: float, high: float) -> tuple[Limit, Limit]:
    below = Limit(
        f"range:low:{channel}", channel, low, -1, samples=2, cause="sensor",
        title=phrase("{channel} reads what cannot be"),
        advice=phrase("Check the probe and its cable."),
    )  # fmt: skip
    return below, replace(below, name=f"range:high:{channel}", bound=high, sign=1)


# Wider than any farm: what lies outside is a broken probe or a sentinel such as -327.68 or 6553.5.
PHYSICAL = (
    *_physical("air.temperature*", -60.0, 85.0),
    *_physical("soil.temperature*", -60.0, 85.0),
    *_physical("water.temperature*", -20.0, 120.0),
    *_physical("air.relativeHumidity*", -1.0, 105.0),
    *_physical("soil.moisture*", -5.0, 105.0),
    *_physical("air.pressure*", 400.0, 1200.0),
)


@dataclass(slots=True)
class _Watch:
    """How long a value has been past its limit, and the alert that came of it."""

    since_s: float
    count: int = 0
    worst: float = 0.0
    alert: Alert | None = None
    published_s: float = 0.0


class ThresholdRule:
    """Compares readings with limits. Only a device's own past is remembered, per limit.

    `steps` tells how many false alarms have widened a limit for a device's channel.
    """

    def __init__(
        self,
        book: AlertBook,
        limits: Sequence[Limit],
        steps: Callable[[DevEui, str, Channel], int] = lambda *_: 0,
    ) -> None:
        self._book = book
        self._steps = steps
        self._limits = tuple(limits)
        self._watches: dict[tuple[DevEui, str, Channel], _Watch] = {}
        self._watching: dict[tuple[DeviceKey, Channel], tuple[Limit, ...]] = {}

    @property
    def names(self) -> frozenset[str]:
        """The rules this one answers for."""
        return frozenset(limit.name for limit in self._limits)

    def consider(self, device: DeviceInfo, readings: Sequence[Reading]) -> list[AlertEvent]:
        """Compare one uplink's readings; text and enums have no limits."""
        events: list[AlertEvent] = []
        for reading, limit, value in self._compared(device, readings):
            events += self._compare(device, limit, reading, value)
        return events

    def recall(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn after a restart for how long a value has been past a limit; the oldest first."""
        for reading, limit, value in self._compared(device, readings):
            key = (device.dev_eui, limit.name, reading.channel)
            watch = self._watches.get(key)
            if watch is not None and watch.alert is not None:
                continue
            if limit.wider(self._steps(*key)).beyond(value) <= 0:
                self._watches.pop(key, None)
                continue
            watch = self._watches.setdefault(key, _Watch(reading.time_s))
            watch.count += 1

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        if not alert.reason:
            return
        reason = alert.reason[0]
        limit = next((limit for limit in self._limits if limit.name == alert.rule), None)
        value = reason.observed
        worst = limit.beyond(float(value)) if limit and not isinstance(value, str) else 0.0
        self._watches[alert.dev_eui, alert.rule, reason.channel] = _Watch(
            alert.first_seen_s, 1, worst, alert, alert.last_seen_s
        )

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """End everything of a device."""
        events: list[AlertEvent] = []
        for key in [key for key in self._watches if key[0] == dev_eui]:
            alert = self._watches.pop(key).alert
            events += self._book.end(alert, alert.last_seen_s) if alert else []
        return events

    def _compared(
        self, device: DeviceInfo, readings: Sequence[Reading]
    ) -> Iterator[tuple[Reading, Limit, float]]:
        for reading in readings:
            if reading.kind not in _JUDGED or isinstance(reading.value, str):
                continue
            for limit in self._limits_on(device, reading.channel):
                yield reading, limit, float(reading.value)

    def _limits_on(self, device: DeviceInfo, channel: Channel) -> tuple[Limit, ...]:
        key = (device.dev_eui, device.name, device.profile, device.profile_id), channel
        found = self._watching.get(key)
        if found is None:
            if len(self._watching) >= _CACHED:
                self._watching.clear()
            found = tuple(limit for limit in self._limits if limit.watches(device, channel))
            self._watching[key] = found
        return found

    def _compare(
        self, device: DeviceInfo, limit: Limit, reading: Reading, value: float
    ) -> list[AlertEvent]:
        key = (device.dev_eui, limit.name, reading.channel)
        limit = limit.wider(self._steps(*key))
        watch, past = self._watches.get(key), limit.beyond(value)
        if past > 0:
            if watch is None:
                watch = self._watches[key] = _Watch(reading.time_s)
            watch.count += 1
            return self._past(device, limit, reading, watch, past)
        if watch is None:
            return []
        if watch.alert is None:
            del self._watches[key]
            return []
        if past <= -limit.hysteresis:
            del self._watches[key]
            return self._book.end(watch.alert, reading.time_s)
        return []

    def _past(
        self, device: DeviceInfo, limit: Limit, reading: Reading, watch: _Watch, past: float
    ) -> list[AlertEvent]:
        if watch.alert is None:
            lasting = reading.time_s - watch.since_s >= limit.for_s
            if not lasting or watch.count < limit.samples:
                return []
            watch.alert = _alert(device, limit, reading, watch.since_s)
            watch.worst, watch.published_s = past, reading.time_s
            return self._book.begin(watch.alert)
        seen_s = max(watch.alert.last_seen_s, reading.time_s)
        watch.alert = replace(watch.alert, last_seen_s=seen_s)
        if past <= watch.worst or reading.time_s - watch.published_s < UPDATE_S:
            return []
        watch.worst, watch.published_s = past, reading.time_s
        watch.alert = replace(watch.alert, reason=_reasons(reading))
        return self._book.update(watch.alert)


def _alert(device: DeviceInfo, limit: Limit, reading: Reading, since_s: float) -> Alert:
    group = str(reading.channel)
    return Alert(
        id=alert_id(device.dev_eui, limit.name, group, since_s),
        dev_eui=device.dev_eui, rule=limit.name, kind=limit.kind, cause=limit.cause,
        severity=limit.severity, title=titled(device, _trouble(limit, reading)),
        advice=_said(limit.advice), reason=_reasons(reading), first_seen_s=since_s,
        last_seen_s=reading.time_s,
    )  # fmt: skip


def _trouble(limit: Limit, reading: Reading) -> str:
    words, bound = words_of(reading.channel), figure(limit.bound, reading.unit)
    if limit.title:
        return _said(limit.title).replace("{channel}", words)
    if limit.sign > 0:
        return say("{channel} above {bound}", channel=words, bound=bound)
    return say("{channel} below {bound}", channel=words, bound=bound)


def _said(text: str) -> str:
    """Return our own words in the site's language, the user's as they are."""
    return say(text) if isinstance(text, Phrase) else text


def _reasons(reading: Reading) -> tuple[Reason, ...]:
    return (Reason(reading.channel, reading.value, None, 1.0, None, reading.unit),)
