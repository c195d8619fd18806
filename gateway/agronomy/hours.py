"""Means by the hour: uneven samples weigh no more where they are dense. Bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

HOUR_S = 3600.0
KEPT = 50
"""How many of the newest hours are kept: two days, for a noise night may lie that far back."""


def hour_of(time_s: float) -> int:
    """Return the number of the hour of a time, counted from 1970."""
    return math.floor(time_s / HOUR_S)


class Hours:
    """The newest hours' means of one quantity; samples may come in any order."""

    __slots__ = ("_newest", "_sums")

    def __init__(self) -> None:
        self._sums: dict[int, tuple[float, int]] = {}
        self._newest = -(2**62)

    def add(self, time_s: float, value: float) -> None:
        """Take a sample; one older than what is kept is passed over."""
        hour = hour_of(time_s)
        if hour <= self._newest - KEPT:
            return
        total, count = self._sums.get(hour, (0.0, 0))
        self._sums[hour] = (total + value, count + 1)
        if hour > self._newest:
            self._newest = hour
            for old in [one for one in self._sums if one <= hour - KEPT]:
                del self._sums[old]

    def mean_of(self, hour: int) -> float | None:
        """Return one hour's mean, None without a sample."""
        found = self._sums.get(hour)
        return None if found is None else found[0] / found[1]

    def back(self, hour: int, count: int) -> list[float | None]:
        """Return the means of `count` hours up to this one, newest first."""
        return [self.mean_of(hour - age) for age in range(count)]

    def mean(self, hour: int, count: int, least: int) -> float | None:
        """Return the mean of the hours up to this one, None with fewer than `least` of them."""
        known = [value for value in self.back(hour, count) if value is not None]
        return math.fsum(known) / len(known) if len(known) >= least else None

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Yield (hour, mean), ascending."""
        for hour in sorted(self._sums):
            total, count = self._sums[hour]
            yield hour, total / count
