"""What can be said of one alert in its life, and its next states: no memory here."""

from __future__ import annotations

from dataclasses import replace

from gateway.alerts.rules.model import RULE as MODEL_RULE
from gateway.types import Alert, Care, Channel, Comment, DevEui, Severity

AGAIN_S = 6 * 3600.0
"""The same trouble so soon after its end is no fresh one: it recurs."""

PAUSE_S = 600.0
"""Between two updates of one alert; what becomes more severe does not wait."""

SETTLE_S = 2 * 3600.0
"""The end of a recurring alert is told when it has been well for so long, times its recurrences, at
most `AGAIN_S`."""

MOST_COMMENTS = 20
_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}

Trouble = tuple[DevEui, str, str, Channel]
"""Device, rule, kind and first channel: what makes two alerts the same trouble."""


def as_known(before: Alert, alert: Alert) -> Alert:
    """Return what a rule says now, as the alert that people know."""
    return replace(
        alert, id=before.id, first_seen_s=before.first_seen_s, ack=before.ack, care=before.care
    )


def with_comment(alert: Alert, by: str, text: str, now_s: float) -> Alert:
    """Return an alert with one more comment; without text, as it is."""
    if not text:
        return alert
    comments = (*alert.care.comments, Comment(by, now_s, text))[-MOST_COMMENTS:]
    return replace(alert, care=replace(alert.care, comments=comments))


def awake(alert: Alert) -> Alert:
    """Return an alert that is not snoozed."""
    if alert.care.snoozed_until_s is None:
        return alert
    return replace(alert, care=replace(alert.care, snoozed_until_s=None))


def loudest(alert: Alert) -> Severity:
    """Return the highest severity it was ever told with, the present one included."""
    return max(alert.severity, alert.care.loudest or alert.severity, key=_RANK.__getitem__)


def is_worse(before: Alert, after: Alert) -> bool:
    """Tell what is more severe than people were told, or know it to be while it rests."""
    return _RANK[after.severity] > _RANK[before.care.loudest or before.severity]


def is_refreshed(before: Alert, after: Alert) -> bool:
    """Tell an update of the model that only shows its newest readings."""
    if after.rule != MODEL_RULE or before.kind != after.kind:
        return False
    channels = {reason.channel for reason in before.reason}
    return {reason.channel for reason in after.reason} <= channels


def trouble_of(alert: Alert) -> Trouble:
    """Return what an alert is about."""
    lead = alert.reason[0].channel if alert.reason else Channel("")
    return alert.dev_eui, alert.rule, alert.kind, lead


def ended_s(alert: Alert) -> float:
    """Return when it was over, as far as that is known."""
    if alert.end_s is not None:
        return alert.end_s
    well_s = alert.care.well_since_s
    return alert.last_seen_s if well_s is None else well_s


def is_settling(alert: Alert) -> bool:
    """Tell an alert whose rule has ended it, and whose end is not told yet."""
    return alert.care.well_since_s is not None


def is_soon(end_s: float, now_s: float) -> bool:
    """Tell whether what ended then may be the same trouble now; a device's clock may be ahead."""
    return abs(now_s - end_s) <= AGAIN_S


def has_paused(care: Care, now_s: float) -> bool:
    """Tell whether the last thing that was said of it is long enough ago."""
    return care.said_s is None or not 0 <= now_s - care.said_s < PAUSE_S


def settles_s(care: Care) -> float:
    """Return how long a recurring alert must be well before its end is told."""
    return min(SETTLE_S * care.recurred, AGAIN_S)
