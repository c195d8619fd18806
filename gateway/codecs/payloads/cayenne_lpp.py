"""Cayenne LPP as ChirpStack v4 reads and writes it.

A payload is a row of items, each::

     channel   type   value
       u8       u8    big-endian, as `TYPES` says

The object is `{"temperatureSensor": {"3": 27.2}}`: a table per type, in it the channels as text.
Names, sizes and scales were read from the test vector of ChirpStack's own codec
(chirpstack/src/codec/cayenne_lpp.rs, `test_lpp`); of its behaviour this keeps that an unknown
type fails the whole payload, that a lone last byte is ignored, that the last of two items of one
type and channel counts, and that a value is cut, not rounded, to its step. It differs in one
thing: a value that does not fit is refused, where ChirpStack sends the nearest that does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.codecs.payloads.contract import MAX_PAYLOAD, Decoded, Encoded, Frame
from gateway.errors import BadInput
from gateway.types import Json


@dataclass(frozen=True, slots=True)
class Value:
    """One number of an item: `size` bytes that count steps of 1/`steps`; `key` is for a set."""

    size: int
    steps: int = 1
    signed: bool = False
    key: str = ""

    def read(self, data: bytes) -> float:
        """Return what the bytes say."""
        return int.from_bytes(data, "big", signed=self.signed) / self.steps

    def write(self, value: Json, where: str) -> bytes:
        """Return a value's bytes; raises `BadInput` with the allowed range."""
        low, high = self.bounds
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low / self.steps <= value <= high / self.steps:
            wanted = f"a number from {low / self.steps:.10g} to {high / self.steps:.10g}"
            raise BadInput("codec_out_of_range", f"`{where}` must be {wanted}")
        return int(value * self.steps).to_bytes(self.size, "big", signed=self.signed)

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the greatest number of steps that fit."""
        bits = 8 * self.size
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)


def _axes(steps: int) -> tuple[Value, ...]:
    return tuple(Value(2, steps, signed=True, key=axis) for axis in "xyz")


TYPES: Mapping[int, tuple[str, tuple[Value, ...]]] = {
    0: ("digitalInput", (Value(1),)),
    1: ("digitalOutput", (Value(1),)),
    2: ("analogInput", (Value(2, 100, signed=True),)),
    3: ("analogOutput", (Value(2, 100, signed=True),)),
    100: ("genericSensor", (Value(4),)),
    101: ("illuminanceSensor", (Value(2),)),
    102: ("presenceSensor", (Value(1),)),
    103: ("temperatureSensor", (Value(2, 10, signed=True),)),
    104: ("humiditySensor", (Value(1, 2),)),
    113: ("accelerometer", _axes(1000)),
    115: ("barometer", (Value(2, 10),)),
    116: ("voltage", (Value(2, 100),)),
    117: ("current", (Value(2, 1000),)),
    118: ("frequency", (Value(4),)),
    120: ("percentage", (Value(1),)),
    121: ("altitude", (Value(2, signed=True),)),
    125: ("concentration", (Value(2),)),
    128: ("power", (Value(2),)),
    130: ("distance", (Value(4, 1000),)),
    131: ("energy", (Value(4, 1000),)),
    132: ("direction", (Value(2),)),
    133: ("unix_time", (Value(4),)),
    134: ("gyrometer", _axes(100)),
    135: ("color", tuple(Value(1, key=part) for part in "rgb")),
    136: (
        "gpsLocation",
        (
            Value(3, 10000, signed=True, key="latitude"),
            Value(3, 10000, signed=True, key="longitude"),
            Value(3, 100, signed=True, key="altitude"),
        ),
    ),
    142: ("switch", (Value(1),)),
}
"""Type -> the name of its table, and the values of one item."""

NAMES: Mapping[str, int] = {name: number for number, (name, _) in TYPES.items()}


@dataclass(frozen=True, slots=True)
class CayenneLpp:
    """Cayenne LPP, the same in both directions (the `PayloadCodec` of contract.py)."""

    name: str = "cayenne_lpp"

    def decode(self, frame: Frame) -> Decoded:
        """Return what a payload says."""
        found: dict[str, dict[str, Json]] = {}
        for table, channel, value in _items(frame.data):
            found.setdefault(table, {})[str(channel)] = value
        return Decoded(found)

    def encode(self, command: Mapping[str, Json], variables: Mapping[str, str]) -> Encoded:
        """Return an object's bytes: by type, then by channel. The port is the caller's."""
        del variables
        for table in command:
            if table not in NAMES:
                raise BadInput("codec_unknown_key", f"Cayenne LPP has no `{table[:64]}`")
        data = b"".join(
            item
            for number, (table, values) in TYPES.items()
            if table in command
            for item in _written(number, table, values, command[table])
        )
        if len(data) > MAX_PAYLOAD:
            raise BadInput("codec_out_of_range", f"{len(data)} bytes are more than a frame carries")
        return Encoded(data)

    def decode_downlink(self, frame: Frame) -> Decoded:
        """Return what a downlink's bytes command."""
        return self.decode(frame)


def _items(data: bytes) -> Iterator[tuple[str, int, Json]]:
    at = 0
    while at + 2 <= len(data):
        channel, number = data[at], data[at + 1]
        if number not in TYPES:
            raise BadInput("codec_unknown_type", f"byte {at + 1}: Cayenne LPP has no type {number}")
        table, values = TYPES[number]
        at += 2
        size = sum(value.size for value in values)
        if at + size > len(data):
            raise BadInput(
                "codec_truncated", f"`{table}` needs {size} bytes, {len(data) - at} left"
            )
        yield table, channel, _read(values, data[at : at + size])
        at += size


def _read(values: tuple[Value, ...], data: bytes) -> Json:
    if not values[0].key:
        return values[0].read(data)
    read: dict[str, float] = {}
    at = 0
    for value in values:
        read[value.key] = value.read(data[at : at + value.size])
        at += value.size
    return read


def _written(number: int, table: str, values: tuple[Value, ...], channels: Json) -> Iterator[bytes]:
    if not isinstance(channels, Mapping):
        raise BadInput("codec_out_of_range", f'`{table}` must be a table such as {{"3": 1}}')
    for channel in sorted((_channel(table, name), name) for name in channels):
        yield bytes((channel[0], number)) + _write(values, channels[channel[1]], table)


def _channel(table: str, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", name) or int(name) > 255:  # noqa: PLR2004 - one byte
        raise BadInput(
            "codec_unknown_key", f"`{table}.{name[:32]}`: a channel is a number from 0 to 255"
        )
    return int(name)


def _write(values: tuple[Value, ...], value: Json, table: str) -> bytes:
    if not values[0].key:
        return values[0].write(value, table)
    keys = [each.key for each in values]
    if not isinstance(value, Mapping) or set(value) != set(keys):
        raise BadInput("codec_out_of_range", f"`{table}` must have {', '.join(keys)}")
    return b"".join(each.write(value[each.key], f"{table}.{each.key}") for each in values)
