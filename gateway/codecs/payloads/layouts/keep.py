"""What a field gives: its raw number as flags, a meaning or a measurement, under its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.codecs.payloads.layouts.model import ByteOrder, FieldModel
from gateway.codecs.payloads.layouts.numbers import scaling_of
from gateway.codecs.payloads.layouts.scan import Scan, put
from gateway.types import Json, Scalar

Keep = Callable[[Scan, float], None]
"""Puts a raw number into the result as what it means."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file a field stands: what it inherits.

    `prefix` ends in a dot, or is empty; `strict` fields refuse other than their fixed bytes.
    """

    byte_order: ByteOrder
    prefix: str = ""
    depth: int = 0
    strict: bool = False


def key_of(field: FieldModel, place: Place) -> str:
    """Return the dotted key a field has in the result."""
    return place.prefix + (field.name or "")


def is_hidden(key: str) -> bool:
    """Return whether a field is only read for conditions and counts."""
    return key.startswith("_") or "._" in key


def keeper(field: FieldModel, key: str) -> Keep:
    """Return what keeps a field's raw numbers; those that mean "no reading" are left out."""
    give = _giver(field, key)
    invalid = frozenset(field.invalid)

    def keep(scan: Scan, raw: float) -> None:
        scan.raw[key] = raw
        if give is not None and raw not in invalid:
            give(scan, raw)

    return keep


def leaf(key: str) -> Callable[[Scan, Json], None]:
    """Return what sets one key of the result; nothing for a hidden one."""
    path = tuple(key.split("."))
    if is_hidden(key):
        return lambda _scan, _value: None
    if len(path) == 1:

        def keep_flat(scan: Scan, value: Json) -> None:
            scan.out[key] = value

        return keep_flat
    return lambda scan, value: put(scan.out, path, value)


def _giver(field: FieldModel, key: str) -> Keep | None:
    if is_hidden(key):
        return None
    if field.flags is not None:
        return _flags(field.flags, key)
    if field.values is not None:
        return _meanings(field.values, field.other, key)
    return _measurement(field, key)


def _flags(flags: Mapping[int, str], key: str) -> Keep:
    stem = f"{key}." if key and not key.endswith(".") else key
    leaves = tuple((1 << bit, leaf(stem + name)) for bit, name in flags.items())

    def give(scan: Scan, raw: float) -> None:
        for mask, keep in leaves:
            keep(scan, int(raw) & mask != 0)

    return give


def _meanings(values: Mapping[int, Scalar], other: str | None, key: str) -> Keep:
    keep = leaf(key)

    def give(scan: Scan, raw: float) -> None:
        meaning = values.get(int(raw), other)
        if meaning is None:
            scan.rejects.append(("codec_out_of_range", key))
        else:
            keep(scan, meaning)

    return give


def _measurement(field: FieldModel, key: str) -> Keep:
    keep, scaling = leaf(key), scaling_of(field)
    low = -math.inf if field.min is None else field.min
    high = math.inf if field.max is None else field.max

    def give(scan: Scan, raw: float) -> None:
        value = raw if scaling is None else scaling.value(raw)
        if low <= value <= high and math.isfinite(value):
            keep(scan, value)
        else:
            scan.rejects.append(("codec_out_of_range", key))

    return give
