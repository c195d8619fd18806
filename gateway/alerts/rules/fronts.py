"""Cold fronts, cold waves and heat, in the pooled air temperature of one site.

What follows is arithmetic alone: [devices, hours] in, a finding or none out. `weather` decides who
is pooled and what is told.

- **front**: over 3 h it fell by 6 °C more than in the same hours of the last two weeks (their
  median), by 4 standard deviations of theirs, and by 3 °C at all. These figures are ours, for no
  weather service gives any; on four years of six stations they find 8 a year.
- **cold**: the lowest of 24 h is 4 °C or less, and 8 °C below that of the 24 h before (10 °C below
  two, 12 °C below three days before). China, GB/T 21987, *Grades of cold wave*: a cold wave at a
  station. With 12, 14 or 16 °C and frost it is critical: its highest grade.
- **heat**: the highest of 24 h is 5 °C above the median of two weeks. WMO names a heat wave after
  five such days; who waits for the fifth has lost his crop, so it is told on the first, as a note,
  where it is 30 °C or more. A warning on a second day, or with 35 °C, a day of high temperature to
  the China Meteorological Administration; critical with 40 °C, its red signal.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gateway.alerts.rules.fortnight import Floats
from gateway.types import Severity

DAY = 24
DAYS = 14
SPAN_H = 3
HOURS = DAYS * DAY + SPAN_H + 2
"""How many hours the tests look at."""

FRONT, COLD, HEAT = "front", "cold", "heat"
_FRONT_C = 6.0
_GREAT_FRONT_C = 10.0
_CHILLY_C = 15.0
"""A fall that leaves the air warmer than this harms nothing: it is told as a note."""

_SIGMAS = 4.0
_MAD = 1.4826
_FEWEST_DAYS = 5
_SHARE = 2.0 / 3.0
_COLD_DROPS = ((1, 8.0), (2, 10.0), (3, 12.0))
_GREAT_DROPS = ((1, 12.0), (2, 14.0), (3, 16.0))
_COLD_C, _GREAT_COLD_C = 4.0, 0.0
_HEAT_ABOVE_C, _HEAT_C, _HOT_DAY_C, _GREAT_HEAT_C = 5.0, 30.0, 35.0, 40.0
_FEWEST_HOURS = 16


@dataclass(frozen=True, slots=True)
class Finding:
    """What is going on. `size_c` is how much colder or hotter; `over_h` within how many hours.

    `usual` are lowest, middle and highest of what the days before came to: of the same hours'
    change (front), of the days' lowest (cold) or highest (heat).
    """

    kind: str
    severity: Severity
    size_c: float
    over_h: int
    usual: tuple[float, float, float]
    days: int


def front(air: Floats) -> Finding | None:
    """Look for a front in air temperatures (°C) [devices, HOURS], the newest hour last."""
    moved = air[:, SPAN_H:] - air[:, :-SPAN_H]
    pooled = _median(moved)
    now = pooled[-1]
    if not np.isfinite(now) or np.mean(moved[_heard(moved[:, -1]), -1] <= now / 2) < _SHARE:
        return None
    days = range(1, (len(pooled) - 2) // DAY + 1)
    same = [pooled[-1 - day * DAY - 1 : -1 - day * DAY + 2] for day in days]
    known = [hours[np.isfinite(hours)] for hours in same if np.isfinite(hours).any()]
    if len(known) < _FEWEST_DAYS:
        return None
    usual = np.concatenate(known)
    middle = float(np.median(usual))
    room = max(_FRONT_C, _SIGMAS * _MAD * float(np.median(np.abs(usual - middle))))
    if middle - now < room or now > -_FRONT_C / 2:
        return None
    left_c = float(np.nanmedian(air[:, -1]))
    loud = left_c < _CHILLY_C or middle - now >= _GREAT_FRONT_C
    severity = Severity.WARNING if loud else Severity.INFO
    low, high = float(usual.min()), float(usual.max())
    return Finding(FRONT, severity, float(-now), SPAN_H, (low, middle, high), len(known))


def cold_wave(air: Floats) -> Finding | None:
    """Look for a cold wave in air temperatures (°C) [devices, HOURS], the newest hour last."""
    lowest = _days(_median(air), _lowest)
    if not np.isfinite(lowest[0]) or lowest[0] > _COLD_C:
        return None
    found = [(lowest[day] - lowest[0], day) for day, drop in _COLD_DROPS
             if lowest[day] - lowest[0] >= drop]  # fmt: skip
    if not found:
        return None
    great = lowest[0] <= _GREAT_COLD_C and any(
        lowest[day] - lowest[0] >= drop for day, drop in _GREAT_DROPS
    )
    size_c, day = max(found)
    severity = Severity.CRITICAL if great else Severity.WARNING
    return Finding(COLD, severity, float(size_c), day * DAY, *_of_days(lowest[1:]))


def heat(air: Floats) -> Finding | None:
    """Look for heat in air temperatures (°C) [devices, HOURS], the newest hour last."""
    highest = _days(_median(air), _highest)
    before = highest[2:]
    if not np.isfinite(highest[0]) or np.isfinite(before).sum() < _FEWEST_DAYS:
        return None
    usual, days = _of_days(before)
    now, yesterday = highest[0], highest[1]
    if now < _HEAT_C or now - usual[1] < _HEAT_ABOVE_C:
        return None
    second = yesterday >= _HEAT_C and yesterday - usual[1] >= _HEAT_ABOVE_C
    severity = Severity.WARNING if now >= _HOT_DAY_C or second else Severity.INFO
    severity = Severity.CRITICAL if now >= _GREAT_HEAT_C else severity
    return Finding(HEAT, severity, float(now - usual[1]), DAY, usual, days)


TESTS = {FRONT: front, COLD: cold_wave, HEAT: heat}


def _heard(newest: Floats) -> Floats:
    return np.isfinite(newest)


def _median(air: Floats) -> Floats:
    """Return the median of those that were heard, hour by hour."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an hour of silence is NaN
        return np.asarray(np.nanmedian(air, axis=0))


def _lowest(day: Floats) -> float:
    return float(np.nanmin(day))


def _highest(day: Floats) -> float:
    return float(np.nanmax(day))


def _days(pooled: Floats, extreme: Callable[[Floats], float]) -> Floats:
    """Return an extreme of each 24 h, the newest first; NaN for a day with too few hours."""
    count = len(pooled) // DAY
    days = pooled[len(pooled) - count * DAY :].reshape(count, DAY)[::-1]
    known = np.isfinite(days).sum(axis=1) >= _FEWEST_HOURS
    return np.array([extreme(day) if ok else np.nan for day, ok in zip(days, known, strict=True)])


def _of_days(extremes: Floats) -> tuple[tuple[float, float, float], int]:
    known = extremes[np.isfinite(extremes)]
    low, middle, high = np.quantile(known, (0.0, 0.5, 1.0)).tolist()
    return (low, middle, high), len(known)
