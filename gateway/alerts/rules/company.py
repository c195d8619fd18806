"""Devices of one profile that slow down together: a new interval is no silence.

Somebody sets several devices from 15 to 60 minutes. Those that speak again first show it, each by
one interval of several times its usual one; the others are then given time for the like. While
nobody of a few has spoken again, and all are late, the first to be overdue is given a little.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from gateway.alerts.rules.rhythm import Rhythm
from gateway.types import DevEui, DeviceInfo

_ASKED = 64
_AT_MOST = 3.0
"""Times a device's own limit: a longer pause of others was an outage, not their rhythm."""

_FEW = 3
"""So many others at most: more that are late together are an outage, and told as one."""

_LATE = 2.5
_MISSED = 2.0
"""Usual intervals after which others' words say what has become of them all since."""

_A_LITTLE = 1.25
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

    def wait_s(
        self, dev_eui: DevEui, limit_s: float, rhythms: Mapping[DevEui, Rhythm], now_s: float
    ) -> float:
        """Return how long a device may be silent since others slowed down; 0 when they did not.

        At least half of those of its profile heard since it was missed must have done so.
        """
        own = rhythms[dev_eui]
        if own.last_s is None:
            return 0.0
        missed_s = own.last_s + _MISSED * own.usual_s
        alike = self._alike.get(self._profile.get(dev_eui, ""), {})
        others = [
            rhythms[one] for one in islice(alike, _ASKED) if one != dev_eui and one in rhythms
        ]
        heard = [one for one in others if one.last_s is not None and one.last_s > missed_s]
        slowed = [
            one.slowed_s for one in heard
            if one.slowed_at_s > missed_s and one.slowed_s <= _AT_MOST * limit_s
        ]  # fmt: skip
        if not heard and 0 < len(others) <= _FEW and all(_is_late(one, now_s) for one in others):
            return _A_LITTLE * limit_s
        if not slowed or 2 * len(slowed) < len(heard):
            return 0.0
        return min(_ROOM * max(slowed), _AT_MOST * limit_s)


def _is_late(rhythm: Rhythm, now_s: float) -> bool:
    last_s = rhythm.last_s
    return last_s is not None and now_s - last_s >= _LATE * rhythm.usual_s > 0
