"""One payload value -> a reading's value and kind, as the meaning of its key allows."""

from __future__ import annotations

import math
import re
import sys

from gateway.codecs.dictionary import Meaning
from gateway.types import Json, ReadingKind, Scalar

MAX_TEXT = 256

_INT64 = 2**63
_LARGEST = int(sys.float_info.max)
_DIGITS = r"[0-9]{1,30}"
_QUANTITY = re.compile(
    rf"\s*([-+]?{_DIGITS}(?:\.{_DIGITS})?(?:[eE][-+]?[0-9]{{1,3}})?)\s*(\D{{0,10}})"
)
_MEASURED = (ReadingKind.NUMERIC, ReadingKind.COUNTER)
_STATES = (ReadingKind.BOOLEAN, ReadingKind.ENUM)


def unusable(raw: Json) -> str | None:
    """Return why a leaf cannot be a reading at all, None when it can."""
    if isinstance(raw, float):
        return None if math.isfinite(raw) else "not_finite"
    if isinstance(raw, int):
        return None if -_LARGEST <= raw <= _LARGEST else "not_finite"
    if isinstance(raw, str):
        return "text_too_long" if len(raw) > MAX_TEXT else None
    return "wrong_type"


def fit(meaning: Meaning, raw: Scalar) -> tuple[Scalar, ReadingKind] | None:
    """Return the value as the channel means it, None when it cannot be that."""
    kind = meaning.kind
    if kind in _MEASURED:
        scaled = _measured(meaning, raw)
        return None if scaled is None else (scaled, kind)
    if isinstance(raw, bool):
        return (raw, ReadingKind.BOOLEAN) if kind in _STATES else None
    if isinstance(raw, str):
        return (raw, ReadingKind.TEXT if kind is ReadingKind.TEXT else ReadingKind.ENUM)
    if kind is ReadingKind.BOOLEAN:
        return (raw, kind) if raw in {0, 1} else None
    return (_stored(raw), ReadingKind.ENUM) if float(raw).is_integer() else None


def _measured(meaning: Meaning, raw: Scalar) -> float | None:
    if isinstance(raw, bool):
        return None
    if not isinstance(raw, str):
        return _scaled(meaning, raw)
    number = _quantity(raw, meaning.unit) if meaning.listed else None
    return None if number is None else _scaled(meaning, number)


def plain(raw: Scalar) -> tuple[Scalar, ReadingKind]:
    """Return the value as what it is, whatever its key promised."""
    if isinstance(raw, bool):
        return raw, ReadingKind.BOOLEAN
    if isinstance(raw, str):
        return raw, ReadingKind.TEXT
    return _stored(raw), ReadingKind.NUMERIC


def _quantity(text: str, unit: str) -> float | None:
    """Return the number in `25.31`, or in `2.8V` when the channel's unit is V."""
    found = _QUANTITY.fullmatch(text)
    if found is None or (found[2] and found[2].strip().casefold() != unit.casefold()):
        return None
    number = float(found[1])
    return number if math.isfinite(number) else None


def _scaled(meaning: Meaning, number: float) -> float | None:
    if meaning.scale == 1.0 and meaning.offset == 0.0:
        return _stored(number)
    value = float(number) * meaning.scale + meaning.offset
    return float(f"{value:.12g}") if math.isfinite(value) else None


def _stored(number: float) -> float:
    """Return integers as they are while they fit a database's 64 bits."""
    return number if -_INT64 <= number < _INT64 else float(number)
