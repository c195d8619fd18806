"""MAC commands of LoRaWAN 1.0.x: bytes <-> values, both directions from one table (section 5).

A command is one identifier byte (CID) and a payload of fixed length that depends on CID and
direction. `_LAYOUTS` at the end draws each payload as its fields from the least significant bit of
the first byte upwards: `name:bits`, `s` for two's complement, `*100` for a unit step; `_` is
reserved, written 0 and ignored. Fields that are wider than a byte are little-endian.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from gateway.codecs.lorawan.crypto import Direction
from gateway.errors import BadInput


@dataclass(frozen=True, slots=True)
class LinkCheckReq:
    """Asks who hears the device, and how well."""


@dataclass(frozen=True, slots=True)
class LinkCheckAns:
    """`margin_db` above the demodulation floor, 0 to 254; heard by `gateway_count` gateways."""

    margin_db: int
    gateway_count: int


@dataclass(frozen=True, slots=True)
class LinkADRReq:
    """Use this data rate, power and these channels; 15 as rate or power keeps what is."""

    data_rate: int
    tx_power: int
    channel_mask: int
    mask_control: int = 0
    nb_trans: int = 1


@dataclass(frozen=True, slots=True)
class LinkADRAns:
    """Which parts of a LinkADRReq the device can do; it does all or nothing."""

    channel_mask_ack: int
    data_rate_ack: int
    power_ack: int


@dataclass(frozen=True, slots=True)
class DutyCycleReq:
    """Send at most 1 / 2**max_duty_cycle of the time."""

    max_duty_cycle: int


@dataclass(frozen=True, slots=True)
class DutyCycleAns:
    """Understood."""


@dataclass(frozen=True, slots=True)
class RXParamSetupReq:
    """Listen like this in RX1 (offset) and RX2 (data rate, frequency)."""

    rx1_dr_offset: int
    rx2_data_rate: int
    frequency_hz: int


@dataclass(frozen=True, slots=True)
class RXParamSetupAns:
    """Which parts of an RXParamSetupReq the device can do; it does all or nothing."""

    channel_ack: int
    rx2_data_rate_ack: int
    rx1_dr_offset_ack: int


@dataclass(frozen=True, slots=True)
class DevStatusReq:
    """Asks for battery and SNR."""


@dataclass(frozen=True, slots=True)
class DevStatusAns:
    """`battery` 0 external power, 1 to 254 empty to full, 255 unknown; SNR of the request."""

    battery: int
    margin_db: int


@dataclass(frozen=True, slots=True)
class NewChannelReq:
    """Make or change a channel; 0 Hz takes it away."""

    channel: int
    frequency_hz: int
    min_data_rate: int
    max_data_rate: int


@dataclass(frozen=True, slots=True)
class NewChannelAns:
    """Which parts of a NewChannelReq the device can do."""

    frequency_ack: int
    data_rate_ack: int


@dataclass(frozen=True, slots=True)
class RXTimingSetupReq:
    """Open RX1 this many seconds after an uplink; 0 means 1."""

    delay_s: int


@dataclass(frozen=True, slots=True)
class RXTimingSetupAns:
    """Understood."""


@dataclass(frozen=True, slots=True)
class TxParamSetupReq:
    """Dwell times and the index of the most EIRP, where the region has such limits."""

    max_eirp_index: int
    uplink_dwell: int
    downlink_dwell: int


@dataclass(frozen=True, slots=True)
class TxParamSetupAns:
    """Understood."""


@dataclass(frozen=True, slots=True)
class DlChannelReq:
    """Listen in RX1 at another frequency than this channel's own."""

    channel: int
    frequency_hz: int


@dataclass(frozen=True, slots=True)
class DlChannelAns:
    """Which parts of a DlChannelReq the device can do."""

    frequency_ack: int
    uplink_exists: int


@dataclass(frozen=True, slots=True)
class DeviceTimeReq:
    """Asks for the time."""


@dataclass(frozen=True, slots=True)
class DeviceTimeAns:
    """GPS time at the end of the uplink that asked: seconds, and 1/256ths of a second."""

    seconds: int
    fraction: int


MacCommand = (
    LinkCheckReq | LinkCheckAns | LinkADRReq | LinkADRAns | DutyCycleReq | DutyCycleAns
    | RXParamSetupReq | RXParamSetupAns | DevStatusReq | DevStatusAns | NewChannelReq
    | NewChannelAns | RXTimingSetupReq | RXTimingSetupAns | TxParamSetupReq | TxParamSetupAns
    | DlChannelReq | DlChannelAns | DeviceTimeReq | DeviceTimeAns
)  # fmt: skip

GPS_EPOCH_S = 315_964_800
"""1980-01-06 00:00 UTC as POSIX seconds."""

GPS_AHEAD_OF_UTC_S = 18
"""Leap seconds since the GPS epoch; none has been added since 2017 (IERS Bulletin C)."""

_FIELD = re.compile(r"(?P<name>\w+):(?P<bits>\d+)(?P<signed>s?)(?:\*(?P<step>\d+))?")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a payload: `bits` wide, counted in steps of `step`."""

    name: str
    bits: int
    signed: bool
    step: int

    def raw(self, value: int) -> int:
        """Return the field's bits for this value. Raises `BadInput` (`out_of_range`)."""
        low = -(1 << self.bits - 1) if self.signed else 0
        high = (1 << self.bits - self.signed) - 1
        if value % self.step or not low <= value // self.step <= high:
            raise BadInput("out_of_range", f"{self.name} {value}")
        return value // self.step & ((1 << self.bits) - 1)

    def value(self, raw: int) -> int:
        """Return what these bits say."""
        if self.signed and raw >> self.bits - 1:
            raw -= 1 << self.bits
        return raw * self.step


@dataclass(frozen=True, slots=True)
class Layout:
    """How one command looks on air."""

    command: type[MacCommand]
    cid: int
    direction: Direction
    fields: tuple[Field, ...]

    @property
    def size(self) -> int:
        """Return how many bytes follow the CID."""
        return sum(field.bits for field in self.fields) // 8

    def pack(self, command: MacCommand) -> bytes:
        """Return CID and payload. Raises `BadInput` (`out_of_range`)."""
        bits, at = 0, 0
        for field in self.fields:
            if field.name != "_":
                bits |= field.raw(getattr(command, field.name)) << at
            at += field.bits
        return bytes((self.cid,)) + bits.to_bytes(self.size, "little")

    def unpack(self, payload: bytes) -> MacCommand:
        """Return the command of exactly `size` bytes."""
        bits, values = int.from_bytes(payload, "little"), {}
        for field in self.fields:
            if field.name != "_":
                values[field.name] = field.value(bits & ((1 << field.bits) - 1))
            bits >>= field.bits
        return self.command(**values)


def build(commands: Sequence[MacCommand]) -> bytes:
    """Return the commands' bytes, one after the other. Raises `BadInput` (`out_of_range`)."""
    return b"".join(_BY_TYPE[type(command)].pack(command) for command in commands)


def parse(octets: bytes, direction: Direction) -> tuple[tuple[MacCommand, ...], bytes]:
    """Return the commands in these bytes, and what is left from the first that is unknown or cut.

    Nothing is refused: a length is known only with its CID, so a reader stops there (section 5).
    """
    commands, at = [], 0
    while at < len(octets):
        layout = _BY_CID.get((octets[at], direction))
        if layout is None or at + 1 + layout.size > len(octets):
            break
        commands.append(layout.unpack(octets[at + 1 : at + 1 + layout.size]))
        at += 1 + layout.size
    return tuple(commands), octets[at:]


def answers(request: MacCommand) -> type[MacCommand] | None:
    """Return the type that answers this one, None when nothing does."""
    layout = _BY_TYPE[type(request)]
    other = _BY_CID.get((layout.cid, Direction(1 - layout.direction)))
    return other.command if other is not None and other.command is not layout.command else None


def device_time(end_s: float) -> DeviceTimeAns:
    """Return the answer for an uplink that ended at these POSIX seconds; 0 before the GPS epoch."""
    ticks = round((end_s - GPS_EPOCH_S + GPS_AHEAD_OF_UTC_S) * 256)
    ticks = min(max(ticks, 0), (1 << 40) - 1)
    return DeviceTimeAns(seconds=ticks // 256, fraction=ticks % 256)


def link_check(margin_db: float | None, gateway_count: int = 1) -> LinkCheckAns:
    """Return the answer for a margin, which is cut to 0 to 254 (255 is reserved)."""
    return LinkCheckAns(min(max(round(margin_db or 0), 0), 254), min(max(gateway_count, 0), 255))


def _layout(command: type[MacCommand], cid: int, direction: Direction, drawn: str = "") -> Layout:
    found = tuple(
        Field(m["name"], int(m["bits"]), bool(m["signed"]), int(m["step"] or 1))
        for m in _FIELD.finditer(drawn)
    )
    named = {field.name for field in found if field.name != "_"}
    if named != {field.name for field in fields(command)} or sum(f.bits for f in found) % 8:
        raise ValueError(f"the layout of {command.__name__} does not fit it")
    return Layout(command, cid, direction, found)


_UP, _DOWN = Direction.UP, Direction.DOWN
_LAYOUTS = (
    _layout(LinkCheckReq, 0x02, _UP),
    _layout(LinkCheckAns, 0x02, _DOWN, "margin_db:8 gateway_count:8"),
    _layout(LinkADRReq, 0x03, _DOWN,
            "tx_power:4 data_rate:4 channel_mask:16 nb_trans:4 mask_control:3 _:1"),
    _layout(LinkADRAns, 0x03, _UP, "channel_mask_ack:1 data_rate_ack:1 power_ack:1 _:5"),
    _layout(DutyCycleReq, 0x04, _DOWN, "max_duty_cycle:4 _:4"),
    _layout(DutyCycleAns, 0x04, _UP),
    _layout(RXParamSetupReq, 0x05, _DOWN,
            "rx2_data_rate:4 rx1_dr_offset:3 _:1 frequency_hz:24*100"),
    _layout(RXParamSetupAns, 0x05, _UP,
            "channel_ack:1 rx2_data_rate_ack:1 rx1_dr_offset_ack:1 _:5"),
    _layout(DevStatusReq, 0x06, _DOWN),
    _layout(DevStatusAns, 0x06, _UP, "battery:8 margin_db:6s _:2"),
    _layout(NewChannelReq, 0x07, _DOWN,
            "channel:8 frequency_hz:24*100 min_data_rate:4 max_data_rate:4"),
    _layout(NewChannelAns, 0x07, _UP, "frequency_ack:1 data_rate_ack:1 _:6"),
    _layout(RXTimingSetupReq, 0x08, _DOWN, "delay_s:4 _:4"),
    _layout(RXTimingSetupAns, 0x08, _UP),
    _layout(TxParamSetupReq, 0x09, _DOWN,
            "max_eirp_index:4 uplink_dwell:1 downlink_dwell:1 _:2"),
    _layout(TxParamSetupAns, 0x09, _UP),
    _layout(DlChannelReq, 0x0A, _DOWN, "channel:8 frequency_hz:24*100"),
    _layout(DlChannelAns, 0x0A, _UP, "frequency_ack:1 uplink_exists:1 _:6"),
    _layout(DeviceTimeReq, 0x0D, _UP),
    _layout(DeviceTimeAns, 0x0D, _DOWN, "seconds:32 fraction:8"),
)  # fmt: skip
_BY_CID = {(layout.cid, layout.direction): layout for layout in _LAYOUTS}
_BY_TYPE: dict[type[MacCommand], Layout] = {layout.command: layout for layout in _LAYOUTS}
