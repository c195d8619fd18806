"""Faults as the script names them: of a sensor, of a pipe, of the tank."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sources.simulated_farm.weather import HOUR_S

GRACE_S = 12 * HOUR_S
MODEL_KINDS = ("spike", "stuck", "drift", "noise", "level", "rise", "fall", "leak", "dropout")
"""What a model alert may be called: the shape is its guess, the device and time are what counts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault of one device.

    `key` is the measured quantity that goes wrong ("*" for all), `size` the fault's own measure:
    units per day of a drift, standard deviation of noise, height of spikes. `channels` is what the
    gateway calls it, empty when the kind of alert says enough; `causes` are the right ones.
    `early_s` is how long before the start the cause can already be seen, `linger_s` how long after
    the end elsewhere.
    """

    kind: str
    device: str
    key: str
    start_s: float
    end_s: float
    size: float = 0.0
    channels: tuple[str, ...] = ()
    alert_kinds: tuple[str, ...] = MODEL_KINDS
    causes: tuple[str, ...] = ("sensor",)
    also: tuple[str, ...] = ()
    grace_s: float = GRACE_S
    early_s: float = 0.0
    linger_s: float = GRACE_S

    def active(self, time_s: float) -> bool:
        """Whether the fault acts at `time_s`."""
        return self.start_s <= time_s < self.end_s


@dataclass(frozen=True, slots=True)
class PipeLeak:
    """A cracked drip line: it wets the ground of a field without any irrigation."""

    field: str
    start_s: float
    end_s: float
    mm_h: float

    def flows(self, time_s: float) -> bool:
        """Whether water is lost at `time_s`."""
        return self.start_s <= time_s < self.end_s


@dataclass(frozen=True, slots=True)
class TankLeak:
    """A loose fitting below the tank's water line."""

    start_s: float
    end_s: float
    l_h: float

    def flows(self, time_s: float) -> bool:
        """Whether water is lost at `time_s`."""
        return self.start_s <= time_s < self.end_s
