"""What time it is: the machine's own time, or the time of a recording or a simulation."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's clock, as it is: windows and ids follow the events' own times, not this."""

    def now_s(self) -> float:
        """Return POSIX seconds."""
        return time.time()

    def observe(self, time_s: float) -> None:
        """Ignore the event's time: the machine knows better."""


class EventClock:
    """A clock that stands still until an event of a later time is observed."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        """Return the latest time observed."""
        return self._now_s

    def observe(self, time_s: float) -> None:
        """Move forward to `time_s`, never back."""
        self._now_s = max(self._now_s, time_s)
