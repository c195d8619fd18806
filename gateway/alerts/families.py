"""What a channel is about, told from its name: the key to causes and explanations."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

from gateway.speech.channels import words_of as words_of  # noqa: PLC0414 - known here too
from gateway.types import Channel


class Family(StrEnum):
    """Channels that go wrong in the same ways and are explained by the same things."""

    LINK = "link"
    BATTERY = "battery"
    VALVE = "valve"
    RAIN = "rain"
    FLOW = "flow"
    CURRENT = "current"
    DISTANCE = "distance"
    WATER_LEVEL = "water_level"
    MOISTURE = "moisture"
    SOIL = "soil"
    TEMPERATURE = "temperature"
    OTHER = "other"


# The first pattern found decides, so the particular stands before the general.
_PATTERNS: tuple[tuple[Family, re.Pattern[str]], ...] = tuple(
    (family, re.compile(pattern))
    for family, pattern in (
        (Family.LINK, r"^radio\.|(^|[._])(rssi|snr)\b"),
        (Family.BATTERY, r"batt?(ery|\b|_?v\b)"),
        (Family.VALVE, r"valve|irrigat|sprinkler"),
        (Family.RAIN, r"(?<![a-z])rain|precip"),
        (Family.FLOW, r"(?<!over)flow"),
        (Family.CURRENT, r"current|amps?\b|(^|[._])power\b"),
        (Family.MOISTURE, r"moisture|vwc|water_?content|water_?soil"),
        (Family.DISTANCE, r"distance|ullage"),
        (Family.SOIL, r"soil|substrate"),
        (Family.TEMPERATURE, r"temp"),
        (Family.WATER_LEVEL, r"(tank|water|liquid|fill).*(level|depth|height)|^(level|depth)\b"),
    )
)  # fmt: skip


@lru_cache(maxsize=4096)
def family_of(channel: Channel) -> Family:
    """Return the family of a channel name; an unknown name is OTHER."""
    name = str(channel).lower()
    return next((family for family, pattern in _PATTERNS if pattern.search(name)), Family.OTHER)
