"""What each channel was like by the hour, for two days: who usually goes with whom.

A series is 48 hourly means in a ring that is addressed by the hour itself, so samples may come in
any order and a restart fills it again from what is stored. 1 kB a channel, at most `MOST`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.types import Channel, DevEui

HOUR_S = 3600.0
KEPT = 48
MOST = 4096
"""Series that are learned; a channel beyond them has neighbours by its place alone."""

FEWEST = 12
"""Hours that two series must share before anything is said of them."""

_FLAT = 1e-9


@dataclass(slots=True)
class Series:
    """One channel of one device. `newest` is its newest sample, taken at `newest_s`."""

    newest: float = 0.0
    newest_s: float = -math.inf
    unit: str = ""
    _hours: array[int] = field(default_factory=lambda: array("i", [-1]) * KEPT)
    _sums: array[float] = field(default_factory=lambda: array("d", [0.0]) * KEPT)
    _counts: array[int] = field(default_factory=lambda: array("I", [0]) * KEPT)

    def add(self, time_s: float, value: float) -> None:
        """Take a sample; one older than what its place in the ring holds is left out."""
        if time_s >= self.newest_s:
            self.newest, self.newest_s = value, time_s
        hour = int(time_s // HOUR_S)
        at = hour % KEPT
        if hour > self._hours[at]:
            self._hours[at], self._sums[at], self._counts[at] = hour, 0.0, 0
        if hour == self._hours[at]:
            self._sums[at] += value
            self._counts[at] += 1

    def mean(self, hour: int) -> float | None:
        """Return the mean of an hour, None when nothing was heard in it."""
        at = hour % KEPT
        return self._sums[at] / self._counts[at] if self._hours[at] == hour else None

    def beside(self, other: Series, before: int) -> Iterator[tuple[float, float]]:
        """Yield the means of both in every hour that both have, older than the hour `before`."""
        for at, hour in enumerate(self._hours):
            if 0 <= hour < before and other._hours[at] == hour:
                yield self._sums[at] / self._counts[at], other._sums[at] / other._counts[at]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How two series went together.

    `offset` is how much the second usually lies above the first, `spread` the standard deviation of
    that; `correlation` is None where one of them did not move.
    """

    hours: int
    offset: float
    spread: float
    correlation: float | None


class Hours:
    """Every learned series, by channel and then by device."""

    def __init__(self) -> None:
        self._series: dict[Channel, dict[DevEui, Series]] = {}
        self._count = 0

    def add(
        self, dev_eui: DevEui, channel: Channel, time_s: float, value: float, unit: str
    ) -> None:
        """Take one sample."""
        devices = self._series.setdefault(channel, {})
        series = devices.get(dev_eui)
        if series is None:
            if self._count >= MOST:
                return
            self._count += 1
            series = devices[dev_eui] = Series(unit=unit)
        series.add(time_s, value)

    def of(self, channel: Channel) -> dict[DevEui, Series]:
        """Return the series of a channel by device."""
        return self._series.get(channel, {})

    def compare(
        self, one: DevEui, other: DevEui, channel: Channel, before_s: float
    ) -> Likeness | None:
        """Compare two devices' channel before a moment; None with too little in common."""
        series = self.of(channel)
        if one not in series or other not in series:
            return None
        pairs = list(series[one].beside(series[other], int(before_s // HOUR_S)))
        return _likeness(pairs) if len(pairs) >= FEWEST else None

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device."""
        for devices in self._series.values():
            self._count -= devices.pop(dev_eui, None) is not None


def _likeness(pairs: list[tuple[float, float]]) -> Likeness:
    count = len(pairs)
    left = sum(one for one, _ in pairs) / count
    right = sum(other for _, other in pairs) / count
    cross = sum((one - left) * (other - right) for one, other in pairs)
    squares = sum((one - left) ** 2 for one, _ in pairs)
    others = sum((other - right) ** 2 for _, other in pairs)
    spread = math.sqrt(max(squares + others - 2 * cross, 0.0) / count)
    moved = squares > _FLAT * count and others > _FLAT * count
    correlation = cross / math.sqrt(squares * others) if moved else None
    return Likeness(count, right - left, spread, correlation)
