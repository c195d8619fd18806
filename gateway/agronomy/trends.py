"""One channel of one device over weeks: its daily means, their trend, and when a limit is met.

A day is closed when the device speaks on a later one. The daily means are told and stored, so that
`recall` finds them after a restart, as far back as it is given rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from gateway.agronomy.channels import MOST_DAYS, Told, as_told, figure, is_derived
from gateway.agronomy.field_day import Course
from gateway.agronomy.hours import HOUR_S
from gateway.agronomy.site import Site
from gateway.agronomy.trend import Trend, mann_kendall
from gateway.config import AgronomyConfig, TrendConfig
from gateway.errors import ConfigError
from gateway.types import DeviceInfo, Reading

FEWEST_DAYS = 8
"""With fewer days a trend is chance more often than not."""

SURE_P = 0.01
"""A line is drawn on to a limit only where chance makes such a trend less often than this.

Days are not independent, so this is stricter than the usual 0.05.
"""

_OPEN_DAYS = 6


class TrendWatch:
    """Watches one channel; at most `days` means and a few open days are kept."""

    def __init__(self, config: TrendConfig, site: Site) -> None:
        self.key = (config.device, config.channel)
        self._config = config
        self._site = site
        self._means: deque[tuple[date, float]] = deque(maxlen=config.days)
        self._open: dict[date, Course] = {}
        self._unit = ""

    def lookback_s(self, device: DeviceInfo) -> float:
        """Return how far back what a device has told is of use after a restart."""
        return (self._config.days + 1) * 24 * HOUR_S if self.watches(device) else 0.0

    def watches(self, device: DeviceInfo) -> bool:
        """Tell whether this is the device."""
        return self._config.device in {device.dev_eui, device.name}

    def take(self, readings: Sequence[Reading]) -> None:
        """Note the channel's samples on their day; days that are closed stay as they are."""
        for reading in readings:
            if reading.channel != self._config.channel or is_derived(reading):
                continue
            value = figure(reading)
            local = self._site.local(reading.time_s)
            if value is not None and not (self._means and local.date() <= self._means[-1][0]):
                self._unit = reading.unit
                self._open.setdefault(local.date(), Course()).add(local.hour, value)
        while len(self._open) > _OPEN_DAYS:
            del self._open[min(self._open)]

    def recall(self, readings: Sequence[Reading]) -> None:
        """Take stored readings back, oldest first."""
        for reading in readings:
            value = figure(reading)
            if reading.channel == self._name("mean") and is_derived(reading) and value is not None:
                day = (self._site.local(reading.time_s) - timedelta(hours=1)).date()
                self._means.append((day, value))
                self._open = {one: notes for one, notes in self._open.items() if one > day}
        self.take(readings)

    def tell(self, device: DeviceInfo, time_s: float) -> Iterator[Reading]:
        """Yield the newest day that is over, and the trend up to it, once."""
        today = self._site.local(time_s).date()
        past = sorted(day for day in self._open if day < today)
        for day in past:
            self._means.append((day, as_told(self._open.pop(day).mean())))
        if not past:
            return
        told = Told(device.dev_eui, self._site.begin_s(past[-1] + timedelta(days=1)))
        yield told.number(self._name("mean"), self._means[-1][1], self._unit, "dailyMean")
        if len(self._means) < FEWEST_DAYS:
            return
        first = self._means[0][0]
        days = [float((day - first).days) for day, _ in self._means]
        trend = mann_kendall(days, [value for _, value in self._means])
        yield told.number(self._name("slope"), trend.slope, f"{self._unit}/d", "theilSen")
        yield told.number(self._name("p"), trend.p, "", "mannKendall")
        if self._config.limit is not None:
            ahead = self._days_to(trend, days[-1], self._config.limit)
            yield told.number(self._name("daysToLimit"), ahead, "d", "theilSen")

    def _days_to(self, trend: Trend, now: float, limit: float) -> float:
        meets = trend.crosses_at(limit, now) if trend.p < SURE_P else None
        return MOST_DAYS if meets is None else min(meets - now, MOST_DAYS)

    def _name(self, what: str) -> str:
        return f"trend.{self._config.channel}.{what}"


def trends_of(agronomy: AgronomyConfig, site: Site) -> Iterator[TrendWatch]:
    """Yield the configured trends.

    Raises
    ------
    ConfigError
        One channel of one device is named twice.

    """
    seen: set[tuple[str, str]] = set()
    for config in agronomy.trend:
        made = TrendWatch(config, site)
        if made.key in seen:
            raise ConfigError(
                f"agronomy.trend: {config.channel} of {config.device} stands there twice; "
                "once will do."
            )
        seen.add(made.key)
        yield made
