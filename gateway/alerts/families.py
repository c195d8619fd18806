"""What a channel is about, told from its name: the key to words, causes and explanations."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

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


_WORDS = {
    "soil.moisture": "soil moisture",
    "soil.temperature": "soil temperature",
    "soil.ec": "soil salinity",
    "soil.ph": "soil pH",
    "air.temperature": "air temperature",
    "air.relativehumidity": "air humidity",
    "air.co2": "CO₂",
    "air.pressure": "air pressure",
    "air.lightintensity": "light",
    "air.dewpoint": "dew point",
    "air.vpd": "vapour pressure deficit",
    "air.wetbulb": "wet bulb temperature",
    "air.heatindex": "heat index",
    "air.aqi.epa": "air quality index (US)",
    "air.aqi.europe": "air quality index (Europe)",
    "air.aqi.china": "air quality index (China)",
    "frost.probability": "the chance of frost",
    "frost.lowest": "the lowest temperature expected",
    "water.temperature": "water temperature",
    "radio.rssi": "signal strength",
    "radio.snr": "signal to noise ratio",
    "radio.link_margin": "margin above what can be heard",
    "radio.loss": "loss of messages",
    "device.battery_v": "battery voltage",
    "device.battery_percent": "battery charge",
}


def words_of(channel: Channel) -> str:
    """Return the channel's name as one would say it, with its number or depth where it has one."""
    name = str(channel)
    lower = name.lower()
    for known, words in _WORDS.items():
        if lower == known:
            return words
        if lower.startswith(known + "."):
            return f"{words} {name[len(known) + 1 :].replace('.', ' ')}"
    parts = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name)
    return re.sub(r"[._]+", " ", parts).strip() or name
