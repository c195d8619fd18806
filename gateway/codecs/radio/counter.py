"""Radios count microseconds in 32 bits, which wrap after 71 minutes and 35 seconds."""

from __future__ import annotations

WRAP = 1 << 32


class Unwrapped:
    """Goes on counting where the radio's counter wraps.

    A value up to half a wrap behind the newest is taken as late, not as a wrap; silence of more
    than half a wrap is bridged by the host's own time, when it is given. After `reset` values begin
    above all before, so that a moment on the radio's earlier clock is known as such.
    """

    def __init__(self) -> None:
        self._newest: int | None = None
        self._seen_s = 0.0
        self._begins = 0

    def __call__(self, counter: int, now_s: float) -> int:
        """Return the counter without its wraps; equal to it modulo 2**32."""
        if self._newest is None:
            self._newest, self._seen_s = self._begins + counter, now_s
            return self._newest
        expected = self.expected(now_s)
        offset = (counter - expected + WRAP // 2) % WRAP - WRAP // 2
        value = max(expected + offset, self._begins + counter)
        if value > self._newest:
            self._newest, self._seen_s = value, now_s
        return value

    def expected(self, now_s: float) -> int:
        """Return what the counter should be now, its beginning when it was never heard."""
        if self._newest is None:
            return self._begins
        return self._newest + max(0, int((now_s - self._seen_s) * 1e6))

    def reset(self) -> None:
        """Begin anew: the radio restarted."""
        if self._newest is not None:
            self._begins = (self._newest // WRAP + 2) * WRAP
        self._newest = None

    def is_of_before(self, counter_us: int) -> bool:
        """Tell whether a moment is one of the radio's clock before it restarted."""
        return counter_us < self._begins
