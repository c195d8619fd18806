"""How often one device speaks, learned from its own newest intervals.

Regular devices get a limit of a few usual intervals, with room for lost frames. Event-driven ones
(doors, leak contacts) have heavy tails: their limit is a multiple of the longest interval seen.
A device that comes back by itself soon after its limit has shown that it may be silent for so long:
for two weeks nobody is told of the like again. A silence of more than three limits shows nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.config import SilenceConfig

KEPT = 64
NEEDED = 4
_SAME_MESSAGE_S = 10.0  # frames closer than this are one message in parts
_HEAVY_TAIL = 4.0
_HEARTBEAT = 2.2  # events between heartbeats: no interval is much longer than the upper quartile
_HEARTBEAT_NEEDED = 16
_TAIL_FACTOR = 3.0
_LOSS_FACTOR = 2.0
_LONGEST_FACTOR = 1.5
_EVENT_DRIVEN_S = 36 * 3600.0
_ALIKE = 2.0
_SOON = 3.0
_ROOM = 1.5
_SLOWED = 2.5
_REMEMBERED_S = 14 * 86400.0


@dataclass(slots=True)
class Rhythm:
    """The newest intervals of one device, and what follows from them.

    `limit_s` is None until NEEDED intervals are known. `usual_s` is the upper quartile, so that a
    device which sends two frames at a time is known by its pauses; `wait_s` is the mean, if longer.
    `overrun_s` is the longest silence past the limit that ended by itself, at `overran_s`;
    `slowed_s` the newest interval of at least 2.5 times the usual one, over at `slowed_at_s`.
    """

    settings: SilenceConfig
    last_s: float | None = None
    intervals: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    outlier_s: float | None = None
    overrun_s: float = 0.0
    overran_s: float = 0.0
    slowed_s: float = 0.0
    slowed_at_s: float = float("-inf")
    usual_s: float = 0.0
    wait_s: float = 0.0
    limit_s: float | None = None
    regular: bool = False

    def hear(self, received_s: float, *, learn: bool = True) -> None:
        """Take the time of one reception; `learn` is False when the interval says nothing."""
        last_s, self.last_s = self.last_s, max(received_s, self.last_s or received_s)
        if last_s is None or not learn:
            return
        interval_s = received_s - last_s
        if interval_s < _SAME_MESSAGE_S:
            return
        if self.regular and interval_s >= _SLOWED * self.usual_s > 0:
            self.slowed_s, self.slowed_at_s = interval_s, received_s
        if self.regular and self.limit_s is not None and interval_s > self.limit_s:
            # Learned up to the limit only: a lossy link is given more room, an outage not its whole
            # length.
            self.intervals.append(self.limit_s)
            self._overrun(interval_s, received_s)
            self._slower(interval_s)
        else:
            self.outlier_s = None
            self.intervals.append(min(interval_s, self.settings.max_s))
        self._settle(received_s)

    def _overrun(self, interval_s: float, now_s: float) -> None:
        """Remember the longest silence that a device came back from by itself."""
        if self.limit_s is not None and interval_s <= _SOON * self.limit_s:
            kept_s = self.overrun_s if now_s - self.overran_s <= _REMEMBERED_S else 0.0
            self.overrun_s, self.overran_s = max(kept_s, interval_s), now_s

    def _slower(self, interval_s: float) -> None:
        """One interval past the limit is an outage; two alike are a new rhythm."""
        before_s, self.outlier_s = self.outlier_s, interval_s
        if before_s is None or not 1 / _ALIKE < interval_s / before_s < _ALIKE:
            return
        self.intervals.clear()
        # Known twice already: filled up so that the new rhythm has a limit of its own at once.
        self.intervals.extend([before_s, interval_s] * (NEEDED // 2))

    def _settle(self, now_s: float) -> None:
        if len(self.intervals) < NEEDED:
            return
        ordered = sorted(self.intervals)
        count = len(ordered)
        median = ordered[count // 2]
        self.usual_s = ordered[min(count - 1, (3 * count) // 4)]
        self.wait_s = max(self.usual_s, sum(ordered) / count)
        high = ordered[min(count - 1, (19 * count) // 20)]
        beats = count >= _HEARTBEAT_NEEDED and ordered[-1] <= _HEARTBEAT * self.usual_s
        self.regular = beats or high <= _HEAVY_TAIL * median
        wanted = (
            max(
                self.settings.intervals * self.usual_s,
                _LOSS_FACTOR * high,
                _LONGEST_FACTOR * ordered[-1],
            )
            if self.regular
            else max(_TAIL_FACTOR * ordered[-1], _EVENT_DRIVEN_S)
        )
        if now_s - self.overran_s <= _REMEMBERED_S:
            wanted = max(wanted, _ROOM * self.overrun_s)
        self.limit_s = min(max(wanted, self.settings.min_s), self.settings.max_s)
