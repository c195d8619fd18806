"""Whose words an alert of several is told in: those of the one that means most to its reader.

Severity first; then a limit or a rule of the user's own, because its words are the user's; then the
built-in limits on derived channels; then the rules at once, a changed unit before the rest; then
what the model finds unusual. Among equals: the device that the alert is filed under, then the
oldest.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.alerts.causes.likeness import JUDGED, SCALE_RULE
from gateway.types import Alert, DevEui, Severity

_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
_MODEL = "model"


def headline(alerts: Iterable[Alert], filed: DevEui) -> Alert:
    """Return the alert whose words are told; `filed` is the device that the group is under."""
    return min(alerts, key=lambda one: (
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
    if alert.rule.startswith("at-once:") or alert.rule == "link":
        return 4
    return 1 if alert.rule.startswith("derived:") else 0
