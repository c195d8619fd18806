"""How likely a value is below a limit, told from its quantiles."""

from __future__ import annotations

import numpy as np

from gateway.types.names import QUANTILES

_LEVELS = np.array(QUANTILES)
LEAST_CHANCE = QUANTILES[0] / 2
"""Beyond the outermost quantile half of what is left, for more is not known."""


def chances_below(rows: np.ndarray, limit: float) -> np.ndarray:
    """Return the chance of a value at or below the limit for each row of quantiles.

    `rows` [n, len(QUANTILES)], each rising; returns float64 [n]. Linear between levels. Beyond the
    outermost ones `LEAST_CHANCE`, or 1 less that.
    """
    at = np.count_nonzero(rows <= limit, axis=1)
    inner = np.clip(at, 1, rows.shape[1] - 1)
    number = np.arange(len(rows))
    low, high = rows[number, inner - 1], rows[number, inner]
    share = np.divide(limit - low, high - low, out=np.ones(len(rows)), where=high > low)
    chance = _LEVELS[inner - 1] + share * (_LEVELS[inner] - _LEVELS[inner - 1])
    below, above = rows[:, 0] > limit, rows[:, -1] < limit
    return np.where(below, LEAST_CHANCE, np.where(above, 1 - LEAST_CHANCE, chance))


def probability_below(quantiles: np.ndarray, limit: float) -> float:
    """Return `chances_below` for the quantiles of one step."""
    return float(chances_below(np.asarray(quantiles)[None], limit)[0])
