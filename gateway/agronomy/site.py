"""Where the place lies, and what day and hour it is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from gateway.agronomy.sun import next_sunrise_s
from gateway.agronomy.vapour import pressure_kpa
from gateway.config import AgronomyConfig

_NOT_WORD = re.compile(r"\W+")
_LAST_S = 253_000_000_000.0


@dataclass(frozen=True, slots=True)
class Site:
    """`latitude` and `longitude` in degrees, None when unknown; `zone` is the local time's."""

    latitude: float | None
    longitude: float | None
    elevation_m: float
    zone: tzinfo

    @classmethod
    def of(cls, config: AgronomyConfig) -> Site:
        """Return the configured place; without a time zone, mean solar time in whole hours."""
        if config.time_zone:
            zone: tzinfo = ZoneInfo(config.time_zone)
        else:
            zone = timezone(timedelta(hours=round((config.longitude or 0.0) / 15)))
        return cls(config.latitude, config.longitude, config.elevation_m, zone)

    @property
    def air_kpa(self) -> float:
        """The usual air pressure here."""
        return pressure_kpa(self.elevation_m)

    def local(self, time_s: float) -> datetime:
        """Return the local time; beyond what calendars know, the nearest they do."""
        return datetime.fromtimestamp(min(max(time_s, 0.0), _LAST_S), UTC).astimezone(self.zone)

    def begin_s(self, day: date, hour: int = 0) -> float:
        """Return when an hour of a local day begins."""
        return datetime(day.year, day.month, day.day, hour, tzinfo=self.zone).timestamp()

    def sunrise_s(self, time_s: float) -> float | None:
        """Return when the sun next rises, None where it does not or the place is unknown."""
        if self.latitude is None or self.longitude is None or not 0 <= time_s <= _LAST_S:
            return None
        return next_sunrise_s(time_s, self.latitude, self.longitude)

    def season_begin(self, day: date) -> date:
        """Return when a year's growth is counted from: New Year, or 1 July in the south."""
        if (self.latitude or 0.0) >= 0:
            return date(day.year, 1, 1)
        return date(day.year if day.month >= 7 else day.year - 1, 7, 1)  # noqa: PLR2004

    def chill_begin(self, day: date) -> date:
        """Return when a winter's chill is counted from: 1 November, or 1 May in the south."""
        month = 11 if (self.latitude or 0.0) >= 0 else 5
        return date(day.year if day.month >= month else day.year - 1, month, 1)


def sunrise_of(config: AgronomyConfig) -> Callable[[float], float | None]:
    """Return what tells when the sun next rises at the configured place."""
    return Site.of(config).sunrise_s


def slug(name: str) -> str:
    """Return a name as one word of a channel: letters, digits and underscores."""
    return _NOT_WORD.sub("_", name.lower()).strip("_") or "field"
