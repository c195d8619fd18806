"""Quiet hours: a daily span of local time, over midnight where it begins later than it ends."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def is_quiet(hours: str, timezone: str, now_s: float) -> bool:
    """Tell whether `now_s` is within `hours` (`HH:MM-HH:MM`, the end not included; "": never).

    `timezone` is a name of the IANA data base, "" for this machine's own.
    """
    if not hours:
        return False
    moment = datetime.fromtimestamp(now_s, UTC).astimezone(ZoneInfo(timezone) if timezone else None)
    minute = 60 * moment.hour + moment.minute
    begin, end = map(_minute, hours.split("-"))
    if begin <= end:
        return begin <= minute < end
    return minute >= begin or minute < end


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return 60 * int(hour) + int(minute)
