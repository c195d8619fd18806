"""What explains water: who irrigates, whether it rains, and so which changes are no trouble.

All devices of the gateway are one site. Evidence is taken from the readings themselves:

- rain: a rain channel that is above 0 and has changed (a day's total that stands still is no rain);
- irrigation: an open valve; where the site has no valve sensors, a flow above 0; where it has
  neither, a running pump;
- pump: a pump's own state, or a current above 0.5 A of a device that calls itself a pump.

Two devices whose configured `area` differs do not explain each other, except by rain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.alerts.families import Family, family_of
from gateway.types import DERIVED, Channel, DevEui, DeviceInfo, Reading, ReadingKind, Scalar

_HOUR_S = 3600.0
WET_AFTER_IRRIGATION_S = 6 * _HOUR_S
WET_AFTER_RAIN_S = (
    12 * _HOUR_S
)  # a step without rain in the last 12 h is a fault (USDA forest soil)
DRY_DOWN_S = 24 * _HOUR_S
FLOW_AFTER_S = 1 * _HOUR_S
_PUMP_RUNS_A = 0.5
_ON_WORDS = frozenset({"open", "opened", "opening", "on", "running", "true", "active", "1", "yes"})
_WATERED = frozenset({Family.MOISTURE, Family.SOIL})
_STORED = frozenset({Family.DISTANCE, Family.WATER_LEVEL})
_DRIVEN = frozenset({Family.FLOW, Family.CURRENT})
_NEVER_WATER = frozenset({"stuck", "noise"})


@dataclass(slots=True)
class _Actor:
    """What one device has told of water: when it last ran, by the kind of evidence."""

    name: str
    area: str
    last_s: dict[str, float] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)


class WaterLedger:
    """Remembers, per device, when water last flowed because of it; bounded by the devices."""

    def __init__(self, areas: Mapping[str, str]) -> None:
        self._areas = areas
        self._actors: dict[DevEui, _Actor] = {}
        self._before: dict[tuple[DevEui, Channel], float] = {}

    def note(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from one device's readings; late ones count too, for they only explain."""
        for reading in readings:
            if reading.key.startswith(DERIVED):
                continue  # advice to irrigate is no irrigation
            evidence = self._evidence(device, reading)
            if evidence is None:
                continue
            kind, runs = evidence
            actor = self._actors.setdefault(
                device.dev_eui,
                _Actor(device.name or device.dev_eui, self._areas.get(device.dev_eui, "")),
            )
            actor.kinds.add(kind)
            if runs:
                actor.last_s[kind] = max(actor.last_s.get(kind, reading.time_s), reading.time_s)

    @property
    def is_told(self) -> bool:
        """Whether any device of the site would tell of water: a gauge, a valve, a meter, a pump."""
        return any(actor.kinds for actor in self._actors.values())

    def forget(self, dev_eui: DevEui) -> None:
        """Drop what a device has told."""
        self._actors.pop(dev_eui, None)
        for key in [key for key in self._before if key[0] == dev_eui]:
            del self._before[key]

    def explains(
        self, dev_eui: DevEui, channel: Channel, pattern: str, *, up: bool | None, time_s: float
    ) -> bool:
        """Say whether rain, irrigation or a pump accounts for a change of this channel."""
        family = family_of(channel)
        if pattern in _NEVER_WATER:
            return False
        if family in _WATERED:
            if up is False:
                return self._watered(dev_eui, time_s, DRY_DOWN_S, DRY_DOWN_S)
            return self._watered(dev_eui, time_s, WET_AFTER_IRRIGATION_S, WET_AFTER_RAIN_S)
        if family in _STORED:
            gains = up is (family is Family.WATER_LEVEL)
            rain_s = WET_AFTER_RAIN_S if gains else 0.0
            return self._watered(dev_eui, time_s, FLOW_AFTER_S, rain_s) or (
                gains and self._ran("pump", dev_eui, time_s, FLOW_AFTER_S)
            )
        return family in _DRIVEN and self._watered(dev_eui, time_s, FLOW_AFTER_S, 0.0)

    def valve_near(self, dev_eui: DevEui) -> str:
        """Return the name of the only valve that can water this device, "" when there are more."""
        names = [
            actor.name
            for eui, actor in self._actors.items()
            if "valve" in actor.kinds and self._together(eui, dev_eui)
        ]
        return names[0] if len(names) == 1 else ""

    def _watered(self, dev_eui: DevEui, time_s: float, irrigated_s: float, rain_s: float) -> bool:
        if rain_s and self._ran("rain", dev_eui, time_s, rain_s):
            return True
        known = {kind for actor in self._actors.values() for kind in actor.kinds}
        best = next((kind for kind in ("valve", "flow", "pump") if kind in known), None)
        return best is not None and self._ran(best, dev_eui, time_s, irrigated_s)

    def _ran(self, kind: str, dev_eui: DevEui, time_s: float, within_s: float) -> bool:
        # Evidence of a little later counts as well: a valve may report after the soil does.
        return any(
            actor.last_s[kind] >= time_s - within_s
            for eui, actor in self._actors.items()
            if kind in actor.last_s and (kind == "rain" or self._together(eui, dev_eui))
        )

    def _together(self, one: DevEui, other: DevEui) -> bool:
        areas = {self._areas.get(one, ""), self._areas.get(other, "")} - {""}
        return len(areas) < 2  # noqa: PLR2004 - two named areas are two places

    def _evidence(self, device: DeviceInfo, reading: Reading) -> tuple[str, bool] | None:
        family, name = family_of(reading.channel), str(reading.channel).lower()
        counts = reading.kind is ReadingKind.COUNTER
        if family is Family.RAIN:
            return "rain", self._grew(reading, first=not counts)
        if family is Family.FLOW:
            return "flow", self._grew(reading, first=False) if counts else _is_on(reading.value)
        if family is Family.VALVE:
            return "valve", _is_on(reading.value)
        if family is Family.CURRENT and "pump" in f"{name} {device.name} {device.profile}".lower():
            return "pump", isinstance(reading.value, int | float) and reading.value > _PUMP_RUNS_A
        if family is Family.OTHER and "pump" in name:
            return "pump", _is_on(reading.value)
        return None

    def _grew(self, reading: Reading, *, first: bool) -> bool:
        if isinstance(reading.value, str):
            return _is_on(reading.value)
        key = (reading.dev_eui, reading.channel)
        before = self._before.get(key)
        self._before[key] = float(reading.value)
        if before is None:
            return first and reading.value > 0
        if reading.kind is ReadingKind.COUNTER:
            return reading.value > before
        return reading.value > 0 and reading.value != before


def _is_on(value: Scalar) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _ON_WORDS
    return value > 0
