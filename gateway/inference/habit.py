"""What a channel's days usually look like, over weeks: the score's memory.

P-values (`calibration`) answer "is this rare here?" by the newest thousand samples, and so they
get used to what lasts. Ranking samples by oddness wants a longer memory on a scale that stays:

- *shape*: the newest day in 12 parts, its Mahalanobis distance from all days known;
- *statistics*: its mean, log spread and log roughness, likewise;
- *jump*: the newest change (`Head.JUMP`).

Each distance's logarithm is held against its own usual size, and what is above it is summed.

Learning is slow and rare: every `EVERY` samples, the newest `LENGTH` such lessons counting. A
lesson is given in the figures that are stored with its sample, and every `WHOLE`th time the whole
memory is, so a restart gives exactly the memory back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gateway.inference.heads import MILLI, Floats
from gateway.inference.model import Stack

PARTS, STATISTICS = 12, 3
FEATURES = PARTS + STATISTICS
EVERY, WHOLE, LENGTH = 16, 4, 400
FEWEST = 6
"""Lessons before anything is called odd: a day at a quarter of an hour."""

_SHORTEST, _LONGEST = 24, 96
_SCALES = 3
_TINY = 1e-3
_RIDGE_SHAPE, _RIDGE_STATISTICS = 1e-2, 1e-4
_CLIP_UP, _CLIP_DOWN = 3.0, 4.0
_STATE = 3 + FEATURES + PARTS * PARTS + STATISTICS * STATISTICS + 2 * _SCALES
_LESSON, _WHOLE = "d", "m"


def describe(stacked: Stack) -> Floats:
    """Return the newest day of each window, float64 [B, FEATURES], in channel units.

    Twelve means of its parts (a part without samples takes the day's), then mean, standard
    deviation and mean step.
    """
    spans = np.clip(np.rint(1.0 / np.maximum(stacked.clock[:, 1], 1e-9)), _SHORTEST, _LONGEST)
    spans = (spans // PARTS * PARTS).astype(np.int64)
    out = np.empty((len(spans), FEATURES))
    for span in np.unique(spans):
        at = spans == span
        values = stacked.values[at, -span:].astype(np.float64)
        seen = stacked.seen[at, -span:].astype(np.float64)
        out[at] = _day(values * seen, seen)
    out[:, : PARTS + 1] += stacked.base[:, None]
    return out


def _day(values: Floats, seen: Floats) -> Floats:
    rows = len(values)
    count = seen.sum(axis=1)
    mean = values.sum(axis=1) / np.maximum(count, 1.0)
    spread = np.sqrt((((values - mean[:, None]) * seen) ** 2).sum(axis=1) / np.maximum(count, 1.0))
    both = seen[:, 1:] * seen[:, :-1]
    step = (np.diff(values, axis=1) * both) ** 2
    rough = np.sqrt(step.sum(axis=1) / np.maximum(both.sum(axis=1), 1.0))
    known = seen.reshape(rows, PARTS, -1).sum(axis=2)
    part = values.reshape(rows, PARTS, -1).sum(axis=2) / np.maximum(known, 1.0)
    part = np.where(known > 0, part, mean[:, None])
    day: Floats = np.column_stack([part, mean, spread, rough])
    return day


@dataclass(slots=True)
class Habit:
    """One channel's memory; about 3 kB."""

    origin: float = 0.0
    unit: float = 0.0
    lessons: float = 0.0
    mean: Floats = field(default_factory=lambda: np.zeros(FEATURES))
    shape: Floats = field(default_factory=lambda: np.zeros((PARTS, PARTS)))
    statistics: Floats = field(default_factory=lambda: np.zeros((STATISTICS, STATISTICS)))
    scales: Floats = field(default_factory=lambda: np.zeros((2, _SCALES)))
    since: int = 0
    _shape: Floats | None = None
    _statistics: Floats | None = None

    def take(self, day: Floats, jump: int, *, calm: bool) -> tuple[float, dict[str, float]]:
        """Return a sample's score, and what is to be stored with it, mostly nothing.

        Only a `calm` sample may be a lesson.
        """
        if self.unit == 0.0:
            self._begin(day)
        x = self._relative(day)
        odd = self._odd(x, jump)
        score = 0.0 if self.lessons < FEWEST else float(np.maximum(self._over(odd), 0.0).sum())
        self.since += 1
        if self.since < EVERY or not calm:
            return score, {}
        self.since = 0
        lesson = np.round(np.concatenate([x, odd]), 4)
        self._learn(lesson)
        if self.lessons % WHOLE == 0:
            return score, self._whole()
        return score, {f"{_LESSON}{at}": float(value) for at, value in enumerate(lesson)}

    def replay(self, stored: Mapping[str, float]) -> None:
        """Take up what was stored with a sample, as `take` returned it."""
        self.since += 1
        if f"{_WHOLE}0" in stored:
            self._restore(np.array([stored[f"{_WHOLE}{at}"] for at in range(_STATE)]))
            self.since = 0
        elif f"{_LESSON}0" in stored:
            self.since = 0
            if self.unit > 0.0:  # else the beginning lies before what was kept
                sizes = range(FEATURES + _SCALES)
                self._learn(np.array([stored[f"{_LESSON}{at}"] for at in sizes]))

    def _begin(self, day: Floats) -> None:
        self.origin = round(float(day[PARTS]), 6)
        spread = float(day[PARTS + 1])
        self.unit = spread if spread > 0.0 else max(abs(self.origin), 1.0) * _TINY

    def _relative(self, day: Floats) -> Floats:
        x = day / self.unit
        x[: PARTS + 1] = (day[: PARTS + 1] - self.origin) / self.unit
        x[PARTS + 1 :] = np.log(x[PARTS + 1 :] + _TINY)
        return np.clip(x, -1e4, 1e4)

    def _odd(self, x: Floats, jump: int) -> Floats:
        """Return the logarithms of both distances and of the jump, [3]."""
        off = x - self.mean
        shape, statistics = self._precisions()
        first, second = off[:PARTS], off[PARTS:]
        squares = (first @ shape @ first / PARTS, second @ statistics @ second)
        near = [0.5 * math.log(max(float(square), 0.0) + 0.01) for square in squares]
        return np.array([*near, jump / MILLI])

    def _precisions(self) -> tuple[Floats, Floats]:
        if self._shape is None or self._statistics is None:
            largest = float(np.trace(self.shape)) / PARTS + 1e-6
            self._shape = np.linalg.inv(self.shape + np.eye(PARTS) * _RIDGE_SHAPE * largest)
            ridge = np.eye(STATISTICS) * (_RIDGE_STATISTICS + 0.1 / (1.0 + self.lessons))
            self._statistics = np.linalg.inv(self.statistics + ridge)
        return self._shape, self._statistics

    def _over(self, odd: Floats) -> Floats:
        over: Floats = (odd - self.scales[0]) / np.sqrt(self.scales[1] + 1e-3)
        return over

    def _learn(self, lesson: Floats) -> None:
        x, odd = lesson[:FEATURES], lesson[FEATURES:]
        self.lessons += 1.0
        share = 1.0 / min(self.lessons, LENGTH)
        off = x - self.mean
        self.mean = self.mean + share * off
        first, second = off[:PARTS], off[PARTS:]
        keep = 1.0 - share
        self.shape = keep * (self.shape + share * np.outer(first, first))
        self.statistics = keep * (self.statistics + share * np.outer(second, second))
        self._shape = self._statistics = None
        late = max(self.lessons - 2.0, 1.0)  # the first distances are from nothing known
        sway = np.sqrt(self.scales[1])
        if late > FEWEST:
            odd = np.clip(odd, self.scales[0] - _CLIP_DOWN * sway, self.scales[0] + _CLIP_UP * sway)
        share = 1.0 / min(late, LENGTH)
        away = odd - self.scales[0]
        self.scales = np.stack(
            [
                self.scales[0] + share * away,
                (1.0 - share) * (self.scales[1] + share * away * away),
            ]
        )

    def _whole(self) -> dict[str, float]:
        """Give the whole memory, and keep exactly what is given."""
        parts = (self.mean, self.shape.ravel(), self.statistics.ravel(), self.scales.ravel())
        state = np.concatenate([[self.origin, self.unit, self.lessons], *parts])
        state = np.array([float(f"{value:.6g}") for value in state])
        self._restore(state)
        return {f"{_WHOLE}{at}": float(value) for at, value in enumerate(state)}

    def _restore(self, state: Floats) -> None:
        self.origin, self.unit, self.lessons = (float(value) for value in state[:3])
        sizes = (FEATURES, PARTS * PARTS, STATISTICS * STATISTICS)
        mean, shape, statistics, scales = np.split(state[3:], np.cumsum(sizes))
        self.mean, self.scales = mean.copy(), scales.reshape(2, _SCALES).copy()
        self.shape = shape.reshape(PARTS, PARTS).copy()
        self.statistics = statistics.reshape(STATISTICS, STATISTICS).copy()
        self._shape = self._statistics = None
