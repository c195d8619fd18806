"""Rain and irrigation out of counters, amounts and valves: how many mm each reading adds."""

from __future__ import annotations

import math

from gateway.agronomy.channels import figure
from gateway.agronomy.hours import HOUR_S
from gateway.config import AgronomyConfig, FieldConfig
from gateway.types import Reading

RAIN_COUNTER = "rain.cumulative"
RAIN_AMOUNT = "rain.amount"
WATER_METER = "metering.water.total"
VALVE = "valve.state"

HELD_S = 2 * HOUR_S
"""A valve's state holds until its next word, but no longer than this."""

_LITRES_PER_MM_HA = 10_000.0
_ON = frozenset({"open", "opened", "opening", "on", "running", "true", "active", "1", "yes"})
_MOST_MM = 500.0


class Gauges:
    """Remembers each counter's and valve's last word; bounded by the field's devices."""

    def __init__(self, config: FieldConfig, rain_amount: str) -> None:
        self._field = config
        self._rain_amount = rain_amount
        self._last: dict[tuple[int, str], tuple[float, float]] = {}

    @classmethod
    def of(cls, config: FieldConfig, agronomy: AgronomyConfig) -> Gauges:
        """Return the gauges of one field."""
        return cls(config, agronomy.rain_amount)

    @property
    def measures_irrigation(self) -> bool:
        """Whether irrigation can be told in mm."""
        return self._field.area_ha is not None or self._field.irrigation_mm_h is not None

    def rain_mm(self, rank: int, reading: Reading) -> float | None:
        """Return how much rain a reading adds, None when it is not about rain.

        A total since midnight that starts anew adds what it shows.
        """
        if reading.unit != "mm" or reading.channel not in {RAIN_COUNTER, RAIN_AMOUNT}:
            return None
        value = figure(reading)
        if value is None or value < 0:
            return None
        if reading.channel == RAIN_COUNTER:
            return self._grown(rank, reading, value)
        if self._rain_amount == "day":
            return self._grown(rank, reading, value, first=value)
        before_s = self._note(rank, reading, value)
        if before_s is not None and reading.time_s <= before_s[0]:
            return None
        if self._rain_amount == "hour":
            since_s = HOUR_S if before_s is None else reading.time_s - before_s[0]
            value *= min(since_s, HOUR_S) / HOUR_S
        return _plausible(value)

    def irrigation_mm(self, rank: int, reading: Reading) -> float | None:
        """Return how much irrigation a reading tells of, None when it is not about it."""
        if reading.channel == WATER_METER and reading.unit == "L" and self._field.area_ha:
            value = figure(reading)
            litres = None if value is None else self._grown(rank, reading, value, most=math.inf)
            if litres is None:
                return None
            return _plausible(litres / (_LITRES_PER_MM_HA * self._field.area_ha))
        if reading.channel == VALVE and self._field.irrigation_mm_h and not self._field.area_ha:
            runs = 1.0 if str(reading.value).strip().lower() in _ON else 0.0
            before = self._note(rank, reading, runs)
            if before is None or not before[1]:
                return 0.0
            open_s = min(max(reading.time_s - before[0], 0.0), HELD_S)
            return _plausible(self._field.irrigation_mm_h * open_s / HOUR_S)
        return None

    def _grown(
        self, rank: int, reading: Reading, value: float, *, first: float = 0.0,
        most: float = _MOST_MM,
    ) -> float | None:  # fmt: skip
        before = self._note(rank, reading, value)
        if before is None:
            return first
        if reading.time_s <= before[0]:
            return None
        grown = value - before[1] if value >= before[1] else value
        return grown if grown <= most else 0.0

    def _note(self, rank: int, reading: Reading, value: float) -> tuple[float, float] | None:
        key = (rank, str(reading.channel))
        before = self._last.get(key)
        if before is None or reading.time_s > before[0]:
            self._last[key] = (reading.time_s, value)
        return before


def _plausible(mm: float) -> float:
    """Return the amount, or nothing for more than ever falls between two readings."""
    return mm if mm <= _MOST_MM else 0.0
