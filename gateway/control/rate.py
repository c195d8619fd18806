"""How often a device may be commanded, or an operator command: a sliding window, as pure code."""

from __future__ import annotations

from collections import deque

WINDOW_S = 3600.0


class RateLimit:
    """At most `per_window` commands for each `who` in any WINDOW_S; bounded by how many ask."""

    def __init__(self, per_window: int) -> None:
        self._most = per_window
        self._taken: dict[str, deque[float]] = {}

    def wait_s(self, who: str, now_s: float) -> float:
        """Return how long until the next command is allowed, 0 when it is now."""
        taken = self._taken.get(who)
        if taken is None:
            return 0.0
        # A clock that was set back must not lock anybody out: the future counts as now.
        while taken and not now_s - WINDOW_S < taken[0] <= now_s:
            taken.popleft()
        return taken[0] + WINDOW_S - now_s if len(taken) >= self._most else 0.0

    def take(self, who: str, now_s: float) -> None:
        """Count one command."""
        self._taken.setdefault(who, deque(maxlen=self._most)).append(now_s)

    def forget(self, who: str) -> None:
        """Drop a count."""
        self._taken.pop(who, None)
