"""The regions of `regions.toml`: channels, data rates, receive windows, bands.

A region answers what may be sent where; `duty.py` answers when.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from gateway.codecs.lorawan.crypto import Direction
from gateway.errors import BadInput

RECEIVE_DELAY1_S = 1
JOIN_ACCEPT_DELAY1_S = 5
RX2_AFTER_RX1_S = 1
"""RP002, default settings of all regions: RX2 opens one second after RX1, for joins too."""

M_MINUS_N = 8
"""FHDR without FOpts, and FPort: what a MACPayload has beside its FRMPayload."""


@dataclass(frozen=True, slots=True)
class DataRate:
    """A LoRa data rate."""

    spreading_factor: int
    bandwidth_hz: int


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of spectrum with one rule: at most `duty` of any hour, at most `max_eirp_dbm`."""

    name: str
    low_hz: int
    high_hz: int
    duty: float
    max_eirp_dbm: float

    def holds(self, frequency_hz: int, bandwidth_hz: int) -> bool:
        """Tell whether a signal lies in it with its whole bandwidth."""
        half = bandwidth_hz / 2
        return self.low_hz <= frequency_hz - half and frequency_hz + half <= self.high_hz


@dataclass(frozen=True, slots=True)
class Dwell:
    """The longest single transmission of signals narrower than `below_hz` (None: of any)."""

    limit_s: float
    below_hz: int | None
    default: bool


@dataclass(frozen=True, slots=True)
class UplinkChannel:
    """One channel of the plan, by its index, and the data rates it is used with."""

    frequency_hz: int
    min_data_rate: int
    max_data_rate: int


@dataclass(frozen=True, slots=True)
class Region:
    """One region's parameters; `regions.toml` says what each means and where it is from."""

    name: str
    channels: tuple[UplinkChannel, ...]
    downlinks_hz: tuple[int, ...]
    data_rates: Mapping[int, DataRate]
    payload: Mapping[int, int]
    payload_dwell: Mapping[int, int]
    rx1: Mapping[int, tuple[int, ...]]
    rx1_least_with_dwell: int
    rx2_frequency_hz: int
    rx2_data_rate: int
    max_eirp_dbm: float
    dwell: Dwell | None
    bands: tuple[Band, ...]

    @property
    def dwell_default(self) -> bool:
        """Tell whether a dwell time is kept where nobody says otherwise."""
        return self.dwell is not None and self.dwell.default

    def data_rate(self, index: int) -> DataRate:
        """Return a data rate. Raises `BadInput` (`unknown_data_rate`)."""
        found = self.data_rates.get(index)
        if found is None:
            raise BadInput("unknown_data_rate", f"{self.name} has no LoRa data rate {index}")
        return found

    def data_rate_index(
        self, spreading_factor: int, bandwidth_hz: int, direction: Direction = Direction.UP
    ) -> int:
        """Return the index of a data rate. Raises `BadInput` (`unknown_data_rate`).

        Direction matters: in some regions SF8 at 500 kHz has one index up and another one down.
        """
        wanted = DataRate(spreading_factor, bandwidth_hz)
        for index in self._used(direction):
            if self.data_rates.get(index) == wanted:
                return index
        raise BadInput(
            "unknown_data_rate",
            f"{self.name} has no SF{spreading_factor} at {bandwidth_hz} Hz {direction.name}",
        )

    def _used(self, direction: Direction) -> list[int]:
        if direction is Direction.UP:
            return sorted(self.rx1)
        return sorted({self.rx2_data_rate}.union(*self.rx1.values()))

    def rx1_data_rate(self, uplink: int, offset: int, *, dwell: bool = False) -> int:
        """Return RX1's data rate. Raises `BadInput` (`unknown_data_rate`, `rx1_offset`)."""
        row = self.rx1.get(uplink)
        if row is None:
            raise BadInput("unknown_data_rate", f"{self.name} has no uplink data rate {uplink}")
        if not 0 <= offset < len(row):
            raise BadInput("rx1_offset", f"{self.name} has no RX1DROffset {offset}")
        return max(row[offset], self.rx1_least_with_dwell) if dwell else row[offset]

    def rx1_frequency_hz(self, uplink_hz: int) -> int:
        """Return RX1's frequency. Raises `BadInput` (`unknown_channel`).

        Where RX1 has channels of its own, the uplink must have been on a channel of the plan.
        """
        if not self.downlinks_hz:
            return uplink_hz
        return self.downlinks_hz[self.channel_index(uplink_hz) % len(self.downlinks_hz)]

    def channel_index(self, frequency_hz: int) -> int:
        """Return a channel's index in the plan. Raises `BadInput` (`unknown_channel`)."""
        for index, channel in enumerate(self.channels):
            if channel.frequency_hz == frequency_hz:
                return index
        raise BadInput("unknown_channel", f"{self.name} has no channel at {frequency_hz} Hz")

    def max_mac_payload(self, data_rate: int, *, dwell: bool = False) -> int:
        """Return M, the most bytes of MACPayload. Raises `BadInput` (`unknown_data_rate`)."""
        self.data_rate(data_rate)
        return (self.payload_dwell if dwell else self.payload)[data_rate]

    def band(self, frequency_hz: int, bandwidth_hz: int, eirp_dbm: float) -> Band:
        """Return the band whose rule a transmission is under, the kindest of several.

        Raises
        ------
        BadInput
            `frequency_not_allowed`, or `power_not_allowed`.

        """
        here = [band for band in self.bands if band.holds(frequency_hz, bandwidth_hz)]
        if not here:
            raise BadInput(
                "frequency_not_allowed", f"{frequency_hz} Hz is in no band of {self.name}"
            )
        fit = [band for band in here if eirp_dbm <= band.max_eirp_dbm]
        if not fit:
            most = max(band.max_eirp_dbm for band in here)
            raise BadInput("power_not_allowed", f"{eirp_dbm} dBm EIRP is above {most} dBm")
        return max(fit, key=lambda band: band.duty)


@functools.cache
def regions() -> Mapping[str, Region]:
    """Return every region by its name."""
    text = resources.files(__package__).joinpath("regions.toml").read_text("utf-8")
    return {name: _region(name, tree) for name, tree in tomllib.loads(text).items()}


def region(name: str) -> Region:
    """Return a region by its name, in any case. Raises `BadInput` (`unknown_region`)."""
    found = regions().get(name.upper())
    if found is None:
        raise BadInput("unknown_region", f"{name[:20]!r} is none of {', '.join(regions())}")
    return found


def _region(name: str, tree: Mapping[str, Any]) -> Region:
    downlinks = tree.get("downlinks")
    payload = _indexed(tree["payload"])
    return Region(
        name=name,
        channels=tuple(
            UplinkChannel(hz, *block["data_rates"])
            for block in tree["channels"]
            for hz in _row(block)
        ),
        downlinks_hz=tuple(_row(downlinks)) if downlinks else (),
        data_rates={int(i): DataRate(*pair) for i, pair in tree["data_rates"].items()},
        payload=payload,
        payload_dwell=_indexed(tree["payload_dwell"]) if "payload_dwell" in tree else payload,
        rx1={int(i): tuple(row) for i, row in tree["rx1"].items()},
        rx1_least_with_dwell=tree.get("rx1_least_with_dwell", 0),
        rx2_frequency_hz=tree["rx2"]["frequency"],
        rx2_data_rate=tree["rx2"]["data_rate"],
        max_eirp_dbm=tree["max_eirp"],
        dwell=_dwell(tree.get("dwell")),
        bands=tuple(
            Band(band["name"], band["low"], band["high"], band["duty"], band["max_eirp"])
            for band in tree["bands"]
        ),
    )


def _row(block: Mapping[str, int]) -> list[int]:
    return [block["first"] + i * block["step"] for i in range(block["count"])]


def _indexed(table: Mapping[str, int]) -> dict[int, int]:
    return {int(index): value for index, value in table.items()}


def _dwell(tree: Mapping[str, Any] | None) -> Dwell | None:
    return Dwell(tree["limit_s"], tree.get("below_hz"), tree["default"]) if tree else None
