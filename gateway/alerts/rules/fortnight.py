"""What each channel was like by the hour for a fortnight: the memory of rules that look at days.

A series is 360 hourly means in a ring that is addressed by the hour itself, so samples may come in
any order, and what is stored fills it again after a restart. 1.8 kB a channel, at most `MOST`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gateway.alerts.families import Family, family_of
from gateway.types import DERIVED, Channel, DevEui, DeviceInfo, Reading, ReadingKind

Floats = npt.NDArray[np.float64]
HOUR_S = 3600.0
DAY = 24
KEPT = 15 * DAY
REMEMBERED_DAYS_S = KEPT * HOUR_S
MOST = 4096
"""Channels that are remembered; the rules say nothing of one beyond them."""

_MOST_COUNTED = 255
_UNSEEN = frozenset({Family.LINK, Family.BATTERY, Family.VALVE})
_OTHERS = ("radio.", "device.", "location.")
_NOBODY: Mapping[DevEui, Hourly] = {}


@dataclass(slots=True)
class Hourly:
    """One channel of one device. `newest` is the hour (of the epoch) of its newest sample."""

    unit: str = ""
    newest: int = -1
    _means: array[float] = field(default_factory=lambda: array("f", [0.0]) * KEPT)
    _counts: array[int] = field(default_factory=lambda: array("B", [0]) * KEPT)

    def add(self, hour: int, value: float) -> None:
        """Take a sample of an hour; one that is older than the ring is left out."""
        if hour > self.newest:
            for passed in range(max(self.newest + 1, hour - KEPT + 1), hour + 1):
                self._counts[passed % KEPT] = 0
            self.newest = hour
        elif hour <= self.newest - KEPT:
            return
        at = hour % KEPT
        count = self._counts[at] = min(self._counts[at] + 1, _MOST_COUNTED)
        before = self._means[at] if count > 1 else value
        self._means[at] = before + (value - before) / count

    def until(self, hour: int, count: int) -> Floats:
        """Return `count` hourly means, the last one of `hour`; NaN where nothing was heard."""
        hours = np.arange(hour - count + 1, hour + 1)
        at = hours % KEPT
        means = np.frombuffer(self._means, np.float32)[at].astype(np.float64)
        seen = np.frombuffer(self._counts, np.uint8)[at] > 0
        known = seen & (hours <= self.newest) & (hours > self.newest - KEPT)
        return np.where(known, means, np.nan)


class Fortnight:
    """Every remembered series, by channel and then by device."""

    def __init__(self) -> None:
        self._series: dict[Channel, dict[DevEui, Hourly]] = {}
        self._count = 0

    def note(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Take one uplink's readings, whenever it was sent."""
        for reading in readings:
            if _is_remembered(reading):
                devices = self._series.setdefault(reading.channel, {})
                series = devices.get(device.dev_eui)
                if series is None:
                    if self._count >= MOST:
                        continue
                    self._count += 1
                    series = devices[device.dev_eui] = Hourly(reading.unit)
                series.add(int(reading.time_s // HOUR_S), float(reading.value))

    def of(self, channel: Channel) -> Mapping[DevEui, Hourly]:
        """Return the series of a channel by device."""
        return self._series.get(channel, _NOBODY)

    def get(self, dev_eui: DevEui, channel: Channel) -> Hourly | None:
        """Return one series, None when nothing is known of it."""
        return self._series.get(channel, _NOBODY).get(dev_eui)

    def channels(self) -> Iterator[Channel]:
        """Yield every channel that anybody has."""
        yield from self._series

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device."""
        for devices in self._series.values():
            self._count -= devices.pop(dev_eui, None) is not None


def _is_remembered(reading: Reading) -> bool:
    return (
        reading.kind is ReadingKind.NUMERIC
        and not isinstance(reading.value, str)
        and not reading.key.startswith(DERIVED)
        and not reading.channel.startswith(_OTHERS)
        and family_of(reading.channel) not in _UNSEEN
    )
