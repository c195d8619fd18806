"""Values of several devices side by side: their mean, and the mean of the others."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gateway.alerts.written.conditions import MOST
from gateway.types import DevEui


@dataclass(slots=True)
class Pool:
    """The newest value of each device, the one told longest ago first."""

    fresh_s: float
    values: dict[DevEui, tuple[float, float]] = field(default_factory=dict)

    def put(self, dev_eui: DevEui, time_s: float, value: float) -> None:
        """Take a value; one that is older than what is known changes nothing."""
        if not -MOST < value < MOST:
            return
        known = self.values.get(dev_eui)
        if known is not None and known[0] > time_s:
            return
        self.values.pop(dev_eui, None)
        self.values[dev_eui] = time_s, float(value)

    def newest(self, dev_eui: DevEui, now_s: float) -> float | None:
        """Return one device's value, None when it is unknown or too old."""
        known = self.values.get(dev_eui)
        return known[1] if known is not None and now_s - known[0] <= self.fresh_s else None

    def mean(self, now_s: float, but: DevEui | None = None) -> float | None:
        """Return the mean of the values that are fresh, without one device's; None of none.

        Summed exactly, so the order in which devices spoke does not matter.
        """
        since_s = now_s - self.fresh_s
        fresh = [
            value
            for dev_eui, (time_s, value) in self.values.items()
            if time_s >= since_s and dev_eui != but
        ]
        return math.fsum(fresh) / len(fresh) if fresh else None

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device."""
        self.values.pop(dev_eui, None)
