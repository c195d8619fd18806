"""One device's noise: levels of the day, evening and night that ended at 7 in the morning."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from gateway.agronomy.channels import Told, figure, is_derived
from gateway.agronomy.hours import HOUR_S, Hours
from gateway.agronomy.noise import day_evening_night, energy, level, period_of
from gateway.agronomy.site import Site
from gateway.errors import BadInput
from gateway.types import DevEui, Reading

LEVEL = "air.noiseLevel"
ENDS_H = 7
LEAST_H = {"day": 6, "evening": 2, "night": 4}
"""Hours with a sample that a period needs: half of them."""

_LDEN = "air.noise.lden"


class Loudness:
    """Hourly mean energies of one device, and the last noise day that was told."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._hours = Hours()
        self._told: date | None = None

    def take(self, readings: Sequence[Reading]) -> None:
        """Take level samples, and what was told before a restart."""
        for reading in readings:
            if reading.channel == _LDEN and is_derived(reading):
                self._told = self._day_of(reading.time_s - HOUR_S)
            value = figure(reading) if reading.channel == LEVEL else None
            if value is None:
                continue
            try:
                self._hours.add(reading.time_s, energy(value))
            except BadInput:
                continue

    def tell(self, dev_eui: DevEui, time_s: float) -> Iterator[Reading]:
        """Yield the levels of the noise day that is over, once, where each period has enough."""
        day = self._day_of(time_s) - timedelta(days=1)
        if self._told is not None and day <= self._told:
            return
        self._told = day
        levels = self._levels(day)
        if levels is None:
            return
        told = Told(dev_eui, self._site.begin_s(day + timedelta(days=1), ENDS_H))
        for period, value in levels.items():
            yield told.number(f"air.noise.{period}", value, "dB", "laeq")
        yield told.number(_LDEN, day_evening_night(**{f"{k}_db": v for k, v in levels.items()}),
                          "dB", "lden")  # fmt: skip

    def _levels(self, day: date) -> dict[str, float] | None:
        parts: dict[str, list[float]] = {period: [] for period in LEAST_H}
        for hour, mean in self._hours:
            if self._day_of(hour * HOUR_S) == day:
                parts[period_of(self._site.local(hour * HOUR_S).hour)].append(mean)
        if any(len(parts[period]) < least for period, least in LEAST_H.items()):
            return None
        return {period: level(math.fsum(part) / len(part)) for period, part in parts.items()}

    def _day_of(self, time_s: float) -> date:
        return self._site.local(time_s - ENDS_H * HOUR_S).date()
