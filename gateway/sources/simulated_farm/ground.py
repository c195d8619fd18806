"""Soil: heat conducted downwards, and water in two layers of each field.

Heat follows Fourier's law in layers of 6 cm, so a deeper probe swings less and later. Water enters
through a wetted surface, drains from the upper layer to the lower above field capacity, and is
taken up by the crop in proportion to sun and to what is left: a dry-down is exponential.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.sources.simulated_farm.chance import clamp
from gateway.sources.simulated_farm.weather import HOUR_S, Sky, season_mean_c

LAYER_M = 0.06
LAYERS = 16
DIFFUSIVITY_M2_S = 5.5e-7
UPPER_MM = 300.0
LOWER_MM = 350.0


class HeatColumn:
    """Soil temperature by depth under one surface; `sun` is how much sun reaches it, 0 to 1."""

    def __init__(self, time_s: float, sun: float) -> None:
        self._sun = sun
        self._layers_c = [season_mean_c(time_s)] * LAYERS

    def step(self, time_s: float, sky: Sky, dt_s: float) -> None:
        """Let heat flow for `dt_s` below the surface that `sky` makes."""
        surface = sky.air_c + 0.011 * self._sun * sky.solar_w_m2 - 0.3
        deep = season_mean_c(time_s - 25 * 86400.0)
        column = [surface, *self._layers_c, deep]
        share = DIFFUSIVITY_M2_S * dt_s / LAYER_M**2
        self._layers_c = [
            here + share * (above - 2.0 * here + below)
            for above, here, below in zip(column, column[1:], column[2:], strict=False)
        ]

    def at(self, depth_m: float) -> float:
        """Return the temperature (°C) at `depth_m`, between two layers where it falls there."""
        place = clamp(depth_m / LAYER_M - 0.5, 0.0, LAYERS - 1.001)
        index = int(place)
        upper, lower = self._layers_c[index], self._layers_c[index + 1]
        return upper + (lower - upper) * (place - index)


@dataclass(frozen=True, slots=True)
class SoilKind:
    """Volumetric water (%) at field capacity and at wilting, and how much of the sun a crop uses.

    `drip` is how much wetter than the field's mean the ground at the probe becomes from irrigation.
    """

    capacity_pct: float
    wilting_pct: float
    crop: float
    drip: float


class FieldWater:
    """Water of one field at two depths, in percent by volume."""

    def __init__(self, kind: SoilKind, upper_pct: float, lower_pct: float) -> None:
        self._kind = kind
        self.upper_pct = upper_pct
        self.lower_pct = lower_pct
        self._ponded_mm = 0.0

    def step(self, sky: Sky, dt_s: float, *, irrigation_mm_h: float, leak_mm_h: float) -> None:
        """Move water for `dt_s`."""
        hours, kind = dt_s / HOUR_S, self._kind
        self._ponded_mm += hours * (sky.rain_mm_h + kind.drip * irrigation_mm_h + leak_mm_h)
        entering = self._ponded_mm * min(1.0, hours / 0.7)
        self._ponded_mm -= entering
        draining = UPPER_MM / 100.0 * max(0.0, self.upper_pct - kind.capacity_pct) * hours / 9.0
        leaving = LOWER_MM / 100.0 * max(0.0, self.lower_pct - kind.capacity_pct) * hours / 60.0
        # Nearly full ground lets water go sideways and down much faster.
        excess_pct = max(0.0, self.lower_pct - kind.capacity_pct - 8.0)
        leaving += LOWER_MM / 100.0 * excess_pct * hours / 6.0
        demand = kind.crop * 0.00062 * sky.solar_w_m2 * hours
        upper_use = 0.75 * demand * self._ease(self.upper_pct)
        lower_use = 0.25 * demand * self._ease(self.lower_pct)
        self.upper_pct += 100.0 / UPPER_MM * (entering - draining - upper_use)
        self.lower_pct += 100.0 / LOWER_MM * (draining - leaving - lower_use)
        self.upper_pct = clamp(self.upper_pct, 2.0, 52.0)
        self.lower_pct = clamp(self.lower_pct, 2.0, 52.0)

    def _ease(self, moisture_pct: float) -> float:
        kind = self._kind
        return clamp(
            (moisture_pct - kind.wilting_pct) / (kind.capacity_pct - kind.wilting_pct), 0.0, 1.0
        )


def bulk_conductivity_us_cm(moisture_pct: float, temperature_c: float, salts: float) -> float:
    """Return what a probe reads: more water and warmer soil conduct better (2 % per °C)."""
    return salts * math.pow(moisture_pct / 25.0, 1.4) * (1.0 + 0.02 * (temperature_c - 15.0))
