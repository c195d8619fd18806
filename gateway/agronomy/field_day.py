"""One local day of one field, as it gathers: what was measured, by the rank of the device.

A field's devices have ranks, 0 first. Where several measure the same, the first with enough hours
speaks for the field: extremes of different places must not be mixed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from gateway.agronomy.evapotranspiration import (
    Day,
    actual_vapour_kpa,
    hargreaves,
    penman_monteith,
    wind_at_2_m,
)
from gateway.agronomy.site import Site
from gateway.agronomy.sun import day_of_year, extraterrestrial

LEAST_HOURS = 18
"""Hours with a sample that make a day whole: three quarters."""

_MJ_PER_W = 0.0864


@dataclass(slots=True)
class Course:
    """How one quantity went through a day."""

    lowest: float = math.inf
    highest: float = -math.inf
    hours: dict[int, tuple[float, int]] = field(default_factory=dict)

    def add(self, hour: int, value: float) -> None:
        """Take a sample of an hour of the day."""
        self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)
        total, count = self.hours.get(hour, (0.0, 0))
        self.hours[hour] = (total + value, count + 1)

    @property
    def whole(self) -> bool:
        """Whether enough of the day is known."""
        return len(self.hours) >= LEAST_HOURS

    def means(self) -> list[float]:
        """Return the hourly means, in the order of the hours."""
        return [total / count for _, (total, count) in sorted(self.hours.items())]

    def mean(self) -> float:
        """Return the mean of the hourly means."""
        means = self.means()
        return math.fsum(means) / len(means)


@dataclass(slots=True)
class FieldDay:
    """The courses by quantity and rank, sums of rain by rank, irrigation, newest soil moistures."""

    courses: dict[str, dict[int, Course]] = field(default_factory=dict)
    rain_mm: dict[int, float] = field(default_factory=dict)
    irrigation_mm: float = 0.0
    moisture: dict[tuple[int, str], float] = field(default_factory=dict)

    def add(self, quantity: str, rank: int, hour: int, value: float) -> None:
        """Take a sample."""
        by_rank = self.courses.setdefault(quantity, {})
        if rank not in by_rank:
            by_rank[rank] = Course()
        by_rank[rank].add(hour, value)

    def course(self, quantity: str) -> Course | None:
        """Return the first device's course that is whole, None when none is."""
        by_rank: Mapping[int, Course] = self.courses.get(quantity, {})
        return next((by_rank[rank] for rank in sorted(by_rank) if by_rank[rank].whole), None)

    def rain(self) -> float | None:
        """Return the day's rain by the first device that has a gauge, None without any."""
        return self.rain_mm[min(self.rain_mm)] if self.rain_mm else None

    def water(self) -> float | None:
        """Return the mean of the newest soil moistures of all probes, None without any."""
        known = list(self.moisture.values())
        return math.fsum(known) / len(known) if known else None


def reference_mm(day: date, notes: FieldDay, site: Site, wind_height_m: float) -> float | None:
    """Return a day's reference evapotranspiration, None where latitude or temperature is missing.

    Penman-Monteith where humidity is known, with what else is missing estimated; else Hargreaves.
    Raises `BadInput` `nonphysical`.
    """
    air = notes.course("air")
    if air is None or site.latitude is None:
        return None
    number = day_of_year(day)
    humidity = notes.course("humidity")
    if humidity is None:
        return hargreaves(air.lowest, air.highest, extraterrestrial(site.latitude, number))
    wind, radiation = notes.course("wind"), notes.course("radiation")
    weather = Day(
        number, air.lowest, air.highest,
        actual_vapour_kpa(air.lowest, air.highest, humidity.lowest, humidity.highest),
        None if wind is None else wind_at_2_m(wind.mean(), wind_height_m),
        None if radiation is None else radiation.mean() * _MJ_PER_W,
    )  # fmt: skip
    return penman_monteith(weather, site.latitude, site.elevation_m)
