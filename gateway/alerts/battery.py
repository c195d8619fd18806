"""How long a battery will last: the line through its days, and how sure that line is.

Daily medians take out the swing of voltage with temperature between day and night. The slope is
Theil and Sen's median of all pairs with Kendall's confidence limits (Sen, J. Am. Stat. Assoc. 63
(1968); Gilbert, "Statistical methods for environmental pollution monitoring" (1987), 16.5), so one
bad day moves nothing. It is told only where even the slow limit falls. A jump up that stays is a
new battery: what came before it does not count.

Lithium cells hold their voltage for most of their life and drop at its end. What is told is
therefore how long *this* decline would take, from the level it has reached.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

DAY_S = 86400.0
FEWEST_DAYS = 7
"""With fewer days the weather is seen, not the battery."""

MOST_DAYS = 90
"""Older days are left out: how fast a battery drains changes with its work."""

FURTHEST_DAYS = 3650.0
"""A decline that takes longer than ten years is none."""

_SURE = 2.3263  # standard normal, 99 % on one side: days are not independent
_NEW_BATTERY = 0.25  # of the room between floor and the highest day: nothing recovers so much


@dataclass(frozen=True, slots=True)
class BatteryForecast:
    """A decline and where it leads; units are those of the values, per day where it is a slope.

    `days` until the floor is met, `soonest` and `latest` with the steepest and the slowest slope
    that 98 % confidence allows; `latest` is at most `FURTHEST_DAYS`. At or below the floor all are
    0.
    """

    level: float
    per_day: float
    days: float
    soonest: float
    latest: float


def days_left(
    times_s: Sequence[float], values: Sequence[float], floor: float
) -> BatteryForecast | None:
    """Return when a battery's values meet `floor`, None when it does not surely decline.

    Times are Unix seconds in any order, values volts or percent; what is not finite is left out.
    None also for fewer than `FEWEST_DAYS` days with samples since the battery was new.
    """
    days = _since_new(_daily(times_s, values), floor)
    if len(days) < FEWEST_DAYS:
        return None
    slopes = sorted(
        (later - earlier) / (then - before)
        for index, (before, earlier) in enumerate(days)
        for then, later in days[index + 1 :]
    )
    steepest, slowest = _limits(slopes, len(days))
    slope = median(slopes)
    if slowest >= 0.0 or slope >= 0.0:
        return None
    today = days[-1][0]
    level = slope * today + median(value - slope * day for day, value in days)
    left = max(level - floor, 0.0)
    if left > FURTHEST_DAYS * -slope:
        return None
    latest = min(left / -slowest, FURTHEST_DAYS)
    return BatteryForecast(level, slope, left / -slope, left / -steepest, latest)


def _daily(times_s: Sequence[float], values: Sequence[float]) -> list[tuple[int, float]]:
    """Return (day, median) of the newest days, ascending; a day is 24 h of Unix time."""
    by_day: dict[int, list[float]] = {}
    for time_s, value in zip(times_s, values, strict=True):
        if math.isfinite(time_s) and math.isfinite(value):
            by_day.setdefault(int(time_s // DAY_S), []).append(value)
    newest = max(by_day, default=0)
    return sorted(
        (day, median(found)) for day, found in by_day.items() if newest - day < MOST_DAYS
    )  # fmt: skip


def _since_new(days: list[tuple[int, float]], floor: float) -> list[tuple[int, float]]:
    """Return the days since the last jump up that stayed."""
    if not days:
        return days
    least = _NEW_BATTERY * max(max(value for _, value in days) - floor, 0.0)
    start = 0
    for index, ((_, before), (_, after)) in enumerate(pairwise(days), start=1):
        stays = median(value for _, value in days[index : index + FEWEST_DAYS])
        if least and after - before > least and stays - before > least:
            start = index
    return days[start:]


def _limits(slopes: Sequence[float], days: int) -> tuple[float, float]:
    """Return the two slopes, of all pairs ascending, that hold the true one with 98 %."""
    spread = _SURE * math.sqrt(days * (days - 1) * (2 * days + 5) / 18)
    low = max(math.floor((len(slopes) - spread) / 2) - 1, 0)
    high = min(math.ceil((len(slopes) + spread) / 2), len(slopes) - 1)
    return slopes[low], slopes[high]
