"""How long to wait before trying again: exponential, capped, with full jitter."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Delays between `least_s` and a ceiling that doubles from `least_s` up to `most_s`.

    The jitter is over the whole range, so that gateways cut off together do not come back
    together.
    """

    def __init__(
        self,
        least_s: float,
        most_s: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._least_s = least_s
        self._most_s = max(least_s, most_s)
        self._uniform = uniform
        self._ceiling_s = least_s

    def next_s(self) -> float:
        """Return how long to wait now; the next ceiling is twice as high."""
        self._ceiling_s = min(self._most_s, self._ceiling_s * 2)
        return self._uniform(self._least_s, self._ceiling_s)

    def reset(self) -> None:
        """Begin again from the shortest delay."""
        self._ceiling_s = self._least_s
