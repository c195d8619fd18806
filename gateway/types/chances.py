"""How likely a value is below a limit, told from its quantiles."""

from __future__ import annotations

import numpy as np

from gateway.types.names import QUANTILES

LEAST_CHANCE = QUANTILES[0] / 2
"""Beyond the outermost quantile half of what is left, for more is not known."""


def probability_below(quantiles: np.ndarray, limit: float) -> float:
    """Return the chance of a value at or below the limit, from its quantiles at `QUANTILES`.

    Linear between levels. Beyond the outermost ones `LEAST_CHANCE`, or 1 less that.
    """
    if limit < quantiles[0]:
        return LEAST_CHANCE
    if limit > quantiles[-1]:
        return 1 - LEAST_CHANCE
    return float(np.interp(limit, quantiles, QUANTILES))
