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

    __slots__ = ("_counts", "_means", "_newest")

    def __init__(self) -> None:
        self._means: dict[int, float] = {}
        self._counts: dict[int, int] = {}
        self._newest = -(2**62)

    def add(self, time_s: float, value: float) -> None:
        """Take a sample; one older than what is kept is passed over."""
        hour = hour_of(time_s)
        if hour <= self._newest - KEPT:
            return
        count = self._counts.get(hour, 0) + 1
        mean = self._means.get(hour, 0.0)
        self._counts[hour], self._means[hour] = count, mean + (value - mean) / count
        if hour > self._newest:
            self._newest = hour
            for old in [one for one in self._means if one <= hour - KEPT]:
                del self._means[old], self._counts[old]

    def mean_of(self, hour: int) -> float | None:
        """Return one hour's mean, None without a sample."""
        return self._means.get(hour)

    def back(self, hour: int, count: int) -> list[float | None]:
        """Return the means of `count` hours up to this one, newest first."""
        return [self._means.get(one) for one in range(hour, hour - count, -1)]

    def mean(self, hour: int, count: int, least: int) -> float | None:
        """Return the mean of the hours up to this one, None with fewer than `least` of them."""
        known = [value for value in self.back(hour, count) if value is not None]
        return math.fsum(known) / len(known) if len(known) >= least else None

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Yield (hour, mean), ascending."""
        return iter(sorted(self._means.items()))
