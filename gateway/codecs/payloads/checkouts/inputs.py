"""What an example's input may look like, read tolerantly: bytes, ports, times, texts."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.codecs.times import parse_rfc3339
from gateway.errors import BadInput
from gateway.types import Json

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_MILLISECONDS_TO = 8.64e15  # where JavaScript's own dates end
_MILLISECONDS_FROM = 1e11
"""A time in numbers that is larger is in milliseconds, as JavaScript counts: 1e11 s is AD 5138."""


def bytes_of(raw: Json) -> bytes:
    """Return the bytes of a list of numbers (taken modulo 256), or of hex or base64 text.

    Raises
    ------
    BadInput
        `invalid_example`.

    """
    if raw is None:
        return b""
    if isinstance(raw, str):
        return _bytes_of_text(raw)
    if not isinstance(raw, list):
        raise BadInput("invalid_example", "its bytes are neither list nor text")
    return bytes(number_of(value) & 0xFF for value in raw)


def _bytes_of_text(text: str) -> bytes:
    digits = re.sub(r"0[xX]|[\s:,\-]", "", text)
    if _HEX.fullmatch(digits):
        return bytes.fromhex(digits)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise BadInput("invalid_example", "its bytes are neither hex nor base64") from None


def number_of(value: Json) -> int:
    """Return a byte or port, in whatever notation; raises `BadInput` (`invalid_example`)."""
    if isinstance(value, bool):
        return int(value)
    try:
        if isinstance(value, str):
            return int(value, 0)
        if isinstance(value, int | float) and int(value) == value:
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise BadInput("invalid_example", f"{str(value)[:40]!r} is no byte")


def time_s_of(raw: Json) -> float | None:
    """Return POSIX seconds; None for no time."""
    if raw is None:
        return None
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        if not -_MILLISECONDS_TO < raw < _MILLISECONDS_TO:
            return None
        return raw / 1000 if raw > _MILLISECONDS_FROM else float(raw)
    text = str(raw)
    try:
        return parse_rfc3339(text)
    except ValueError:
        return _loose_time_s(text)


def _loose_time_s(text: str) -> float | None:
    """Return a time written without its offset as UTC; None for no time, which few codecs miss."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def variables_of(given: Mapping[str, Json]) -> dict[str, str]:
    """Return the device variables of an input, as texts."""
    raw = given.get("variables")
    if not isinstance(raw, Mapping):
        return {}
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in raw.items()}


def texts_of(raw: Json) -> list[str]:
    """Return errors or warnings as a list of texts; none is an empty list."""
    if raw is None:
        return []
    listed = raw if isinstance(raw, list) else [raw]
    return [text if isinstance(text, str) else json.dumps(text) for text in listed]
