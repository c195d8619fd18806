"""Irrigation, valves, the tank and its pump.

A controller opens each valve once a day, longer when the soil is drier. Each valve may also be
commanded over the air; it closes by itself when its time is over. The pump fills the tank on cheap
night power until the upper float says full, and at any hour when the lower float says nearly empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gateway.sources.simulated_farm.chance import clamp
from gateway.sources.simulated_farm.weather import DAY_S, HOUR_S

TANK_AREA_M2 = 8.0
SENSOR_ABOVE_FLOOR_MM = 3300.0
FULL_MM = 2750.0
LOW_MM = 600.0
PUMP_L_H = 6200.0
VALVE_L_H = 4200.0
IRRIGATION_MM_H = 7.0
NIGHT_POWER_H = (1.0, 5.0)


class Valve:
    """An irrigation valve with its daily programme and its water meter."""

    def __init__(self, *, opens_at_h: float, target_pct: float, random: Random) -> None:
        self._opens_at_h = opens_at_h
        self._target_pct = target_pct
        self._random = random
        self._until_s = 0.0
        self._day = -1
        self.metered_l = 12000.0 + random.random() * 40000.0

    def step(self, time_s: float, dt_s: float, moisture_pct: float) -> float:
        """Return the flow (l/h) until `time_s + dt_s`."""
        day, hour = int(time_s // DAY_S), time_s % DAY_S / HOUR_S
        if day != self._day and hour >= self._opens_at_h:
            first = self._day < 0
            self._day = day
            if not first:
                minutes = clamp(9.0 * (self._target_pct - moisture_pct) + 24.0, 10.0, 60.0)
                self.command(time_s, (minutes + self._random.uniform(-1.0, 1.0)) * 60.0)
        if not self.is_open(time_s):
            return 0.0
        self.metered_l += VALVE_L_H * dt_s / HOUR_S
        return VALVE_L_H

    def command(self, time_s: float, open_s: float) -> None:
        """Open for `open_s` seconds; 0 closes."""
        self._until_s = time_s + open_s

    def is_open(self, time_s: float) -> bool:
        """Whether water may flow at `time_s`."""
        return time_s < self._until_s


@dataclass(frozen=True, slots=True)
class TankState:
    """Level above the floor, whether the pump runs, for how long (s) it has, and since ever (h)."""

    level_mm: float
    pumping: bool
    running_s: float
    pumped_h: float


class Tank:
    """A tank that valves and the yard draw from and a pump fills."""

    def __init__(self, level_mm: float) -> None:
        self.state = TankState(level_mm, pumping=False, running_s=0.0, pumped_h=0.0)
        self._filled_on = -1

    def step(self, time_s: float, dt_s: float, *, drawn_l_h: float, leak_l_h: float) -> TankState:
        """Return the state `dt_s` later."""
        hours, hour = dt_s / HOUR_S, time_s % DAY_S / HOUR_S
        yard_l_h = 110.0 if 6.0 <= hour < 20.0 else 4.0  # noqa: PLR2004 - the yard's working day
        pumping = self._wanted(time_s, hour)
        filled = PUMP_L_H if pumping else 0.0
        level = (
            self.state.level_mm + hours * (filled - drawn_l_h - yard_l_h - leak_l_h) / TANK_AREA_M2
        )
        running = self.state.running_s + dt_s if pumping else 0.0
        pumped = self.state.pumped_h + (hours if pumping else 0.0)
        self.state = TankState(clamp(level, 0.0, FULL_MM + 60.0), pumping, running, pumped)
        return self.state

    def _wanted(self, time_s: float, hour: float) -> bool:
        level, day = self.state.level_mm, int(time_s // DAY_S)
        if level >= FULL_MM:
            self._filled_on = day
            return False
        if self.state.pumping or level <= LOW_MM:
            return True
        begins, ends = NIGHT_POWER_H
        return begins <= hour < ends and self._filled_on != day
