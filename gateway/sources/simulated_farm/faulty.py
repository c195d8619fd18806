"""What a scripted fault does to a sensor's measurement, between the world and the payload."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from gateway.sources.simulated_farm.devices import Measured
from gateway.sources.simulated_farm.faults import Fault
from gateway.sources.simulated_farm.weather import DAY_S

SPIKES = 0.65
"""Share of the samples that a loose contact throws off."""


class FaultyProbe:
    """One device's sensor with its scripted faults; whole where none is active.

    `random` is the sensor's own noise, so that a fault changes no other device.
    """

    def __init__(self, faults: Sequence[Fault], random: Random) -> None:
        self._faults = tuple(faults)
        self.random = random
        self._held: Measured = {}

    def silent(self, time_s: float) -> bool:
        """Whether the device says nothing."""
        return any(f.kind == "silence" and f.active(time_s) for f in self._faults)

    def spoil(self, measured: Measured, time_s: float) -> Measured:
        """Return what the broken sensor says instead of `measured`."""
        spoilt = dict(measured)
        for fault in self._faults:
            if not fault.active(time_s):
                continue
            if fault.kind == "stuck":
                self._hold(spoilt)
            elif fault.kind == "drift":
                spoilt[fault.key] += fault.size * (time_s - fault.start_s) / DAY_S
            elif fault.kind == "noise":
                spoilt[fault.key] += self.random.gauss(0.0, fault.size)
            elif fault.kind == "spike" and self.random.random() < SPIKES:
                spoilt[fault.key] += fault.size * self.random.choice((-1.0, 1.0))
        return spoilt

    def _hold(self, measured: Measured) -> None:
        """Freeze all but the battery, which is measured elsewhere."""
        for key in measured:
            if key != "BatV":
                measured[key] = self._held.setdefault(key, measured[key])
