"""How likely it freezes before the sun is back, from a forecast in quantiles.

Wet bulb after Snyder and de Melo-Abreu, "Frost protection: fundamentals, practice and economics",
FAO Environment and Natural Resources Series 10 (2005): what is wet cools to the wet bulb, and the
dew point hardly moves in a calm night.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.agronomy.vapour import pressure_kpa, saturation_kpa, vapour_pressure_kpa, wet_bulb_c
from gateway.types import LEAST_CHANCE, QUANTILES, Forecast, probability_below

AFTER_SUNRISE_S = 3600.0
"""The coldest moment comes at sunrise or a little later."""

LEAST_REACH_S = 6 * 3600.0

_MIDDLE = QUANTILES.index(0.5)


@dataclass(frozen=True, slots=True)
class Night:
    """`probability` 0 to 1 that it is at or below the limit; `lowest_c` the expected low.

    `wet_bulb_c` is what wet leaves and buds come down to then, None where humidity is unknown.
    """

    probability: float
    lowest_c: float
    wet_bulb_c: float | None


def coming_night(
    forecast: Forecast, until_s: float, limit_c: float, *,
    now_c: float, humidity: float | None, elevation_m: float = 0.0,
) -> Night | None:  # fmt: skip
    """Return what the forecast says up to `until_s`, or as far as it reaches by day.

    None when that is less than `LEAST_REACH_S` and not up to `until_s` either.
    The chance is that of the worst step: that of the whole night is a little higher, but steps of
    one night go together. `now_c` and `humidity` are the air's now.
    """
    steps = int((until_s - forecast.start_s) // forecast.step_s) + 1
    reach = len(forecast.quantiles)
    if steps < 1 or (steps > reach and reach * forecast.step_s < LEAST_REACH_S):
        return None
    rows = np.asarray(forecast.quantiles[:steps], np.float64)
    if not np.isfinite(rows).all():
        return None
    coldest = rows[rows[:, 0] <= limit_c]
    probability = max((probability_below(row, limit_c) for row in coldest), default=LEAST_CHANCE)
    lowest = float(rows[:, _MIDDLE].min())
    wet = None
    if humidity is not None:
        vapour = vapour_pressure_kpa(now_c, humidity)
        then = min(100 * vapour / saturation_kpa(lowest), 100.0)
        wet = wet_bulb_c(lowest, then, pressure_kpa(elevation_m))
    return Night(probability, lowest, wet)
