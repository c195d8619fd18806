"""Fields of a command -> the bytes that carry a person's value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as member

from gateway.codecs.payloads.contract import MAX_PAYLOAD
from gateway.codecs.payloads.layouts.keep import Place
from gateway.codecs.payloads.layouts.model import FLOAT_BYTES, INTEGER_BYTES, FieldModel
from gateway.codecs.payloads.layouts.numbers import Integer, Scaling, integer_of, scaling_of
from gateway.codecs.payloads.layouts.numeric import bool_mask, float_struct
from gateway.errors import BadInput
from gateway.types import Json


@dataclass(slots=True)
class Draft:
    """A command's bytes while they are written; `at` is the next byte, `bit` the next bit."""

    data: bytearray = member(default_factory=bytearray)
    at: int = 0
    bit: int = 0

    def place(self, at: int | None, data: bytes) -> None:
        """Lay bytes over those at `at` (None: the next); bits that are set stay set."""
        start = self.at if at is None else at
        self.at = start + len(data)
        self.data.extend(bytes(max(self.at - len(self.data), 0)))
        for offset, byte in enumerate(data, start):
            self.data[offset] |= byte


Pack = Callable[[Draft, Json], None]
"""Writes one value, or raises `BadInput`."""

ToBits = Callable[[Json], int]

NOISE = 1e-6
"""What binary floating point may add to a value that a person means, in steps."""


def compile_packing(field: FieldModel, place: Place) -> Pack:
    """Return what writes a field of a command; raises `ValueError` in plain words."""
    place = Place(field.byte_order or place.byte_order, place.prefix)
    return _PACKERS[field.type](field, place)


def number_range(field: FieldModel) -> tuple[float, float, float]:
    """Return the least and greatest value a numeric field takes, and its step (0: any)."""
    low, high, step = -math.inf, math.inf, 0.0
    if field.type not in FLOAT_BYTES:
        raw = _raw_integer(field)
        scaling = scaling_of(field) or Scaling()
        low, high = sorted((scaling.value(raw.low), scaling.value(raw.high)))
        step = abs(field.scale / field.divide)
    if field.min is not None:
        low = max(low, field.min)
    if field.max is not None:
        high = min(high, field.max)
    return low, high, step


def _raw_integer(field: FieldModel) -> Integer:
    if field.type == "bcd":
        return _Digits(2 * (field.size or 1))
    return integer_of(field, field.bits or 8 * INTEGER_BYTES.get(field.type, 0))


class _Digits(Integer):
    """Decimal digits, two a byte: not every pattern of bits is a number."""

    @property
    def high(self) -> int:
        return int("9" * self.width)

    def bits(self, number: int) -> int:
        return int(str(number), 16)


def out_of_range(key: str, wanted: str) -> BadInput:
    """Return the refusal of a value, saying what is allowed."""
    return BadInput("codec_out_of_range", f"`{key}` must be {wanted}")


def is_number(value: Json) -> bool:
    """Return whether a value is a number: true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def bounds(low: float, high: float, unit: str = "") -> str:
    """Return a range in words."""
    tail = f" {unit}" if unit else ""
    return f"a number from {low:.15g} to {high:.15g}{tail}"


def _to_bits(field: FieldModel) -> ToBits:
    raw = _raw_integer(field)
    if field.values is not None:
        return _from_meaning(field, raw)
    low, high, step = number_range(field)
    scaling, wanted = scaling_of(field), bounds(low, high, field.unit)
    if scaling is not None:  # 16383 * 0.1 is a little more than 1638.3
        noise = NOISE * step + 4 * math.ulp(max(abs(low), abs(high)))
        low, high = low - noise, high + noise

    def convert(value: Json) -> int:
        # Compared before anything is computed: a stranger's number may be beyond any float.
        if not is_number(value) or not low <= value <= high:
            raise out_of_range(field.name or "", wanted)
        number = round(value if scaling is None else scaling.raw(value))
        return raw.bits(min(max(number, raw.low), raw.high))

    return convert


def _from_meaning(field: FieldModel, raw: Integer) -> ToBits:
    values = field.values or {}
    for number in values:
        if not raw.low <= number <= raw.high:
            raise ValueError(f"`values` has {number}, which the field cannot hold")
    wanted = f"one of {', '.join(str(meaning) for meaning in values.values())}"

    def convert(value: Json) -> int:
        for number, meaning in values.items():
            if same(meaning, value):
                return raw.bits(number)
        raise out_of_range(field.name or "", wanted)

    return convert


def same(meaning: Json, value: Json) -> bool:
    """Return whether a value is what a file says; true is not 1."""
    return isinstance(meaning, bool) == isinstance(value, bool) and bool(meaning == value)


def _pack_integer(field: FieldModel, place: Place) -> Pack:
    size, to_bits = INTEGER_BYTES.get(field.type) or field.size or 1, _to_bits(field)

    def pack(draft: Draft, value: Json) -> None:
        draft.place(field.at, to_bits(value).to_bytes(size, place.byte_order))

    return pack


def _pack_bits(field: FieldModel, place: Place) -> Pack:
    width, to_bits = field.bits or 1, _to_bits(field)
    fixed = field.at is not None or field.start_bit is not None

    def pack(draft: Draft, value: Json) -> None:
        begin = 8 * (field.at or 0) + (field.start_bit or 0) if fixed else draft.bit
        first, stop = begin >> 3, (begin + width + 7) >> 3
        shift = begin - 8 * first if place.byte_order == "little" else 8 * stop - begin - width
        draft.place(first, (to_bits(value) << shift).to_bytes(stop - first, place.byte_order))
        draft.bit = begin + width

    return pack


def _pack_float(field: FieldModel, place: Place) -> Pack:
    form, scaling = float_struct(field.type, place), scaling_of(field)
    low, high, _ = number_range(field)
    wanted = bounds(low, high, field.unit)

    def pack(draft: Draft, value: Json) -> None:
        if not is_number(value) or not low <= value <= high:
            raise out_of_range(field.name or "", wanted)
        try:
            raw = float(value) if scaling is None else scaling.raw(value)
            data = form.pack(raw)
        except OverflowError:
            raw = math.inf
        if not math.isfinite(raw):
            raise out_of_range(field.name or "", f"a number that {field.type} can hold")
        draft.place(field.at, data)

    return pack


def _pack_bool(field: FieldModel, _place: Place) -> Pack:
    mask = bool_mask(field)
    on = bytes([1 if mask == 0xFF else mask])  # noqa: PLR2004 - a whole byte: true is 1

    def pack(draft: Draft, value: Json) -> None:
        if not isinstance(value, bool):
            raise out_of_range(field.name or "", "true or false")
        draft.place(field.at, on if value else b"\0")

    return pack


def _pack_text(field: FieldModel, _place: Place) -> Pack:
    size = field.size

    def pack(draft: Draft, value: Json) -> None:
        longest = MAX_PAYLOAD if size is None else size
        fits = isinstance(value, str) and len(value) <= longest
        if not fits or not value.isascii() or not (value.isprintable() or not value):
            raise out_of_range(field.name or "", f"at most {longest} ASCII characters")
        data = value.encode("ascii")
        draft.place(field.at, data if size is None else data.ljust(size, b"\0"))

    return pack


def _pack_hex(field: FieldModel, place: Place) -> Pack:
    size = field.size
    wanted = "pairs of hexadecimal digits" if size is None else f"{2 * size} hexadecimal digits"

    def pack(draft: Draft, value: Json) -> None:
        try:
            data = bytes.fromhex(value)
        except (ValueError, TypeError):
            raise out_of_range(field.name or "", wanted) from None
        if len(data) > MAX_PAYLOAD or (size is not None and len(data) != size):
            raise out_of_range(field.name or "", wanted)
        draft.place(field.at, data if place.byte_order == "big" else data[::-1])

    return pack


def _pack_const(field: FieldModel, _place: Place) -> Pack:
    def pack(_draft: Draft, value: Json) -> None:
        if not isinstance(field.value, list) and not same(field.value, value):
            raise out_of_range(field.name or "", f"{field.value}")

    return pack


def _pack_fixed(field: FieldModel, _place: Place) -> Pack:
    data = bytes(field.value) if isinstance(field.value, list) else bytes(field.size or 1)
    return lambda draft, _value: draft.place(field.at, data)


_PACKERS: Mapping[str, Callable[[FieldModel, Place], Pack]] = {
    **dict.fromkeys(INTEGER_BYTES, _pack_integer),
    **dict.fromkeys(FLOAT_BYTES, _pack_float),
    "bits": _pack_bits,
    "bcd": _pack_integer,
    "bool": _pack_bool,
    "text": _pack_text,
    "hex": _pack_hex,
    "const": _pack_const,
    "bytes": _pack_fixed,
    "skip": _pack_fixed,
}
