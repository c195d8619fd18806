"""Soil that was frozen: while it thaws it warms by jerks and reads wetter, and nothing is wrong.

Water that freezes or melts holds the soil at 0 °C for hours to days (the zero curtain); then it
warms at once. A probe reads ice as dry soil, so thawing soil reads wetter (ISMN flags such values
as frozen soil; Dorigo and others 2013, Vadose Zone Journal 12).
"""

from __future__ import annotations

import numpy as np

from gateway.alerts.rules.fortnight import DAY, HOUR_S, Floats, Fortnight
from gateway.types import Channel, DevEui

SOIL, AIR = Channel("soil.temperature"), Channel("air.temperature")
FROZEN_C, FROST_C = 1.0, 0.0
_THAWED_C = 6.0
_MELTS_H = 3 * DAY
_HELD_H = 3 * DAY


class Thaw:
    """Asks the fortnight whether soil has just been frozen."""

    def __init__(self, days: Fortnight) -> None:
        self._days = days

    def wets(self, dev_eui: DevEui, time_s: float) -> bool:
        """Say whether soil may get wet because it, or the snow on it, melts."""
        hour = int(time_s // HOUR_S)
        soil = self._days.get(dev_eui, SOIL)
        if soil is not None:
            return _reaches(soil.until(hour, DAY), FROZEN_C)
        return any(_reaches(air.until(hour, _MELTS_H), FROST_C)
                   for air in self._days.of(AIR).values())  # fmt: skip

    def warms(self, dev_eui: DevEui, channel: Channel, value: float, time_s: float) -> bool:
        """Say whether a soil temperature leaves the zero curtain."""
        series = self._days.get(dev_eui, channel)
        if series is None or not channel.startswith(SOIL) or value > _THAWED_C:
            return False
        return _reaches(series.until(int(time_s // HOUR_S), _HELD_H), FROZEN_C)


def _reaches(hours: Floats, limit: float) -> bool:
    known = hours[np.isfinite(hours)]
    return bool(known.size) and float(known.min()) <= limit
