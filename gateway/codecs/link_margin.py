"""How well a device is heard: margin to the demodulation floor, and loss from counter gaps.

It stands outside `lorawan/`, whose ciphers cost megabytes that ChirpStack's users do without.
"""

from __future__ import annotations

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

    It begins with the oldest frame heard among them. A repeated counter counts for nothing, an
    older one fills its gap; when the counter starts again, `restart` must be called.
    """

    __slots__ = ("_frames", "_heard", "newest")

    def __init__(self, frames: int = 100) -> None:
        if frames < 1:
            raise ValueError("a window has at least one frame")
        self._frames = frames
        self._heard = 0  # bit n: the frame n before the newest was heard
        self.newest = -1

    def add(self, f_cnt: int) -> int:
        """Take a heard frame's full counter; return how many were missed since the newest."""
        step = f_cnt - self.newest
        if not self._heard or step >= self._frames:
            missed = step - 1 if self._heard else 0
            self._heard, self.newest = 1, f_cnt
            return missed
        if step > 0:
            self._heard = (self._heard << step | 1) & ((1 << self._frames) - 1)
            self.newest = f_cnt
            return step - 1
        if -step < self._frames:
            self._heard |= 1 << -step
        return 0

    def restart(self) -> None:
        """Forget: the device joined again, or its counter was reset."""
        self._heard, self.newest = 0, -1

    @property
    def sent(self) -> int:
        """Return how many frames the device sent in the window."""
        return self._heard.bit_length()

    @property
    def loss(self) -> float | None:
        """Return the share that was not heard, 0 to 1; None before two frames were sent."""
        if self.sent < 2:  # noqa: PLR2004 - one frame alone tells nothing of loss
            return None
        return 1.0 - self._heard.bit_count() / self.sent
