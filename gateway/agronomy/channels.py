"""What is looked for in a device's readings, and how what is derived becomes a reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.types import DERIVED, Channel, DevEui, Reading, ReadingKind, Scalar

MOST_DAYS = 99.0
"""What is told of a day that nobody can see yet."""

_DECIMALS = 3
_BEYOND = 1e15


def as_told(value: float) -> float:
    """Return a figure with the decimals it is told and stored with."""
    return round(float(value), _DECIMALS)


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one device at one time."""

    dev_eui: DevEui
    time_s: float

    def number(self, channel: str, value: float, unit: str, source: str) -> Reading:
        """Return a figure, to three decimals; `source` names the formula."""
        return self._reading(channel, as_told(value), unit, ReadingKind.NUMERIC, source)

    def word(self, channel: str, value: str, source: str) -> Reading:
        """Return one word of a few."""
        return self._reading(channel, value, "", ReadingKind.ENUM, source)

    def _reading(
        self, channel: str, value: Scalar, unit: str, kind: ReadingKind, source: str
    ) -> Reading:
        return Reading(
            self.dev_eui, Channel(channel), value, unit, kind, self.time_s, DERIVED + source
        )


def is_derived(reading: Reading) -> bool:
    """Tell whether a reading was made here."""
    return reading.key.startswith(DERIVED)


def figure(reading: Reading) -> float | None:
    """Return a measured number, None for anything else and for what no instrument shows."""
    if reading.kind not in {ReadingKind.NUMERIC, ReadingKind.COUNTER}:
        return None
    value = reading.value
    if isinstance(value, str | bool) or not -_BEYOND < value < _BEYOND:
        return None
    return float(value)


def find(readings: Sequence[Reading], channel: str, unit: str) -> float | None:
    """Return the number of a channel in its own unit, None when it is not there."""
    for reading in readings:
        if reading.channel == channel and reading.unit == unit:
            return figure(reading)
    return None
