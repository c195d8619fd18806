"""The newest samples of one channel, sorted by time, in bounded memory."""

from __future__ import annotations

from enum import Enum

import numpy as np
import numpy.typing as npt

_FIRST_CAPACITY = 64


class Place(Enum):
    """Where a sample went."""

    NEWEST = "newest"
    FILLED = "filled"
    REPEATED = "repeated"
    TOO_OLD = "too_old"


class Ring:
    """At most `limit` samples; its content is the newest of what it was given, whatever the order.

    Memory grows to 16 bytes x (limit + limit / 8); moving the samples down is then needed only
    once per limit / 8 samples.
    """

    __slots__ = ("_end", "_limit", "_start", "_times_s", "_values", "samples")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times_s = np.empty(min(_FIRST_CAPACITY, limit), np.float64)
        self._values = np.empty_like(self._times_s)
        self._start = 0
        self._end = 0
        self.samples = 0

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """Ascending times, a view."""
        return self._times_s[self._start : self._end]

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """The values at those times, a view."""
        return self._values[self._start : self._end]

    @property
    def newest_s(self) -> float:
        """Time of the newest sample, minus infinity when there is none."""
        return float(self._times_s[self._end - 1]) if len(self) else -np.inf

    def add(self, time_s: float, value: float) -> Place:
        """Put a sample where its time belongs. A second value for one time replaces the first."""
        if time_s > self.newest_s:
            self._append(time_s, value)
            self.samples += 1
            return Place.NEWEST
        at = int(np.searchsorted(self.times_s, time_s))
        if self.times_s[at] == time_s:
            self.values[at] = value
            return Place.REPEATED
        if at == 0 and len(self) >= self._limit:
            return Place.TOO_OLD
        self._insert(at, time_s, value)
        self.samples += 1
        return Place.FILLED

    def fill(self, times_s: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> None:
        """Replace the content by these samples, in any order; of equal times the last counts."""
        order = np.argsort(times_s, kind="stable")
        times, kept = times_s[order], values[order]
        last = np.append(times[1:] != times[:-1], True) if times.size else np.zeros(0, bool)
        times, kept = times[last], kept[last]
        self.samples = times.size
        self._replace(times, kept)

    def _append(self, time_s: float, value: float) -> None:
        if self._end == self._times_s.size:
            self._make_room()
        self._times_s[self._end], self._values[self._end] = time_s, value
        self._end += 1
        if len(self) > self._limit:
            self._start += 1

    def _insert(self, at: int, time_s: float, value: float) -> None:
        self._replace(np.insert(self.times_s, at, time_s), np.insert(self.values, at, value))

    def _replace(self, times_s: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> None:
        times, kept = times_s[-self._limit :], values[-self._limit :]
        self._reserve(times.size)
        self._start, self._end = 0, times.size
        self._times_s[: times.size], self._values[: times.size] = times, kept

    def _make_room(self) -> None:
        size = len(self)
        if size < self._limit:
            self._reserve(min(2 * size, self._limit + self._limit // 8))
            return
        self._reserve(self._limit + max(self._limit // 8, 1))
        self._times_s[:size], self._values[:size] = self.times_s.copy(), self.values.copy()
        self._start, self._end = 0, size

    def _reserve(self, capacity: int) -> None:
        if capacity <= self._times_s.size:
            return
        times, values = np.empty(capacity), np.empty(capacity)
        size = len(self)
        times[:size], values[:size] = self.times_s, self.values
        self._times_s, self._values = times, values
        self._start, self._end = 0, size
