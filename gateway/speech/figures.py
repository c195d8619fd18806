"""Values, spans and moments as people read them: the site's units, as many digits as help."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from gateway.speech.units import imperial
from gateway.speech.voice import say, say_many, voice
from gateway.types import Scalar

_MINUTE_S = 60.0
_HOUR_S = 3600.0
_DAY_S = 86400.0
_SMALL = 10.0
_LARGE = 1000.0
_LONGEST_TEXT = 60


def duration(seconds: float) -> str:
    """Return a span as people say it: `45 min`, `1 h`, `2 days`."""
    if seconds < 2 * _MINUTE_S:
        return say("{count} s", count=f"{seconds:.0f}")
    if seconds < 2 * _HOUR_S and round(seconds) != _HOUR_S:
        return say("{count} min", count=f"{seconds / _MINUTE_S:.0f}")
    if seconds < 2 * _DAY_S:
        return say("{count} h", count=f"{seconds / _HOUR_S:.0f}")
    return _days(round(seconds / _DAY_S))


def figure(value: Scalar, unit: str = "") -> str:
    """Return a value with as many digits as help, and its unit, in the units of the site.

    Text is a quotation and stays as it is. Seconds become a span of time.
    """
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if unit == "s":
        return duration(value)
    return _figure(value, unit, offset=True)


def difference(value: float, unit: str = "") -> str:
    """Return how far two values are apart: 5 °C between two temperatures are 9 °F."""
    return duration(value) if unit == "s" else _figure(value, unit, offset=False)


def interval(low: float, high: float, unit: str = "") -> str:
    """Return what lies between two values, the unit said once: `28 to 33.5 %`."""
    first = duration(low) if unit == "s" else _told(low, unit)[0]
    return say("{low} to {high}", low=first, high=figure(high, unit))


def moment(time_s: float) -> str:
    """Return a time of day with its date, in the site's local time: `2026-04-20 06:30`."""
    local = datetime.fromtimestamp(time_s, UTC).astimezone(voice().zone)
    return f"{local:%Y-%m-%d %H:%M}"


def _figure(value: float, unit: str, *, offset: bool) -> str:
    return _with_unit(*_told(value, unit, offset=offset))


def _told(value: float, unit: str, *, offset: bool = True) -> tuple[str, str]:
    """Return a number's text and its unit, both as the site says them."""
    digits = _digits(value)
    conversion = imperial(unit) if voice().imperial else None
    if conversion is not None:
        # No digit is told that the metric figure did not have.
        least = math.log10(conversion.factor * 10.0**-digits)
        value = value * conversion.factor + (conversion.offset if offset else 0.0)
        usual = _digits(value) if conversion.digits is None else conversion.digits
        unit, digits = conversion.unit, max(0, min(usual, -math.floor(least)))
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text, unit


def _days(count: int) -> str:
    return say_many("{count} day", "{count} days", count)


def _digits(value: float) -> int:
    size = abs(value)
    return 2 if size < _SMALL else 1 if size < _LARGE else 0


def _with_unit(text: str, unit: str) -> str:
    if unit == "%":
        return say("{value} %", value=text)
    if unit == "d":
        return _days(1) if text == "1" else say("{value} days", value=text)
    if unit == "h":
        return say("{count} h", count=text)
    if unit == "min":
        return say("{count} min", count=text)
    return f"{text}{unit}" if unit == "°" else f"{text} {unit}".strip()
