"""Radios count microseconds in 32 bits, which wrap after 71 minutes and 35 seconds."""

from __future__ import annotations

WRAP = 1 << 32


class Unwrapped:
    """Goes on counting where the radio's counter wraps.

    A value up to half a wrap behind the newest is taken as late, not as a wrap; silence of more
    than half a wrap is bridged by the host's own time, when it is given.
    """

    def __init__(self) -> None:
        self._newest: int | None = None
        self._seen_s = 0.0

    def __call__(self, counter: int, now_s: float) -> int:
        """Return the counter without its wraps; equal to it modulo 2**32."""
        if self._newest is None:
            self._newest, self._seen_s = counter, now_s
            return counter
        expected = self.expected(now_s)
        offset = (counter - expected + WRAP // 2) % WRAP - WRAP // 2
        value = max(expected + offset, counter)
        if value > self._newest:
            self._newest, self._seen_s = value, now_s
        return value

    def expected(self, now_s: float) -> int:
        """Return what the counter should be now, 0 when it was never heard."""
        if self._newest is None:
            return 0
        return self._newest + max(0, int((now_s - self._seen_s) * 1e6))

    def reset(self) -> None:
        """Begin anew: the radio restarted."""
        self._newest = None
