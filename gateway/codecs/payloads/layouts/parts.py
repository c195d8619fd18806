"""Values whose parts have bits of their own: versions as `v1.20`, whole degrees beside tenths."""

from __future__ import annotations

from gateway.codecs.payloads.layouts.keep import Place, keeper, key_of, leaf
from gateway.codecs.payloads.layouts.model import FieldModel
from gateway.codecs.payloads.layouts.scan import Scan, Step


def compile_version(field: FieldModel, place: Place) -> Step:
    """Return the step for `version`: numbers of `parts` bits, the last the lowest, with dots."""
    at, size, key = field.at, field.size or 1, key_of(field, place)
    mask = field.mask or (1 << 8 * size) - 1
    low = (mask & -mask).bit_length() - 1
    keep, places = leaf(key), []
    for width in reversed(field.parts):
        places.append((low, (1 << width) - 1))
        low += width
    if low > 8 * size:
        raise ValueError(f"`parts` needs {low} bits, `size` gives {8 * size}")
    places.reverse()

    def read(scan: Scan) -> None:
        number = _number(scan, at, size, key, place) & mask
        numbers = (str(number >> shift & ones) for shift, ones in places)
        keep(scan, field.prefix + ".".join(numbers))

    return read


def compile_split(field: FieldModel, place: Place) -> Step:
    """Return the step for `split`: a raw number of tenths, `10 * whole + tenths`, with a sign."""
    at, size, key = field.at, field.size or 1, key_of(field, place)
    whole, tenths, negative = field.whole or 0, field.tenths or 0, field.negative or 0
    if max(whole, tenths, negative) >> 8 * size:
        raise ValueError(f"`whole`, `tenths` and `negative` must be masks of {size} bytes")
    keep = keeper(field, key)

    def read(scan: Scan) -> None:
        bits = _number(scan, at, size, key, place)
        raw = 10 * _masked(bits, whole) + _masked(bits, tenths)
        keep(scan, -raw if bits & negative else raw)

    return read


def _number(scan: Scan, at: int | None, size: int, key: str, place: Place) -> int:
    start = scan.take(at, size, key)
    return int.from_bytes(scan.data[start : start + size], place.byte_order)


def _masked(bits: int, mask: int) -> int:
    return (bits & mask) // (mask & -mask)
