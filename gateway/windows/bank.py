"""One bounded ring of samples per channel, and a window cut from it for every fresh sample.

A window is anchored at its newest sample: slot i of a context of n lies (n - 1 - i) steps before
it. There is thus no grid that could get out of phase with a drifting sensor clock, no state
beside the samples themselves, and a channel restored from its newest `HISTORY` samples gives the
very windows it gave before.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gateway.types import Channel, DevEui, Warming, Window
from gateway.windows.interval import NEWEST_INTERVALS, learn_step
from gateway.windows.ring import Place, Ring

CONTEXT = 512
WARM_SAMPLES = 64
_SPARE = 1.0625
"""Samples kept beyond the context, as a factor: some share a slot when the step snaps upward."""


class WindowBank:
    """Cuts windows. `history` is how many samples of a channel it needs to be as before a restart.

    `add` answers a fresh sample with a `Window`, or with `Warming` below `warm_samples`; a late or
    repeated one goes to its place among the others, is seen by later windows, and is answered with
    None: it is never judged afresh.
    """

    def __init__(self, context: int = CONTEXT, warm_samples: int = WARM_SAMPLES) -> None:
        self.context = context
        self.warm_samples = warm_samples
        self.history = max(math.ceil(context * _SPARE), warm_samples, NEWEST_INTERVALS + 1)
        self._rings: dict[DevEui, dict[Channel, Ring]] = {}

    def add(
        self, time_s: float, value: float, dev_eui: DevEui, channel: Channel
    ) -> Window | Warming | None:
        """Take one finite sample; return what there is to judge, None for a late or repeated one.

        Times only move on: a clock set back makes its samples late ones until it has caught up.
        """
        ring = self._ring(dev_eui, channel)
        before_s = ring.newest_s
        if ring.add(time_s, value) is not Place.NEWEST:
            return None
        if ring.samples < self.warm_samples:
            return Warming(dev_eui, channel, time_s, value, ring.samples, self.warm_samples)
        return self._window(ring, before_s, dev_eui, channel)

    def restore(
        self,
        dev_eui: DevEui,
        channel: Channel,
        times_s: npt.NDArray[np.float64],
        values: npt.NDArray[np.float64],
    ) -> Window | None:
        """Replace a channel's samples by stored ones; return the window of the newest of them."""
        ring = self._ring(dev_eui, channel)
        ring.fill(times_s, values)
        if ring.samples < self.warm_samples:
            return None
        before_s = float(ring.times_s[-2]) if len(ring) > 1 else -np.inf
        return self._window(ring, before_s, dev_eui, channel)

    def forget(self, dev_eui: DevEui) -> None:
        """Drop every channel of a device."""
        self._rings.pop(dev_eui, None)

    def __len__(self) -> int:
        return sum(len(channels) for channels in self._rings.values())

    def _ring(self, dev_eui: DevEui, channel: Channel) -> Ring:
        channels = self._rings.setdefault(dev_eui, {})
        if channel not in channels:
            channels[channel] = Ring(self.history)
        return channels[channel]

    def _window(self, ring: Ring, before_s: float, dev_eui: DevEui, channel: Channel) -> Window:
        times = ring.times_s
        end_s = float(times[-1])
        step_s = learn_step(times[-NEWEST_INTERVALS - 1 :].tolist())
        age = np.rint((end_s - times) * (1.0 / step_s))
        inside = int(np.searchsorted(-age, 1 - self.context))
        slots = (self.context - 1 - age[inside:]).astype(np.intp)
        values = np.zeros(self.context)
        mask = np.zeros(self.context, np.float32)
        values[slots] = ring.values[inside:]
        mask[slots] = 1.0
        gap = (end_s - before_s) / step_s
        return Window(
            dev_eui=dev_eui,
            channel=channel,
            end_s=end_s,
            step_s=step_s,
            values=values,
            mask=mask,
            observed=float(ring.values[-1]),
            samples=ring.samples,
            gap_steps=max(round(gap), 1) if math.isfinite(gap) else 1,
        )
