"""Days of another kind: offices, schools, workshops and pumps rest on some days of the week.

A channel that knows busy hours and rest has, over the last two weeks, a rest level at which it lies
still for a good part of all hours, and busy hours far from it. Air outdoors is none: its nights do
not lie still.

Until the third week nobody can know what a Saturday is like. So what the model finds unusual in
such a channel is a day of another kind, and no trouble, while

- it has lain still at its rest level for six hours, or each of these was like the same hour of some
  day before,
- and this weekday was like this at this hour before; or it has been seen fewer than two times, and
  some day of the last seven was like this, or not all seven are known yet.

From the third week on a workday that rests is told. A value beyond what the channel ever was, and
one that is stuck or noisy: always.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.alerts.rules.fortnight import DAY, HOUR_S, Floats, Fortnight
from gateway.types import Verdict

DAYS = 7
HOURS = 2 * DAYS * DAY + 2
"""How far back is looked: the same hour of two weeks ago, with the hours around it."""

_LASTS_H = 6
_FEWEST_H = 3 * DAY
_REST_SHARE = 0.4
_REST_WIDTH = 0.25
_STILL = 0.12
_ROOM = 0.15
_BEYOND = 0.25
_TOLERANCE = 0.15
_SEEN = 2
_FAULTS = frozenset({"stuck", "noise"})


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A channel's rest, from `low` to `high`; `least` and `most` are its outermost hours."""

    low: float
    high: float
    least: float
    most: float

    @property
    def span(self) -> float:
        """How far busy hours are from rest."""
        return self.most - self.least

    def has_been(self, value: float) -> bool:
        """Say whether a value is within what the channel ever was."""
        room = _BEYOND * self.span
        return self.least - room <= value <= self.most + room

    def rests(self, value: float) -> bool:
        """Say whether a value lies at the rest level."""
        room = _ROOM * self.span
        return self.low - room <= value <= self.high + room


def rhythm_of(hours: Floats) -> Rhythm | None:
    """Return the rest of hourly means, None where a channel has no rest and busy hours."""
    known = hours[np.isfinite(hours)]
    if known.size < _FEWEST_H:
        return None
    low, high = np.quantile(known, (0.02, 0.98)).tolist()
    span = high - low
    if span <= 0.0:
        return None
    for at_rest in (known <= low + _REST_WIDTH * span, known >= high - _REST_WIDTH * span):
        resting = known[at_rest]
        first, third = np.quantile(resting, (0.25, 0.75)).tolist() if resting.size else (0.0, span)
        busy = 1.0 - at_rest.mean()
        if at_rest.mean() >= _REST_SHARE and third - first <= _STILL * span and busy > 1 / DAY:
            rest, still = np.quantile(resting, (0.02, 0.98)).tolist()
            return Rhythm(rest, still, low, high)
    return None


def is_another_day(hours: Floats, value: float) -> bool:
    """Say whether the newest hours [HOURS] and a value are a day of another kind."""
    rhythm = rhythm_of(hours)
    if rhythm is None:
        return False
    newest = hours[-_LASTS_H:]
    newest = newest[np.isfinite(newest)]
    if newest.size <= _LASTS_H // 2 or not rhythm.has_been(value):
        return False
    resting = all(rhythm.rests(float(one)) for one in newest)
    return (resting or _was_before(hours, rhythm)) and _may_be_so(hours, rhythm)


def _was_before(hours: Floats, rhythm: Rhythm) -> bool:
    """Say whether each of the last hours is within what the same hours of days before were."""
    room = _TOLERANCE * rhythm.span
    for back in range(_LASTS_H):
        now = float(hours[-1 - back])
        past = _same_hours(hours, back, DAY)
        if np.isfinite(now) and not (past.size and past.min() - room <= now <= past.max() + room):
            return False
    return True


def _may_be_so(hours: Floats, rhythm: Rhythm) -> bool:
    """Say whether this weekday was like this at this hour before, or may be for all we know."""
    room, value = _TOLERANCE * rhythm.span, float(hours[np.isfinite(hours)][-1])
    days = [_around(hours, back * DAY) for back in range(1, 2 * DAYS + 1)]
    alike = [bool(day.size) and day.min() - room <= value <= day.max() + room for day in days]
    if alike[DAYS - 1] or alike[2 * DAYS - 1]:
        return True
    seen = bool(days[DAYS - 1].size) + bool(days[2 * DAYS - 1].size)
    whole_week = all(day.size for day in days[:DAYS])
    return seen < _SEEN and (any(alike[:DAYS]) or not whole_week)


def _same_hours(hours: Floats, back: int, every: int) -> Floats:
    days = range(1, (len(hours) - back - 2) // every + 1)
    return np.concatenate([_around(hours, back + day * every) for day in days])


def _around(hours: Floats, back: int) -> Floats:
    """Return the known hours around one so many hours before the newest: clocks change by one."""
    at = len(hours) - 1 - back
    near = hours[max(at - 1, 0) : at + 2] if at >= 0 else hours[:0]
    return near[np.isfinite(near)]


class Weekdays:
    """Asks the fortnight of what the model finds unusual."""

    def __init__(self, days: Fortnight) -> None:
        self._days = days

    def explains(self, verdict: Verdict) -> bool:
        """Say whether an unusual verdict is of a day of another kind."""
        if verdict.pattern in _FAULTS:
            return False
        series = self._days.get(verdict.dev_eui, verdict.channel)
        if series is None:
            return False
        hour = int(verdict.time_s // HOUR_S)
        return is_another_day(series.until(hour, HOURS), verdict.observed)
