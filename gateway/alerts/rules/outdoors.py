"""Which devices stand outdoors, as far as anybody said or their channels tell.

In this order: the setting `outdoors`; a tag of that name, or one that says where it stands; wind,
rain or sunshine among its channels; words in its area, its name or its profile. Otherwise nobody
knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from gateway.alerts.causes.likeness import theme_of
from gateway.config import DeviceConfig
from gateway.types import DevEui, DeviceInfo, Reading

_TAGS = ("outdoors", "outdoor", "environment", "placement", "location", "exposure")
_YES = frozenset({"outdoors", "outdoor", "outside", "field", "true", "yes", "1", "室外", "露天"})
_NO = frozenset({"indoors", "indoor", "inside", "false", "no", "0", "室内"})
_SKY = frozenset({"wind", "rain"})
"""Themes of channels that only the open sky gives; light is there under a roof as well."""

_INSIDE_WORDS = re.compile(
    r"\b(in(door|side)s?|green ?house|glass ?house|poly ?tunnel|house|barn|stable|stall|"
    r"cold[ -]?(store|storage|room)|fridge|refrigerator|freezer|cooler|store|storage|office|"
    r"room|class|classroom|kitchen|cellar|hall|shop|workshop|cabinet|server|silo|incubator)\b|"
    r"室内|温室|大棚|冷库|仓库"
)
_OUTSIDE_WORDS = re.compile(
    r"\b(weather|outdoors?|outside|orchard|vineyard|meadow)\b|室外|气象|果园|田间"
)


class Outdoors:
    """Remembers of each device what its channels tell; bounded by the devices."""

    def __init__(self, devices: Mapping[str, DeviceConfig]) -> None:
        self._configured = {DevEui(eui): one.outdoors for eui, one in devices.items()}
        self._areas = {DevEui(eui): one.area for eui, one in devices.items()}
        self._under_sky: set[DevEui] = set()
        self._tagged: dict[DevEui, bool | None] = {}
        self._worded: dict[DevEui, bool | None] = {}

    def note(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from one uplink of a device."""
        if any(theme_of(reading.channel) in _SKY for reading in readings):
            self._under_sky.add(device.dev_eui)
        self._tagged[device.dev_eui] = _of_tags(device.tags)
        self._worded[device.dev_eui] = _of_words(self._words(device))

    def said(self, dev_eui: DevEui) -> bool | None:
        """Say whether a device stands outdoors; None when nobody knows."""
        configured = self._configured.get(dev_eui)
        if configured is not None:
            return configured
        tagged = self._tagged.get(dev_eui)
        if tagged is not None:
            return tagged
        return True if dev_eui in self._under_sky else self._worded.get(dev_eui)

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device."""
        self._under_sky.discard(dev_eui)
        self._tagged.pop(dev_eui, None)
        self._worded.pop(dev_eui, None)

    def _words(self, device: DeviceInfo) -> str:
        area = self._areas.get(device.dev_eui, "")
        return f"{area} {device.name} {device.profile}".lower()


def _of_tags(tags: Mapping[str, str]) -> bool | None:
    for name, value in tags.items():
        said = value.strip().lower()
        if name.lower() in _TAGS and (said in _YES or said in _NO):
            return said in _YES
    return None


@lru_cache(maxsize=4096)
def _of_words(words: str) -> bool | None:
    if _INSIDE_WORDS.search(words):
        return False
    return True if _OUTSIDE_WORDS.search(words) else None
