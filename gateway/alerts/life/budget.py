"""How much people are told in a week: what is beyond it goes into the digest.

The budget is one number for the whole site, counted over the newest seven days. Critical alerts,
and limits and rules of the user's own, are neither held back nor counted. An alert of severity
`info` is told only while less than half of the budget is used: what is left is for warnings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from gateway.types import Alert, Severity

WEEK_S = 604800.0
WRITTEN = "rule:"
"""The names of rules that people write begin like this; those of their limits are given."""

_INFO_SHARE = 0.5


class Budget:
    """When alerts were told that count. `per_week` 0 is no limit; `own` are the user's limits."""

    def __init__(self, per_week: int, own: Collection[str]) -> None:
        self._per_week = per_week
        self._own = frozenset(own)
        self._told_s: deque[float] = deque()

    def admits(self, alert: Alert, now_s: float) -> bool:
        """Say whether an alert may be told now; nothing is counted."""
        if not self._per_week or not self._counts(alert):
            return True
        while self._told_s and now_s - self._told_s[0] >= WEEK_S:
            self._told_s.popleft()
        share = _INFO_SHARE if alert.severity is Severity.INFO else 1.0
        return len(self._told_s) < share * self._per_week

    def count(self, alert: Alert) -> None:
        """Take note of an alert that was told, at its `told_s`; give the oldest first."""
        if self._per_week and self._counts(alert) and alert.care.told_s is not None:
            self._told_s.append(alert.care.told_s)

    def _counts(self, alert: Alert) -> bool:
        own = alert.rule in self._own or alert.rule.startswith(WRITTEN)
        return alert.severity is not Severity.CRITICAL and not own
