"""Is there a trend, and how steep: Mann-Kendall with ties, Theil-Sen slope, both by season too.

Sources: Mann, Econometrica 13 (1945); Kendall, "Rank correlation methods" (1975); Hirsch, Slack and
Smith, Water Resour. Res. 18 (1982) (seasons); Sen, J. Am. Stat. Assoc. 63 (1968); Gilbert,
"Statistical methods for environmental pollution monitoring" (1987), chapters 16 and 17. They hold
for independent samples: take daily means or sparser ones.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.errors import BadInput

FEWEST = 4
MOST = 2000
"""Samples beyond the newest 2,000 are left out: every pair is looked at."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trend:
    """`s` is Kendall's statistic, `z` its normal score with continuity correction.

    `p` is two-sided; `slope` the median change per unit of time, `level` the median intercept, so
    that `level + slope * time` is the line.
    """

    s: int
    variance: float
    z: float
    p: float
    slope: float
    level: float

    def crosses_at(self, limit: float, now: float) -> float | None:
        """Return when the line meets a limit after `now`, None when it leads away from it."""
        here = self.level + self.slope * now
        if self.slope == 0 or (limit - here) / self.slope <= 0:
            return None
        return (limit - self.level) / self.slope


def mann_kendall(times: Sequence[float], values: Sequence[float]) -> Trend:
    """Return the trend of a series, times ascending.

    Raises
    ------
    BadInput
        `too_short`: fewer than 4 samples; `nonphysical`: not finite, or times do not ascend.

    """
    return seasonal_mann_kendall(times, values, ["all"] * len(values))


def seasonal_mann_kendall(
    times: Sequence[float], values: Sequence[float], seasons: Sequence[Hashable]
) -> Trend:
    """Return the trend within seasons: a sample is compared only with others of its season.

    Raises
    ------
    BadInput
        As `mann_kendall`; `too_short` also when no season has two samples.

    """
    at, x, keys = _checked(times, values, seasons)
    s, variance = 0, 0.0
    slopes: list[Floats] = []
    for season in dict.fromkeys(keys):
        chosen = np.array([key == season for key in keys])
        part_s, part_variance = _statistic(x[chosen])
        s, variance = s + part_s, variance + part_variance
        slopes.append(_slopes(at[chosen], x[chosen]))
    every = np.concatenate(slopes)
    if every.size == 0:
        raise BadInput("too_short", "no season has two samples")
    slope = float(np.median(every))
    z = (s - math.copysign(1, s)) / math.sqrt(variance) if s and variance > 0 else 0.0
    p = math.erfc(abs(z) / math.sqrt(2))
    return Trend(s, variance, z, p, slope, float(np.median(x - slope * at)))


def _statistic(x: Floats) -> tuple[int, float]:
    n = x.size
    rises = np.sign(x[None, :] - x[:, None])
    s = int(np.triu(rises, 1).sum())
    ties = sum(t * (t - 1) * (2 * t + 5) for t in Counter(x.tolist()).values())
    return s, (n * (n - 1) * (2 * n + 5) - ties) / 18


def _slopes(at: Floats, x: Floats) -> Floats:
    first, second = np.triu_indices(x.size, 1)
    slopes: Floats = (x[second] - x[first]) / (at[second] - at[first])
    return slopes


def _checked(
    times: Sequence[float], values: Sequence[float], seasons: Sequence[Hashable]
) -> tuple[Floats, Floats, list[Hashable]]:
    at, x = np.asarray(times[-MOST:], np.float64), np.asarray(values[-MOST:], np.float64)
    if not len(times) == len(values) == len(seasons) or x.size < FEWEST:
        raise BadInput("too_short", f"{len(values)} samples, {FEWEST} are needed")
    if not (np.isfinite(x).all() and np.isfinite(at).all() and (np.diff(at) > 0).all()):
        raise BadInput("nonphysical", "a trend needs finite values at ascending times")
    return at, x, list(seasons[-MOST:])
