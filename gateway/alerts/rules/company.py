"""Devices of one profile that slow down together: a new interval is no silence.

Somebody sets several devices from 15 to 60 minutes. Those that speak again first show it, each by
one interval of several times its usual one; the others are then given time for the like.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from gateway.alerts.rules.rhythm import Rhythm
from gateway.types import DevEui, DeviceInfo

_ASKED = 64
_AT_MOST = 3.0
"""Times a device's own limit: a longer pause of others was an outage, not their rhythm."""

_ROOM = 2.2
"""One lost message of the new rhythm is forgiven."""


class Company:
    """Which devices are of one profile."""

    def __init__(self) -> None:
        self._profile: dict[DevEui, str] = {}
        self._alike: dict[str, dict[DevEui, None]] = {}

    def know(self, device: DeviceInfo) -> None:
        """Learn a device's profile."""
        profile = device.profile or device.profile_id
        if self._profile.get(device.dev_eui) == profile:
            return
        self.forget(device.dev_eui)
        self._profile[device.dev_eui] = profile
        if profile:
            self._alike.setdefault(profile, {})[device.dev_eui] = None

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device."""
        alike = self._alike.get(self._profile.pop(dev_eui, ""), {})
        alike.pop(dev_eui, None)

    def wait_s(self, dev_eui: DevEui, limit_s: float, rhythms: Mapping[DevEui, Rhythm]) -> float:
        """Return how long a device may be silent since others slowed down; 0 when they did not.

        At least half of those of its profile that were heard after it must have done so.
        """
        last_s = rhythms[dev_eui].last_s
        if last_s is None:
            return 0.0
        alike = self._alike.get(self._profile.get(dev_eui, ""), {})
        others = [
            rhythms[one] for one in islice(alike, _ASKED) if one != dev_eui and one in rhythms
        ]
        heard = [one for one in others if one.last_s is not None and one.last_s > last_s]
        slowed = [
            one.slowed_s for one in heard
            if one.slowed_at_s > last_s and one.slowed_s <= _AT_MOST * limit_s
        ]  # fmt: skip
        if not slowed or 2 * len(slowed) < len(heard):
            return 0.0
        return min(_ROOM * max(slowed), _AT_MOST * limit_s)
