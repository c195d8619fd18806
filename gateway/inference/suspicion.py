"""What the model's odds for a fault come to when they are heard again and again.

One sample's odds say little about a drift that has just begun; mildly suspicious for half a day
says much. A running mean of the odds is turned into a p-value on the scale that the bounds are on:
a decade of the p-value is a unit of the mean, and the usual bound lies where clean recordings
(*tune*) raise few false episodes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.inference.heads import MILLI, MISSING

_SHARE = 0.12
_LOWEST, _HIGHEST = -4.0, 5.0
_BEGINNING = -3.0
_LEVEL, _P_AT_LEVEL, _DECADES = 0.95, 2e-4, 1.0
_SMALLEST = 1e-8
_LIKELY, _NEWEST = 2.0 * MILLI, 4


@dataclass(slots=True)
class Suspicion:
    """A channel's running mean of the fault odds, and the newest of them, in thousandths."""

    mean: float = _BEGINNING
    newest: deque[int] = field(default_factory=lambda: deque(maxlen=_NEWEST))

    def take(self, odds: int) -> float:
        """Take the next sample's log odds, in thousandths; return the p-value of what is heard."""
        if odds != MISSING:
            heard = min(max(odds / MILLI, _LOWEST), _HIGHEST)
            self.replay(odds, round(self.mean + _SHARE * (heard - self.mean), 3))
        p = _P_AT_LEVEL * 10.0 ** (-_DECADES * (self.mean - _LEVEL))
        return float(min(max(p, _SMALLEST), 1.0))

    def replay(self, odds: int, mean: float) -> None:
        """Take a stored sample, after which the mean was this."""
        self.mean = mean
        if odds != MISSING:
            self.newest.append(odds)

    @property
    def likely(self) -> bool:
        """Whether the newest sample or one of the three before it is probably faulty."""
        return max(self.newest, default=MISSING) > _LIKELY
