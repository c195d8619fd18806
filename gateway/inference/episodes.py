"""From p-values to a status: persistence at the start, patience at the end.

An abnormal sample alone is not yet an anomaly: `persistence` of the newest `persistence_of` must
be, unless one is so extreme that it cannot wait. An episode ends after as many calm samples in a
row as `persistence_of`; an episode of one extreme sample ends with the first calm one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.config import InferenceConfig

_CALM = 8.0
"""A sample is calm when its p-value is this many times that of an abnormal one."""

ACCEPT_AFTER_S = 43200.0
ACCEPT_AFTER_SAMPLES = 48
"""An episode that has lasted this long is the channel's new normal, and is learned."""


BEGINNING_SAMPLES = 8
NONE = slice(0, 0)
SHORT_SAMPLES = 16
"""An episode no longer than this (its calm end included) is learned once it is over."""


@dataclass(slots=True)
class Episode:
    """Where one channel stands."""

    config: InferenceConfig
    recent: deque[bool] = field(init=False)
    since_s: float | None = None
    samples: int = 0
    calm: int = 0
    sudden: bool = False
    waiting: int = 0
    beginning: slice | None = None
    pattern: str = ""

    def __post_init__(self) -> None:
        self.recent = deque(maxlen=self.config.persistence_of)

    @property
    def active(self) -> bool:
        """Whether the newest sample belongs to an anomaly."""
        return self.since_s is not None

    def step(self, time_s: float, p: float, bound: float, *, extreme: bool) -> bool:
        """Take the next p-value, abnormal below `bound`; return whether the sample is anomalous."""
        abnormal = p < bound
        self.recent.append(abnormal)
        persistent = sum(self.recent) >= self.config.persistence
        if self.active:
            self._go_on(p, bound, persistent=persistent)
        elif persistent or extreme:
            self.since_s, self.samples, self.calm = time_s, 0, 0
            self.sudden, self.pattern = not persistent, ""
        self.samples += self.active
        return self.active

    def _go_on(self, p: float, bound: float, *, persistent: bool) -> None:
        self.sudden = self.sudden and not persistent
        self.calm = self.calm + 1 if p >= _CALM * bound else 0
        if self.calm >= (1 if self.sudden else self.config.persistence_of):
            self._settle()
            self.since_s, self.pattern = None, ""
            self.recent.clear()

    def _settle(self) -> None:
        """Decide at an episode's end which of the waiting samples may be learned."""
        if self.sudden:
            self.waiting = 0
        elif self.samples > SHORT_SAMPLES:
            self.beginning = slice(-self.waiting, -self.waiting + BEGINNING_SAMPLES)
            self.waiting = 0

    def learnable(self, time_s: float) -> slice:
        """Which of the newest samples, this one being the last, may now be taken as normal.

        Samples wait while an episode may come of them. A short episode is learned when it is over
        (the first irrigation may surprise, the second must not), of a long one the beginning, and
        all of it when it has lasted so long that this is how the channel is now. A sudden wild
        value is never normal.
        """
        self.waiting += 1
        if self.since_s is not None:
            lasted = time_s - self.since_s >= ACCEPT_AFTER_S
            return slice(-1, None) if lasted and self.samples >= ACCEPT_AFTER_SAMPLES else NONE
        if self.beginning is not None:
            learned, self.beginning = self.beginning, None
            return learned
        if any(self.recent) and self.waiting < ACCEPT_AFTER_SAMPLES:
            return NONE
        learned, self.waiting = slice(-self.waiting, None), 0
        return learned
