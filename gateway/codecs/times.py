"""RFC 3339 text <-> POSIX seconds.

Python 3.11's `fromisoformat` reads any number of fraction digits (and cuts them to six), but also
much that is not RFC 3339: dates alone, week dates, times without an offset. A pattern goes first.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_SECOND = slice(17, 19)


def parse_rfc3339(text: str) -> float:
    """Return POSIX seconds, to the microsecond; a leap second counts as the second after it.

    Raises
    ------
    ValueError
        The text is not an RFC 3339 date and time with an offset, or names no real moment.

    """
    if _RFC3339.fullmatch(text) is None:
        raise ValueError("not an RFC 3339 time with an offset")
    if text[_SECOND] == "60":
        return datetime.fromisoformat(f"{text[:17]}59{text[19:]}".upper()).timestamp() + 1.0
    return datetime.fromisoformat(text.upper()).timestamp()


def format_rfc3339(seconds: float) -> str:
    """Return UTC text ending in `Z`: milliseconds where they say it all, else microseconds.

    Raises
    ------
    ValueError
        The moment lies outside the years 1 to 9999.

    """
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{seconds} is no time that can be written") from error
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return f"{moment.replace(tzinfo=None).isoformat(timespec=precision)}Z"
