"""Who stands beside whom: by configuration, by tags on the network server, or by what was learned.

Places go before what was learned where they say yes; where two fields differ, or nothing is known
of one of them, the hourly means decide: fields that go together are one weather, and a cold store
is not the field beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.alerts.causes.hours import HOUR_S, Hours, Likeness
from gateway.config import DeviceConfig
from gateway.types import Channel, DevEui, DeviceInfo

WITNESSES = 8
_GO_TOGETHER = 0.7
_GO_APART = 0.3
_DAY_HOURS = 24
_FIELD_TAGS = ("field", "area", "zone", "plot", "block", "room", "greenhouse", "house")
_SITE_TAGS = ("site", "farm", "location")
_DEPTH_TAGS = ("depth_cm", "depth")
_KEPT = 1024
_ANEW_S = 6 * HOUR_S
_TROUBLE_S = 3 * HOUR_S
"""What came so shortly before a moment may be the trouble itself, so it is no measure of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device stands, as far as anybody said; "" is unknown."""

    site: str = ""
    field: str = ""
    depth: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """A neighbour that has the same channel, and how the two usually compare."""

    dev_eui: DevEui
    likeness: Likeness


class Neighbours:
    """Places of devices, and their learned likeness. Bounded by the devices and `WITNESSES`."""

    def __init__(self, devices: Mapping[str, DeviceConfig]) -> None:
        self.hours = Hours()
        self._configured = {
            DevEui(eui): Place(
                one.site, one.area, "" if one.depth_cm is None else f"{one.depth_cm:g}"
            )
            for eui, one in devices.items()
        }
        self._places = dict(self._configured)
        self._profiles: dict[DevEui, str] = {}
        self._tags: dict[DevEui, Mapping[str, str]] = {}
        self._witnesses: dict[tuple[DevEui, Channel], tuple[float, tuple[Witness, ...]]] = {}

    def know(self, device: DeviceInfo) -> None:
        """Learn a device's profile and its tags; what is configured goes before them."""
        dev_eui = device.dev_eui
        if self._tags.get(dev_eui) is device.tags and dev_eui in self._profiles:
            return
        self._tags[dev_eui] = device.tags
        self._profiles[dev_eui] = device.profile or device.profile_id
        said = self._configured.get(dev_eui, Place())
        tags = {name.lower(): value.strip() for name, value in device.tags.items()}
        self._places[dev_eui] = Place(
            said.site or _first(tags, _SITE_TAGS),
            said.field or _first(tags, _FIELD_TAGS),
            said.depth or _first(tags, _DEPTH_TAGS).lower().removesuffix("cm").strip(),
        )

    def place(self, dev_eui: DevEui) -> Place:
        """Return where a device stands."""
        return self._places.get(dev_eui, Place())

    def profile(self, dev_eui: DevEui) -> str:
        """Return the name of a device's profile, "" when it is not known."""
        return self._profiles.get(dev_eui, "")

    def forget(self, dev_eui: DevEui) -> None:
        """Drop what was learned of a device."""
        self.hours.forget(dev_eui)
        self._places.pop(dev_eui, None)
        self._tags.pop(dev_eui, None)
        self._profiles.pop(dev_eui, None)
        for key, (_, found) in list(self._witnesses.items()):
            if key[0] == dev_eui or any(one.dev_eui == dev_eui for one in found):
                del self._witnesses[key]

    def together(self, one: DevEui, other: DevEui, channel: Channel, time_s: float) -> bool | None:
        """Say whether two devices share what happens to this channel; None when nobody knows."""
        here, there = self.place(one), self.place(other)
        if here.site and there.site and here.site != there.site:
            return False
        if here.field and here.field == there.field:
            return True
        likeness = self.hours.compare(one, other, channel, time_s - _TROUBLE_S)
        if likeness is not None and likeness.correlation is not None:
            if likeness.correlation >= _GO_TOGETHER:
                return True
            if likeness.correlation < _GO_APART and likeness.hours >= _DAY_HOURS:
                return False
        return False if here.field and there.field else None

    def witnesses(self, dev_eui: DevEui, channel: Channel, time_s: float) -> tuple[Witness, ...]:
        """Return the neighbours that usually go with this channel, the closest first."""
        key = (dev_eui, channel)
        known = self._witnesses.get(key)
        if known is not None and 0 <= time_s - known[0] < _ANEW_S:
            return known[1]
        if len(self._witnesses) >= _KEPT:
            self._witnesses.clear()
        found = self._find(dev_eui, channel, time_s)
        self._witnesses[key] = time_s, found
        return found

    def _find(self, dev_eui: DevEui, channel: Channel, time_s: float) -> tuple[Witness, ...]:
        found = []
        for other in self.hours.of(channel):
            if other == dev_eui or self._other_depth(dev_eui, other):
                continue
            if not self.together(dev_eui, other, channel, time_s):
                continue
            likeness = self.hours.compare(dev_eui, other, channel, time_s - _TROUBLE_S)
            if likeness is not None:
                found.append(Witness(other, likeness))
        return tuple(sorted(found, key=lambda one: one.likeness.spread)[:WITNESSES])

    def _other_depth(self, one: DevEui, other: DevEui) -> bool:
        depths = {self.place(one).depth, self.place(other).depth} - {""}
        return len(depths) > 1


def _first(tags: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((tags[name] for name in names if tags.get(name)), "")
