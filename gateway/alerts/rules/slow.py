"""Quantities that cannot jump: what a rule may say of them before any model knows the channel.

The figures are how much of a change between two messages is beyond what weather and soil do. They
are wide on purpose: a model that knows the channel finds the finer things.
"""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.types import Channel, Reading, ReadingKind

_JUMPS = tuple(
    (re.compile(pattern), jump)
    for pattern, jump in (
        (r"^soil\.temperature", 5.0),
        (r"^water\.temperature", 6.0),
        (r"^air\.temperature|^temperature", 10.0),
        (r"^air\.relativehumidity|^humidity", 30.0),
        (r"^soil\.moisture", 8.0),
        (r"^air\.pressure", 15.0),
    )
)


@lru_cache(maxsize=4096)
def jump_of(channel: Channel) -> float | None:
    """Return the least change that no weather makes at once, None for a channel that may jump."""
    name = str(channel).lower()
    return next((jump for pattern, jump in _JUMPS if pattern.search(name)), None)


def is_slow(reading: Reading) -> bool:
    """Say whether a reading is a number of a quantity that cannot jump."""
    numeric = reading.kind is ReadingKind.NUMERIC and not isinstance(reading.value, str)
    return numeric and jump_of(reading.channel) is not None
