"""Fields that are numbers -> the steps that read them."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

from gateway.codecs.payloads.layouts.keep import Place, keeper, key_of, leaf
from gateway.codecs.payloads.layouts.model import FLOAT_BYTES, INTEGER_BYTES, FieldModel
from gateway.codecs.payloads.layouts.numbers import integer_of
from gateway.codecs.payloads.layouts.scan import Scan, Step

FLOAT_LETTERS: Mapping[str, str] = {"f16": "e", "f32": "f", "f64": "d"}


def compile_integer(field: FieldModel, place: Place) -> Step:
    """Return the step for `u8` to `i64`."""
    size, order, at = INTEGER_BYTES[field.type], place.byte_order, field.at
    key = key_of(field, place)
    number, keep = integer_of(field, 8 * size), keeper(field, key)
    plain = number.mask is None and not number.sign and not number.shift

    def read(scan: Scan) -> None:
        start = scan.take(at, size, key)
        raw = int.from_bytes(scan.data[start : start + size], order)
        keep(scan, raw if plain else number.number(raw))

    return read


def compile_float(field: FieldModel, place: Place) -> Step:
    """Return the step for `f16`, `f32` and `f64`: NaN is no reading, infinity a fault."""
    size, at, key = FLOAT_BYTES[field.type], field.at, key_of(field, place)
    form, keep = float_struct(field.type, place), keeper(field, key)
    is_short = field.type != "f64"

    def read(scan: Scan) -> None:
        (raw,) = form.unpack_from(scan.data, scan.take(at, size, key))
        if math.isinf(raw):
            scan.rejects.append(("codec_out_of_range", key))
        elif not math.isnan(raw):
            keep(scan, shortest(raw, form) if is_short else raw)

    return read


def float_struct(name: str, place: Place) -> struct.Struct:
    """Return how a floating point number is packed."""
    return struct.Struct((">" if place.byte_order == "big" else "<") + FLOAT_LETTERS[name])


def shortest(value: float, form: struct.Struct) -> float:
    """Return the shortest decimal that the same few bytes stand for: 23.45, not 23.4500008."""
    wanted = form.pack(value)
    for digits in (3, 6, 7, 8):
        candidate = float(f"{value:.{digits}g}")
        try:
            if form.pack(candidate) == wanted:
                return candidate
        except OverflowError:  # rounded up beyond what the type can hold
            continue
    return value


def compile_bits(field: FieldModel, place: Place) -> Step:
    """Return the step for `bits`: counted from the highest bit (big), or the lowest (little)."""
    width, little = field.bits or 1, place.byte_order == "little"
    at, start_bit, key = field.at, field.start_bit, key_of(field, place)
    fixed = at is not None or start_bit is not None
    number, keep = integer_of(field, width), keeper(field, key)
    ones = (1 << width) - 1

    def read(scan: Scan) -> None:
        begin = 8 * scan.position(at or 0) + (start_bit or 0) if fixed else scan.bit
        first, stop = begin >> 3, (begin + width + 7) >> 3
        scan.at = first
        scan.take(None, stop - first, key)
        scan.bit = begin + width
        bits = int.from_bytes(scan.data[first:stop], place.byte_order)
        shift = begin - 8 * first if little else 8 * stop - begin - width
        keep(scan, number.number(bits >> shift & ones))

    return read


def compile_bool(field: FieldModel, place: Place) -> Step:
    """Return the step for `bool`: the named bits, or any of the byte."""
    at, key = field.at, key_of(field, place)
    mask, keep = bool_mask(field), leaf(key)

    def read(scan: Scan) -> None:
        found = scan.data[scan.take(at, 1, key)] & mask != 0
        scan.raw[key] = int(found)
        keep(scan, found)

    return read


def bool_mask(field: FieldModel) -> int:
    """Return the bits of the byte that a `bool` looks at."""
    if field.bit is not None:
        return 1 << field.bit
    return 0xFF if field.mask is None else field.mask & 0xFF


def compile_bcd(field: FieldModel, place: Place) -> Step:
    """Return the step for `bcd`: two decimal digits a byte."""
    size, at, key = field.size or 1, field.at, key_of(field, place)
    keep, big = keeper(field, key), place.byte_order == "big"

    def read(scan: Scan) -> None:
        start = scan.take(at, size, key)
        digits = scan.data[start : start + size]
        text = (digits if big else digits[::-1]).hex()
        if text.isdecimal():
            keep(scan, int(text))
        else:
            scan.rejects.append(("codec_out_of_range", key))

    return read
