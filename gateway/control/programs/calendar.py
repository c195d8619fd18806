"""When a program is to start, from local days and times to moments.

A local time that a change of the clocks leaves out (02:30 in spring) is taken as much later as the
clocks go forward; one that comes twice is its first. A month of 31 days puts two odd dates side by
side; 29 February is a date like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.config import ProgramConfig

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LATEST_S = 4_102_444_800.0  # the year 2100: a clock beyond it is wrong
_EARLIEST_S = 946_684_800.0

Sunrise = Callable[[float], float | None]
"""When the sun next rises after a moment; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One start by the calendar: `key` is its local day and time, the same for ever."""

    key: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a local day within which a program starts on a condition; `end_s` excluded."""

    key: str
    begin_s: float
    end_s: float


class Calendar:
    """The starts of one program. `sunrise` is asked for the first one after midnight."""

    def __init__(self, config: ProgramConfig, zone_name: str, sunrise: Sunrise) -> None:
        self._config = config
        self._zone_name = zone_name
        self._sunrise = sunrise

    def occurrences(self, after_s: float, until_s: float) -> list[Occurrence]:
        """Return the starts later than `after_s` and not later than `until_s`, in order."""
        after_s, until_s = max(after_s, _EARLIEST_S), min(until_s, _LATEST_S)
        if until_s <= after_s:
            return []
        found = [
            one
            for day in self._days(after_s, until_s)
            if self._is_day(day)
            for one in self._of_day(day)
            if after_s < one.at_s <= until_s
        ]
        return sorted(found, key=lambda one: one.at_s)

    def next_after(self, now_s: float, days: int = 400) -> Occurrence | None:
        """Return the next start, None where there is none within `days`."""
        for ahead in range(0, days, 7):
            begin_s = now_s + ahead * 86400.0
            if found := self.occurrences(begin_s, begin_s + 7 * 86400.0):
                return found[0]
        return None

    def span_at(self, now_s: float) -> Span | None:
        """Return the span for starts on a condition that `now_s` is in, None outside of all."""
        if not _EARLIEST_S < now_s < _LATEST_S:
            return None
        today = self._local(now_s).date()
        for day in (today, today - timedelta(days=1)):
            span = self._span(day)
            if self._is_day(day) and span.begin_s <= now_s < span.end_s:
                return span
        return None

    def local(self, moment_s: float) -> str:
        """Return a moment as people here write it."""
        return self._local(moment_s).strftime("%a %Y-%m-%d %H:%M")

    def _span(self, day: date) -> Span:
        begin_s = self._moment_s(day, self._config.earliest)
        over_midnight = self._config.latest <= self._config.earliest
        last_day = day + timedelta(days=1) if over_midnight else day
        return Span(f"{day} when", begin_s, self._moment_s(last_day, self._config.latest))

    def _of_day(self, day: date) -> Iterator[Occurrence]:
        for text in self._config.start:
            if self._is_within(text):
                yield Occurrence(f"{day} {text}", self._moment_s(day, text))
        if self._config.sunrise_min is None:
            return
        rises_s = self._sunrise(self._moment_s(day, "00:00"))
        if rises_s is None:
            return
        at_s = rises_s + 60.0 * self._config.sunrise_min
        if self._is_within(self._local(at_s).strftime("%H:%M")):
            yield Occurrence(f"{day} sunrise", at_s)

    def _is_within(self, text: str) -> bool:
        """Tell whether a time of day (HH:MM) is not before `earliest` and not after `latest`."""
        earliest, latest = self._config.earliest, self._config.latest
        if earliest and latest and latest < earliest:
            return text >= earliest or text <= latest
        return (not earliest or text >= earliest) and (not latest or text <= latest)

    def _is_day(self, day: date) -> bool:
        config = self._config
        if config.days and WEEKDAYS[day.weekday()] not in config.days:
            return False
        if config.dates and (day.day % 2 == 1) is not (config.dates == "odd"):
            return False
        if (day - config.from_day).days % config.every_days:
            return False
        return self._in_season(day.strftime("%m-%d"))

    def _in_season(self, month_day: str) -> bool:
        begin, end = self._config.season_begin, self._config.season_end
        if not begin:
            return True
        if begin <= end:
            return begin <= month_day <= end
        return month_day >= begin or month_day <= end

    def _days(self, after_s: float, until_s: float) -> Iterator[date]:
        # A start counted from sunrise may fall on the day before or after its own.
        day = self._local(after_s).date() - timedelta(days=1)
        last = self._local(until_s).date() + timedelta(days=1)
        while day <= last:
            yield day
            day += timedelta(days=1)

    def _moment_s(self, day: date, text: str) -> float:
        hour, minute = map(int, text.split(":"))
        local = datetime.combine(day, time(hour, minute))
        if self._zone_name:
            return local.replace(tzinfo=ZoneInfo(self._zone_name)).timestamp()
        return local.timestamp()  # of this machine's own zone

    def _local(self, moment_s: float) -> datetime:
        zone = ZoneInfo(self._zone_name) if self._zone_name else None
        return datetime.fromtimestamp(moment_s, UTC).astimezone(zone)
