"""Warmth that makes plants grow: growing degree days, and what of the cold counts as chill.

Sources: McMaster and Wilhelm, "Growing degree-days: one equation, two interpretations", Agric. For.
Meteorol. 87 (1997), method 2 (the average); Baskerville and Emin, "Rapid estimation of heat
accumulation from maximum and minimum temperatures", Ecology 50 (1969), with a horizontal cut-off
(the single sine); Richardson, Seeley and Walker, HortScience 9 (1974) (Utah chill units); Fishman,
Erez and Couvillon, J. Theor. Biol. 124 (1987), with the constants of Erez et al. (1990) (chill
portions). Temperatures in °C. All raise `BadInput` `nonphysical`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.agronomy.physical import air_temperature, within

CHILL_BELOW_C = 7.2
"""Hours above freezing and not above this (45 °F) are chill hours."""

_UTAH = ((1.4, 0.0), (2.4, 0.5), (9.1, 1.0), (12.4, 0.5), (15.9, 0.0), (18.0, -0.5))


def average(lowest_c: float, highest_c: float, base_c: float, cap_c: float) -> float:
    """Return a day's degree days, both extremes first drawn into base and cap."""
    _check(lowest_c, highest_c, base_c, cap_c)
    high = min(max(highest_c, base_c), cap_c)
    low = min(max(lowest_c, base_c), cap_c)
    return (high + low) / 2 - base_c


def single_sine(lowest_c: float, highest_c: float, base_c: float, cap_c: float) -> float:
    """Return a day's degree days under a sine through the extremes, cut off at base and cap."""
    _check(lowest_c, highest_c, base_c, cap_c)
    above_base = _sine_above(lowest_c, highest_c, base_c)
    return max(above_base - _sine_above(lowest_c, highest_c, cap_c), 0.0)


def chill_hour(temperature_c: float) -> float:
    """Return 1 for an hour of chill, 0 for any other (the 0 to 7.2 °C model)."""
    return 1.0 if 0 < air_temperature(temperature_c) <= CHILL_BELOW_C else 0.0


def utah_unit(temperature_c: float) -> float:
    """Return the chill units of one hour: warm ones undo some."""
    t = air_temperature(temperature_c)
    return next((unit for upto_c, unit in _UTAH if t <= upto_c), -1.0)


@dataclass(frozen=True, slots=True)
class Chill:
    """Where the dynamic model stands: whole portions, and what is on its way to the next."""

    portions: float = 0.0
    intermediate: float = 0.0


_E0, _E1, _A0, _A1 = 4153.5, 12888.8, 139500.0, 2.567e18
_SLOPE, _TRANSITION_K = 1.6, 277.0


def chill_portions(temperatures_c: Iterable[float], before: Chill = Chill()) -> Chill:
    """Return the chill after these hourly means, in order (the dynamic model)."""
    portions, begun = before.portions, before.intermediate
    for temperature in temperatures_c:
        kelvin = air_temperature(temperature) + 273.0
        if begun >= 1:
            turn = _SLOPE * _TRANSITION_K * (kelvin - _TRANSITION_K) / kelvin
            fixed = begun / (1 + math.exp(-turn))
            portions, begun = portions + fixed, begun - fixed
        steady = _A0 / _A1 * math.exp((_E1 - _E0) / kelvin)
        begun = steady - (steady - begun) * math.exp(-_A1 * math.exp(-_E1 / kelvin))
    return Chill(portions, begun)


def _sine_above(lowest_c: float, highest_c: float, threshold_c: float) -> float:
    mean, swing = (highest_c + lowest_c) / 2, (highest_c - lowest_c) / 2
    if lowest_c >= threshold_c:
        return mean - threshold_c
    if highest_c <= threshold_c:
        return 0.0
    theta = math.asin(min(max((threshold_c - mean) / swing, -1.0), 1.0))
    share = (mean - threshold_c) * (math.pi / 2 - theta) + swing * math.cos(theta)
    return max(share / math.pi, 0.0)


def _check(lowest_c: float, highest_c: float, base_c: float, cap_c: float) -> None:
    air_temperature(lowest_c)
    within("highest temperature", highest_c, lowest_c, 90.0)
    within("cap", cap_c, base_c, 90.0)
