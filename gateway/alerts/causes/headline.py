"""Whose words an alert of several is told in: those of the one that means most to its reader.

Severity first; then a limit or a rule of the user's own, because its words are the user's; then the
built-in limits on derived channels, and the weather of the site; then the rules at once and those
that look at days, a changed unit before the rest; then what the model finds unusual. Where the
weather of the site is known, what the model finds unusual and knows no cause of is that weather,
however bad it takes it for. Among equals: the device that the alert is filed under, then the
oldest.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.alerts.causes.likeness import JUDGED, SCALE_RULE, WEATHER_RULES
from gateway.types import Alert, DevEui, Severity

_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
_MODEL = "model"
_OPEN = frozenset({"unknown", "environment"})


def headline(alerts: Iterable[Alert], filed: DevEui) -> Alert:
    """Return the alert whose words are told; `filed` is the device that the group is under."""
    said = [*alerts]
    if any(one.rule in WEATHER_RULES for one in said):
        said = [one for one in said if one.rule not in JUDGED or one.cause not in _OPEN]
    return min(said, key=lambda one: (
        _RANK[one.severity], _source(one), one.dev_eui != filed, one.first_seen_s, one.id,
    ))  # fmt: skip


def in_own_words(alert: Alert) -> bool:
    """Say whether a limit or a rule found it, whose words say more than what devices share."""
    return alert.rule not in JUDGED and alert.rule != SCALE_RULE


def is_the_users(alert: Alert) -> bool:
    """Say whether a limit or a rule of the user's own found it."""
    return _source(alert) == 0


def _source(alert: Alert) -> int:
    """Return how far down an alert's rule comes, a user's own first."""
    if alert.rule == SCALE_RULE:
        return 2
    if alert.rule.startswith("range:"):
        return 3
    if alert.rule == _MODEL:
        return 5
    if alert.rule in WEATHER_RULES:
        return 1
    if alert.rule.startswith(("at-once:", "days:")) or alert.rule == "link":
        return 4
    return 1 if alert.rule.startswith("derived:") else 0
