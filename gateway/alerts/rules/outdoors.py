"""Which devices stand outdoors, as far as anybody said or their channels tell.

In this order: the setting `outdoors`; a tag of that name, or one that says where it stands; wind,
rain or sunshine among its channels; words in its area, its name or its profile. Otherwise nobody
knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gateway.alerts.causes.likeness import theme_of
from gateway.config import DeviceConfig
from gateway.types import DevEui, DeviceInfo, Reading

_TAGS = ("outdoors", "outdoor", "environment", "placement", "location", "exposure")
_YES = frozenset({"outdoors", "outdoor", "outside", "field", "true", "yes", "1", "室外", "露天"})
_NO = frozenset({"indoors", "indoor", "inside", "false", "no", "0", "室内"})
_SKY = frozenset({"wind", "rain"})
"""Themes of channels that only the open sky gives; light is there under a roof as well."""

_INSIDE_WORDS = re.compile(
    r"indoor|inside|green ?house|glass ?house|poly ?tunnel|\bhouse\b|barn|stable|\bstall|cold|"
    r"fridge|freez|cool(er|ing)|store|storage|office|room|school|class|kitchen|cellar|\bhall\b|"
    r"shop|cabinet|server|silo|incubator|室内|温室|大棚|冷库|仓"
)
_OUTSIDE_WORDS = re.compile(r"weather|outdoor|outside|orchard|vineyard|meadow|室外|气象|果园|田")


class Outdoors:
    """Remembers of each device what its channels tell; bounded by the devices."""

    def __init__(self, devices: Mapping[str, DeviceConfig]) -> None:
        self._configured = {DevEui(eui): one.outdoors for eui, one in devices.items()}
        self._areas = {DevEui(eui): one.area for eui, one in devices.items()}
        self._under_sky: set[DevEui] = set()
        self._guessed: dict[DevEui, bool | None] = {}

    def note(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from one uplink of a device."""
        if any(theme_of(reading.channel) in _SKY for reading in readings):
            self._under_sky.add(device.dev_eui)
        self._guessed[device.dev_eui] = _of_tags(device.tags, self._words(device))

    def said(self, dev_eui: DevEui) -> bool | None:
        """Say whether a device stands outdoors; None when nobody knows."""
        configured = self._configured.get(dev_eui)
        if configured is not None:
            return configured
        guessed = self._guessed.get(dev_eui)
        return True if guessed is None and dev_eui in self._under_sky else guessed

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device."""
        self._under_sky.discard(dev_eui)
        self._guessed.pop(dev_eui, None)

    def _words(self, device: DeviceInfo) -> str:
        area = self._areas.get(device.dev_eui, "")
        return f"{area} {device.name} {device.profile}".lower()


def _of_tags(tags: Mapping[str, str], words: str) -> bool | None:
    for name, value in tags.items():
        if name.lower() in _TAGS:
            said = value.strip().lower()
            if said in _YES or said in _NO:
                return said in _YES
    if _INSIDE_WORDS.search(words):
        return False
    return True if _OUTSIDE_WORDS.search(words) else None
