"""Every random draw of the farm comes from a named stream, so one seed gives one farm.

A stream per purpose keeps draws apart: a device that sends once more does not change the weather.
"""

from __future__ import annotations

import math
from random import Random


def stream(seed: int, name: str) -> Random:
    """Return the generator that `name` always has under `seed`, on every Python version."""
    return Random(f"{seed}/{name}")  # noqa: S311 - a simulation, not a secret


class Drift:
    """An Ornstein-Uhlenbeck process of standard deviation 1 and correlation time `tau_s`."""

    def __init__(self, random: Random, tau_s: float) -> None:
        self._random = random
        self._tau_s = tau_s
        self._dt_s, self._keep, self._fresh = 0.0, 1.0, 0.0
        self.value = random.gauss(0.0, 1.0)

    def step(self, dt_s: float) -> float:
        """Advance by `dt_s` exactly (any length) and return the new value."""
        if dt_s != self._dt_s:
            self._dt_s, self._keep = dt_s, math.exp(-dt_s / self._tau_s)
            self._fresh = math.sqrt(1.0 - self._keep * self._keep)
        self.value = self._keep * self.value + self._fresh * self._random.gauss(0.0, 1.0)
        return self.value


def clamp(value: float, low: float, high: float) -> float:
    """Return `value` moved into [low, high]."""
    return min(high, max(low, value))
