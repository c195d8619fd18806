"""Checksums that home-made and bought sensors put beside their values.

Parameters of the CRCs are those of the catalogue of parametrised CRC algorithms (Greg Cook):
polynomial, start value, reflected or not, value added at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

from gateway.codecs.payloads.layouts.model import ByteOrder, ChecksumModel
from gateway.errors import BadInput


@dataclass(frozen=True, slots=True)
class Crc:
    """One CRC, with its table of the 256 steps of a byte."""

    width: int
    polynomial: int
    start: int
    reflected: bool
    final: int = 0
    table: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Make the table."""
        object.__setattr__(self, "table", tuple(map(self._step, range(256))))

    def __call__(self, data: bytes) -> int:
        """Return the CRC of `data`."""
        value, ones, up = self.start, (1 << self.width) - 1, self.width - 8
        for byte in data:
            if self.reflected:
                value = value >> 8 ^ self.table[(value ^ byte) & 0xFF]
            else:
                value = value << 8 & ones ^ self.table[value >> up ^ byte]
        return value ^ self.final

    def _step(self, byte: int) -> int:
        if self.reflected:
            polynomial = int(f"{self.polynomial:0{self.width}b}"[::-1], 2)
            for _ in range(8):
                byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
            return byte
        value, top = byte << (self.width - 8), 1 << (self.width - 1)
        for _ in range(8):
            value = value << 1 ^ (self.polynomial if value & top else 0)
            value &= (1 << self.width) - 1
        return value


def sum8(data: bytes) -> int:
    """Return the sum of all bytes, its lowest byte."""
    return sum(data) & 0xFF


def xor8(data: bytes) -> int:
    """Return all bytes XORed."""
    return reduce(xor, data, 0)


CHECKSUMS: Mapping[str, tuple[int, Callable[[bytes], int]]] = {
    "sum8": (1, sum8),
    "xor8": (1, xor8),
    "crc8": (1, Crc(8, 0x07, 0, reflected=False)),
    "crc8-maxim": (1, Crc(8, 0x31, 0, reflected=True)),
    "crc16-ccitt-false": (2, Crc(16, 0x1021, 0xFFFF, reflected=False)),
    "crc16-xmodem": (2, Crc(16, 0x1021, 0, reflected=False)),
    "crc16-modbus": (2, Crc(16, 0x8005, 0xFFFF, reflected=True)),
    "crc16-arc": (2, Crc(16, 0x8005, 0, reflected=True)),
    "crc16-kermit": (2, Crc(16, 0x1021, 0, reflected=True)),
    "crc32": (4, Crc(32, 0x04C11DB7, 0xFFFFFFFF, reflected=True, final=0xFFFFFFFF)),
}
"""Name -> its size in bytes, and the function."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """Where a checksum stands, and what it is of; negative positions count from the end."""

    kind: str
    at: int
    first: int
    stop: int
    byte_order: ByteOrder
    lenient: bool = False

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return CHECKSUMS[self.kind][0]

    def end(self, length: int) -> int:
        """Return where fields that go to the end must stop in a payload of this length."""
        return length if self.at >= 0 else max(length + self.at, 0)

    def check(self, data: bytes) -> str:
        """Raise `BadInput` unless the payload carries its own checksum.

        A lenient one is only warned about: the warning is returned, empty when all is well.
        """
        at = self.at if self.at >= 0 else len(data) + self.at
        stop = at + self.size
        if at < 0 or stop > len(data):
            raise BadInput("codec_truncated", "the payload ends before its checksum")
        found = int.from_bytes(data[at:stop], self.byte_order)
        wanted = self.of(data)
        if found != wanted:
            form = f"0{2 * self.size}x"
            words = f"{self.kind} is {wanted:{form}}, the payload says {found:{form}}"
            if self.lenient:
                return words
            raise BadInput("codec_checksum", words)
        return ""

    def of(self, data: bytes) -> int:
        """Return the sum that a payload should carry."""
        return CHECKSUMS[self.kind][1](data[self.first : self.stop])


def checksum_of(model: ChecksumModel | None, byte_order: ByteOrder) -> Checksum | None:
    """Return a layout's checksum; by default it is of all bytes before it."""
    if model is None:
        return None
    size = CHECKSUMS[model.type][0]
    if -size < model.at < 0:
        raise ValueError(f"`checksum` has {size} bytes: `at` must be -{size} or less")
    stop = model.at if model.to is None else model.to
    lenient = model.on_wrong == "warn"
    order = model.byte_order or byte_order
    return Checksum(model.type, model.at, model.from_, stop, order, lenient)
