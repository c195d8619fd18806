"""From 16 bits on air to a 32-bit frame counter, and what that counter may be.

The MIC is computed over all 32 bits, so it tells which of a few candidates is right; where the
candidate stands beside the newest counter then says whether the frame is new, repeated, old or too
far ahead.
"""

from __future__ import annotations

from enum import Enum

from gateway.codecs.lorawan.frames import MAX_F_CNT

MAX_GAP = 16_384
"""MAX_FCNT_GAP: so many frames may be lost in a row (LoRaWAN 1.0.3, section 4.3.1.5)."""

_TURN = 1 << 16


class Standing(Enum):
    """Where a counter stands beside the newest accepted one."""

    NEW = "new"
    SAME = "same"
    OLD = "old"
    FAR = "far"


def candidates(
    newest: int | None, on_air: int, *, from_zero: bool
) -> tuple[tuple[int, Standing], ...]:
    """Return every counter these 16 bits may mean, the likeliest first.

    `newest` is None before a session's first frame: then a device that starts `from_zero` (it has
    just joined) is held to MAX_GAP, and any other may be anywhere in its first 65536 frames.
    """
    if newest is None:
        far = from_zero and on_air > MAX_GAP
        return ((on_air, Standing.FAR if far else Standing.NEW),)
    ahead = (on_air - newest) % _TURN
    if ahead == 0:
        found = [(newest, Standing.SAME), (newest + _TURN, Standing.FAR)]
    else:
        near = Standing.NEW if ahead <= MAX_GAP else Standing.FAR
        found = [(newest + ahead, near), (newest + ahead - _TURN, Standing.OLD)]
    if on_air < newest - _TURN:  # a device that starts again starts at 0
        found.append((on_air, Standing.OLD))
    return tuple((f_cnt, place) for f_cnt, place in found if 0 <= f_cnt <= MAX_F_CNT)
