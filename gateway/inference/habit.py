"""What a channel's days usually look like, over weeks: the score's memory.

P-values (`calibration`) answer "is this rare here?" by the newest thousand samples, and so they
get used to what lasts. Ranking samples by oddness wants a longer memory on a scale that stays:

- *shape*: the newest day in 12 parts, its Mahalanobis distance from all days known;
- *statistics*: its mean, log spread and log roughness, likewise;
- *jump*: the newest change (`Head.JUMP`).

Each distance's logarithm is held against its own usual size, and what is above it is summed.

Learning is slow and rare: every `EVERY` samples, the newest `LENGTH` such lessons counting. A
lesson is given in the figures that are stored with its sample, and every `WHOLE`th time the whole
memory is, so a restart that finds the newest 640 gives exactly the memory back. What is called
anomalous is no lesson.

Chosen on the *tune* part of the labelled series (models/README.md): each of the three helps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gateway.inference.heads import MILLI, Floats
from gateway.inference.model import Stack
from gateway.types import FloatArray

PARTS, STATISTICS = 12, 3
FEATURES = PARTS + STATISTICS
Indices = npt.NDArray[np.intp]
EVERY, WHOLE, LENGTH = 16, 40, 400
FEWEST = 6
"""Lessons before anything is called odd: a day at a quarter of an hour."""

_SHORTEST, _LONGEST = 24, 96
_SCALES = 3
_TINY = 1e-3
_RIDGE_SHAPE, _RIDGE_STATISTICS = 1e-2, 1e-4
_CLIP_UP, _CLIP_DOWN = 3.0, 4.0
_SHAPE, _STATISTICS = np.triu_indices(PARTS), np.triu_indices(STATISTICS)
_SIZES = (3, FEATURES, len(_SHAPE[0]), len(_STATISTICS[0]), 2 * _SCALES)
_LESSON = tuple(f"d{at}" for at in range(FEATURES + _SCALES + 2))
_WHOLE = tuple(f"m{at}" for at in range(sum(_SIZES)))
_NOTHING = (
    np.zeros(FEATURES),
    np.zeros((PARTS, PARTS), np.float32),
    np.zeros((STATISTICS, STATISTICS), np.float32),
    np.zeros((2, _SCALES)),
)
"""Shared by all memories without a lesson: arrays are replaced, never written into."""


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
    """One channel's memory; about 3 kB once there is a lesson."""

    origin: float = 0.0
    unit: float = 0.0
    lessons: float = 0.0
    mean: Floats = field(default_factory=lambda: _NOTHING[0])
    shape: FloatArray = field(default_factory=lambda: _NOTHING[1])
    statistics: FloatArray = field(default_factory=lambda: _NOTHING[2])
    scales: Floats = field(default_factory=lambda: _NOTHING[3])
    since: int = 0
    _precise: tuple[FloatArray, FloatArray] | None = None

    def take(self, day: Floats, jump: int, *, calm: bool) -> tuple[float, dict[str, float]]:
        """Return a sample's score, and what is to be stored with it, mostly nothing.

        Only a `calm` sample may be a lesson.
        """
        self.since += 1
        due = self.since >= EVERY and calm
        if not due and self.lessons < FEWEST:
            return 0.0, {}
        if self.unit == 0.0:
            self._begin(day)
        x = self._relative(day)
        odd = self._odd(x, jump)
        score = 0.0 if self.lessons < FEWEST else float(np.maximum(self._over(odd), 0.0).sum())
        return score, self._lesson(x, odd) if due else {}

    def _lesson(self, x: Floats, odd: Floats) -> dict[str, float]:
        self.since = 0
        lesson = _short(np.concatenate([x, odd]))
        self._learn(lesson)
        if self.lessons % WHOLE == 0:
            return self._whole()
        figures = (*lesson.tolist(), self.origin, self.unit)
        return dict(zip(_LESSON, figures, strict=True))

    def replay(self, stored: Mapping[str, float]) -> None:
        """Take up what was stored with a sample, as `take` returned it."""
        self.since += 1
        if _WHOLE[0] in stored:
            self._restore(np.array([stored[key] for key in _WHOLE]))
            self.since = 0
        elif _LESSON[0] in stored:
            *lesson, origin, unit = (stored[key] for key in _LESSON)
            if self.unit == 0.0:
                self.origin, self.unit = origin, unit
            self._learn(np.array(lesson))
            self.since = 0

    def _begin(self, day: Floats) -> None:
        self.origin, spread = _short(day[PARTS : PARTS + 2]).tolist()
        self.unit = spread if spread > 0.0 else float(f"{max(abs(self.origin), 1.0) * _TINY:.6g}")

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

    def _precisions(self) -> tuple[FloatArray, FloatArray]:
        """Return the inverse covariances of shape and statistics, made when first asked for."""
        if self._precise is None:
            largest = float(np.trace(self.shape)) / PARTS + 1e-6
            ridge = _RIDGE_STATISTICS + 0.1 / (1.0 + self.lessons)
            self._precise = (
                _inverse(self.shape, _RIDGE_SHAPE * largest),
                _inverse(self.statistics, ridge),
            )
        return self._precise

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
        self.shape = _single(keep * (self.shape + share * np.outer(first, first)))
        self.statistics = _single(keep * (self.statistics + share * np.outer(second, second)))
        self._precise = None
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
        squares = (self.shape[_SHAPE], self.statistics[_STATISTICS])
        first = np.array([self.origin, self.unit, self.lessons])
        state = _short(np.concatenate([first, self.mean, *squares, self.scales.ravel()]))
        self._restore(state)
        return dict(zip(_WHOLE, state.tolist(), strict=True))

    def _restore(self, state: Floats) -> None:
        first, mean, shape, statistics, scales = np.split(state, np.cumsum(_SIZES)[:-1])
        self.origin, self.unit, self.lessons = first.tolist()
        self.mean, self.scales = mean.copy(), scales.reshape(2, _SCALES).copy()
        self.shape = _single(_square(shape, _SHAPE, PARTS))
        self.statistics = _single(_square(statistics, _STATISTICS, STATISTICS))
        self._precise = None


def _inverse(covariance: FloatArray, ridge: float) -> FloatArray:
    return _single(np.linalg.inv(covariance.astype(np.float64) + np.eye(len(covariance)) * ridge))


def _single(matrix: npt.NDArray[np.floating]) -> FloatArray:
    """Return half the bytes: there is a memory for every channel."""
    return np.asarray(matrix, np.float32)


def _square(upper: Floats, at: tuple[Indices, Indices], size: int) -> Floats:
    """Return the symmetric matrix of which this is the upper triangle."""
    out = np.empty((size, size))
    out[at] = upper
    out.T[at] = upper
    return out


def _short(values: Floats) -> Floats:
    """Return six significant digits: what is stored is what was used."""
    return np.array([float(f"{value:.6g}") for value in values.tolist()])
