"""Plain words for people: figures with units, a reason in a sentence, an alert in a few."""

from __future__ import annotations

from gateway.alerts.families import words_of
from gateway.types import Alert, Reason, Scalar

_MINUTE_S = 60.0
_HOUR_S = 3600.0
_DAY_S = 86400.0
_SMALL = 10.0
_LARGE = 1000.0


def duration(seconds: float) -> str:
    """Return a duration as people say it: `45 min`, `3 h`, `2 days`."""
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    if seconds < 2 * _DAY_S:
        return f"{seconds / _HOUR_S:.0f} h"
    return f"{seconds / _DAY_S:.0f} days"


def figure(value: Scalar, unit: str = "") -> str:
    """Return a value with as many digits as help, and its unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value[:60]
    if unit == "s":
        return duration(value)
    size = abs(value)
    digits = 2 if size < _SMALL else 1 if size < _LARGE else 0
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    text = "0" if text == "-0" else text
    return f"{text} {unit}".strip() if unit != "°" else f"{text}°"


def reason_sentence(reason: Reason) -> str:
    """Return one channel's part in an alert as one sentence."""
    said = f"{words_of(reason.channel)} is {figure(reason.observed, reason.unit)}"
    if reason.expected is not None:
        low, _, high = reason.expected
        upper = figure(high, reason.unit)
        lower = figure(low, reason.unit if reason.unit == "s" else "")
        said += f", expected {lower} to {upper}"
    return said[0].upper() + said[1:] + "."


def sentence(alert: Alert) -> str:
    """Return the whole alert for a terminal or a notification: what, why, and what to do."""
    parts = [f"{alert.title}."]
    parts += [reason_sentence(reason) for reason in alert.reason[:3]]
    if len(alert.reason) > 3:  # noqa: PLR2004 - three reasons fit in a line of text
        parts.append(f"And {len(alert.reason) - 3} more.")
    parts += alert.evidence[:2]
    if alert.end_s is not None:
        parts.append(f"Over after {duration(alert.end_s - alert.first_seen_s)}.")
    elif alert.advice:
        parts.append(alert.advice)
    return " ".join(parts)
