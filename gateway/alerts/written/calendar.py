"""When a rule counts: hours, days of the week, months and seasons, in the site's local time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from gateway.config import DAYS, MONTHS, Config, RuleConfig, season_of

_DAY_MIN = 24 * 60
_LAST_S = 253_000_000_000.0


def zone_of(config: Config) -> tzinfo | None:
    """Return the site's time zone; None for this machine's own.

    `agronomy.time_zone`, else `downlink.timezone`, else mean solar time of `agronomy.longitude` in
    whole hours.
    """
    name = config.agronomy.time_zone or config.downlink.timezone
    if name:
        return ZoneInfo(name)
    longitude = config.agronomy.longitude
    return timezone(timedelta(hours=round(longitude / 15))) if longitude is not None else None


@dataclass(frozen=True, slots=True)
class Calendar:
    """A rule's time. Minutes of the local day; a window over midnight belongs to the day it began.

    `begin_min` and `end_min` are equal for the whole day; `season` is two days of the year, each
    100 * month + day, both included, over New Year where the first is the later.
    """

    zone: tzinfo | None
    begin_min: int = 0
    end_min: int = 0
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    season: tuple[int, int] | None = None

    @classmethod
    def of(cls, rule: RuleConfig, zone: tzinfo | None) -> Calendar:
        """Return the calendar of one rule."""
        begin, end = map(_minute, rule.hours.split("-")) if rule.hours else (0, 0)
        return cls(
            zone,
            begin,
            end % _DAY_MIN if begin else end,
            frozenset(map(DAYS.index, rule.days)),
            frozenset(MONTHS.index(month) + 1 for month in rule.months),
            season_of(rule.season) if rule.season else None,
        )

    @property
    def is_always(self) -> bool:
        """Whether there is nothing to look at."""
        return self.begin_min == self.end_min and not (self.days or self.months or self.season)

    def covers(self, now_s: float) -> bool:
        """Tell whether the rule counts at this moment; the end of a window is not in it."""
        return self.is_always or self._day(self._local(now_s)) is not None

    def opened_s(self, now_s: float) -> float:
        """Return when the window that covers `now_s` began; 0 for a rule that always counts."""
        if self.is_always:
            return 0.0
        local = self._local(now_s)
        day = self._day(local)
        if day is None:
            return now_s
        hour, minute = divmod(self.begin_min, 60)
        begun = datetime(day.year, day.month, day.day, hour, minute, tzinfo=local.tzinfo)
        return min(begun.timestamp(), now_s)

    def _day(self, local: datetime) -> date | None:
        """Return the day that a moment's window began on; None when no window covers it."""
        minute, day = 60 * local.hour + local.minute, local.date()
        if self.begin_min < self.end_min:
            if not self.begin_min <= minute < self.end_min:
                return None
        elif self.begin_min > self.end_min:
            if minute < self.end_min:
                day -= timedelta(days=1)
            elif minute < self.begin_min:
                return None
        return day if self._on(day) else None

    def _on(self, day: date) -> bool:
        if self.days and day.weekday() not in self.days:
            return False
        if self.months and day.month not in self.months:
            return False
        if self.season is None:
            return True
        first, last = self.season
        at = 100 * day.month + day.day
        return first <= at <= last if first <= last else at >= first or at <= last

    def _local(self, now_s: float) -> datetime:
        moment = datetime.fromtimestamp(min(max(now_s, 86400.0), _LAST_S), UTC)
        return moment.astimezone(self.zone)


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return 60 * int(hour) + int(minute)
