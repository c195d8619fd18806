"""How well a device is heard: margin to the demodulation floor, and loss from counter gaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from gateway.errors import BadInput

DEMODULATION_FLOOR_DB: Mapping[int, float] = {
    6: -5.0,
    7: -7.5,
    8: -10.0,
    9: -12.5,
    10: -15.0,
    11: -17.5,
    12: -20.0,
}
"""The least SNR a LoRa demodulator needs, by spreading factor (SX1276 datasheet, table 13)."""


def link_margin_db(snr_db: float, spreading_factor: int) -> float:
    """Return how far a packet was above the floor; below 0 it was luck.

    Raises
    ------
    BadInput
        `out_of_range`: no LoRa spreading factor.

    """
    floor_db = DEMODULATION_FLOOR_DB.get(spreading_factor)
    if floor_db is None:
        raise BadInput("out_of_range", f"spreading factor {spreading_factor}")
    return snr_db - floor_db


class LossWindow:
    """Of the newest `frames` that a device sent, how many were not heard, by its counter.

    Repeated and older counters count for nothing; when the counter starts again, `restart` must be
    called. Memory is bounded by `frames`.
    """

    def __init__(self, frames: int = 100) -> None:
        if frames < 1:
            raise ValueError("a window has at least one frame")
        self._frames = frames
        self._heard: deque[int] = deque()

    def add(self, f_cnt: int) -> int:
        """Take a heard frame's full counter; return how many were missed since the last."""
        missed = f_cnt - self._heard[-1] - 1 if self._heard else 0
        if missed < 0:
            return 0
        self._heard.append(f_cnt)
        while self._heard[0] <= f_cnt - self._frames:
            self._heard.popleft()
        return missed

    def restart(self) -> None:
        """Forget: the device joined again, or its counter was reset."""
        self._heard.clear()

    @property
    def sent(self) -> int:
        """Return how many frames the device sent in the window."""
        return self._heard[-1] - self._heard[0] + 1 if self._heard else 0

    @property
    def loss(self) -> float | None:
        """Return the share that was not heard, 0 to 1; None before two frames were sent."""
        if self.sent < 2:  # noqa: PLR2004 - one frame alone tells nothing of loss
            return None
        return 1.0 - len(self._heard) / self.sent
