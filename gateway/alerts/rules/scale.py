"""Units that change: a channel that jumps to 10, 100 or 1000 times what it was, or to Fahrenheit.

A new firmware or codec may send millivolts for volts or tenths for whole units. The newest four
samples are compared with the sixteen before them: their ratio must be a power of ten within 3 %, or
they must fit another temperature scale within 2 degrees; all four alike, and with no more movement
than the samples before had, which must have been steady. A jump of weather does not do that.

Where a channel swings with the day, the jump itself tells: what nature moves slowly stood, turned
into the other unit, where the first new sample stands, within what it usually moves in one step.
Two samples are enough then when another device of the profile has made the same jump within 2 h.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.families import words_of
from gateway.alerts.rules.link_history import median
from gateway.alerts.rules.slow import jump_of
from gateway.speech import say
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

RULE = "at-once:scale"
MOST = 8192
_NEW = 4
_OLD = 16
_TENS = (10.0, 100.0, 1000.0, 0.1, 0.01, 0.001)
_WITHIN = 0.03
_LEAP = 0.5  # no other unit is nearer than half of what a value was
_STEADY = 1.5
_STEADY_DEGREES = 4.0
_DEGREES: tuple[tuple[str, float, Callable[[float], float]], ...] = (
    ("°F", 1.8, lambda old: 1.8 * old + 32.0),
    ("°C", 1 / 1.8, lambda old: (old - 32.0) / 1.8),
    ("K", 1.0, lambda old: old + 273.15),
    ("°C", 1.0, lambda old: old - 273.15),
)
_UNITS = frozenset(unit for unit, _, _ in _DEGREES)
_WITHIN_DEGREES = 2.0
_BACK = 2
_TOGETHER_S = 7200.0
_FEW = 2
_STEPS = 2.0
_CLOSE_DEGREES = 1.0
_ACCEPTED_S = 7 * 86400.0
_OTHERS = re.compile(r"batt|soil\.ec|conductivity|level|distance|depth")


@lru_cache(maxsize=4096)
def _is_judged(channel: Channel) -> bool:
    return jump_of(channel) is not None or bool(_OTHERS.search(str(channel).lower()))


@dataclass(slots=True)
class _Track:
    """One channel's newest samples, and the alert that came of a jump."""

    values: array[float] = field(default_factory=lambda: array("d"))
    newest_s: float = float("-inf")
    before: float = 0.0
    alert: Alert | None = None
    back: int = 0


class ScaleRule:
    """Remembers the newest 20 samples of every channel that is steady by nature."""

    def __init__(self, book: AlertBook) -> None:
        self._book = book
        self._tracks: dict[tuple[DevEui, Channel], _Track] = {}
        self._jumped: dict[tuple[str, Channel, str], dict[DevEui, float]] = {}

    def consider(self, device: DeviceInfo, readings: Sequence[Reading]) -> list[AlertEvent]:
        """Judge one uplink's readings."""
        events: list[AlertEvent] = []
        for reading in readings:
            track = self._learn(device, reading)
            if track is None:
                continue
            if track.alert is not None:
                events += self._follow(track, reading)
            elif len(track.values) == _OLD + _NEW:
                events += self._look(device, track, reading) or self._together(
                    device, track, reading
                )
        return events

    def recall(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from a stored uplink after a restart; give a device's oldest first."""
        for reading in readings:
            self._learn(device, reading)

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        reason = alert.reason[0]
        track = self._tracks.setdefault((alert.dev_eui, reason.channel), _Track())
        track.alert, track.before = alert, reason.expected[1] if reason.expected else 0.0

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device and end its alerts."""
        events: list[AlertEvent] = []
        for key in [key for key in self._tracks if key[0] == dev_eui]:
            alert = self._tracks.pop(key).alert
            for jumped in self._jumped.values():
                jumped.pop(dev_eui, None)
            events += self._book.end(alert, alert.last_seen_s) if alert else []
        return events

    def tick(self, now_s: float) -> list[AlertEvent]:
        """After a week the new unit is how this channel is now."""
        self._jumped = {
            key: near for key, jumped in self._jumped.items()
            if (near := {eui: at_s for eui, at_s in jumped.items()
                         if now_s - at_s <= 2 * _TOGETHER_S})
        }  # fmt: skip
        events: list[AlertEvent] = []
        for track in self._tracks.values():
            if track.alert is not None and now_s - track.alert.first_seen_s > _ACCEPTED_S:
                events += self._close(track, now_s)
        return events

    def _learn(self, device: DeviceInfo, reading: Reading) -> _Track | None:
        numeric = reading.kind is ReadingKind.NUMERIC and not isinstance(reading.value, str)
        if not numeric or not _is_judged(reading.channel):
            return None
        key = (device.dev_eui, reading.channel)
        if key not in self._tracks and len(self._tracks) >= MOST:
            return None
        track = self._tracks.setdefault(key, _Track())
        if reading.time_s <= track.newest_s:
            return None
        track.newest_s = reading.time_s
        track.values.append(float(reading.value))
        del track.values[: -(_OLD + _NEW)]
        return track

    def _look(self, device: DeviceInfo, track: _Track, reading: Reading) -> list[AlertEvent]:
        values = track.values.tolist()
        if not _leaps(values, _NEW):
            return []
        old, new = values[:_OLD], values[_OLD:]
        unit = _scaled(reading.channel, old, new) or _continued(reading.channel, old, new)
        return self._begin(device, track, reading, unit, old) if unit else []

    def _together(self, device: DeviceInfo, track: _Track, reading: Reading) -> list[AlertEvent]:
        """Tell a jump of two samples when another of the profile has jumped likewise."""
        values, profile = track.values.tolist(), device.profile or device.profile_id
        if not profile or not _leaps(values, _FEW):
            return []
        old, new = values[-_OLD - _FEW : -_FEW], values[-_FEW:]
        unit = _continued(reading.channel, old, new)
        if not unit:
            return []
        jumped = self._jumped.setdefault((profile, reading.channel, unit), {})
        jumped[device.dev_eui] = reading.time_s
        near = [at_s for at_s in jumped.values() if abs(reading.time_s - at_s) <= _TOGETHER_S]
        return self._begin(device, track, reading, unit, old) if len(near) >= _FEW else []

    def _begin(
        self, device: DeviceInfo, track: _Track, reading: Reading, unit: str, old: list[float]
    ) -> list[AlertEvent]:
        found = _said(unit)
        track.before = median(old)
        low, high = min(old), max(old)
        words, name = words_of(reading.channel), device.name or str(device.dev_eui)
        track.alert = Alert(
            id=alert_id(device.dev_eui, RULE, str(reading.channel), reading.time_s),
            dev_eui=device.dev_eui, rule=RULE, kind="scale", cause="sensor",
            severity=Severity.WARNING,
            title=say("{name}: {words} jumped as if its unit had changed", name=name, words=words),
            advice=say("See whether its firmware or its codec was changed, and correct the unit."),
            reason=(Reason(reading.channel, reading.value, (low, track.before, high), 1.0, None,
                           reading.unit),),
            first_seen_s=reading.time_s, last_seen_s=reading.time_s, evidence=(found,),
        )  # fmt: skip
        return self._book.begin(track.alert)

    def _follow(self, track: _Track, reading: Reading) -> list[AlertEvent]:
        alert = track.alert
        if alert is None:
            return []
        value, now = float(reading.value), alert.reason[0].observed
        here = abs(value - track.before) < abs(value - float(now))
        track.back = track.back + 1 if here else 0
        return self._close(track, reading.time_s) if track.back >= _BACK else []

    def _close(self, track: _Track, time_s: float) -> list[AlertEvent]:
        alert, track.alert, track.back = track.alert, None, 0
        del track.values[:]
        return self._book.end(alert, time_s) if alert else []


def _leaps(values: list[float], new: int) -> bool:
    """Say whether the first of so many new samples left the one before it far behind."""
    before, after = values[-new - 1], values[-new]
    return abs(after - before) >= _LEAP * abs(before)


def _scaled(channel: Channel, old: list[float], new: list[float]) -> str:
    """Return what the newest samples are of those before: a unit, a factor, "" for neither."""
    before, room = median(old), _spread(old)
    if abs(median(new) - before) < (jump_of(channel) or 0.0):
        return ""
    if before > 0 and max(old) < _STEADY * min(old):
        for factor in _TENS:
            if _fits(new, before * factor, factor * room, _WITHIN * before * factor):
                return f"{factor:g}"
    if _has_degrees(channel) and room <= _STEADY_DEGREES:
        for unit, slope, turn in _DEGREES:
            if _fits(new, turn(before), slope * room, _WITHIN_DEGREES):
                return unit
    return ""


def _continued(channel: Channel, old: list[float], new: list[float]) -> str:
    """Return likewise in which unit the newest samples go on from the last one before the jump.

    Only for quantities that cannot jump; how they swing over the day does not matter.
    """
    jump = jump_of(channel)
    if jump is None or abs(new[0] - old[-1]) < jump or "moisture" in str(channel).lower():
        return ""  # dry soil may well be ten times wetter at once
    step = max(abs(after - before) for before, after in pairwise(old))
    if 2 * step > abs(new[0] - old[-1]):
        return ""  # it jumps about anyway, or comes back from a single wild sample
    last = old[-1]
    if last > 0 and step < _WITHIN * 5 * last:
        for factor in _TENS:
            if _goes_on(new, last * factor, factor * step, _WITHIN * last * factor):
                return f"{factor:g}"
    for unit, slope, turn in _DEGREES if _has_degrees(channel) else ():
        if _goes_on(new, turn(last), slope * step, slope * _CLOSE_DEGREES):
            return unit
    return ""


def _goes_on(new: list[float], level: float, step: float, more: float) -> bool:
    """Say whether the samples go on from a level in usual steps."""
    moves = pairwise([level, *new])
    return all(abs(after - before) <= _STEPS * step + more for before, after in moves)


def _has_degrees(channel: Channel) -> bool:
    return "temperature" in str(channel).lower()


def _said(unit: str) -> str:
    """Return in a sentence what the newest samples are."""
    if unit in _UNITS:
        return say("It now reads what it was in {unit}.", unit=unit)
    return say("It now reads {factor} times what it was.", factor=unit)


def _fits(new: list[float], level: float, room: float, more: float) -> bool:
    """Say whether the samples stand where they should, and move no more than those before."""
    there = abs(median(new) - level) <= room + more
    return there and _spread(new) <= room + more and all(
        abs(one - level) <= 2 * room + more for one in new
    )  # fmt: skip


def _spread(values: list[float]) -> float:
    return (max(values) - min(values)) / 2
