"""Runs one example through a codec and says what became of it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from gateway.codecs.payloads.checkouts.compare import (
    Difference,
    Outcome,
    Verdict,
    differences,
    verdict_of,
)
from gateway.codecs.payloads.checkouts.examples import Example, Kind
from gateway.codecs.payloads.contract import Decoded, Encoded, Frame, PayloadCodec
from gateway.codecs.times import parse_rfc3339
from gateway.errors import BadInput
from gateway.types import Json

NO_PORT = 0
"""The port of an example that names none: no codec matches it, as none matches `undefined`."""

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_JOINTS = re.compile(r"[\s;,|]+")
_DETAIL = 200
_MILLISECONDS_TO = 8.64e15  # where JavaScript's own dates end
_MILLISECONDS_FROM = 1e11
"""A time in numbers that is larger is in milliseconds, as JavaScript counts: 1e11 s is AD 5138."""


@runtime_checkable
class Normalizer(Protocol):
    """A codec that also gives The Things Network's normalized form (JavaScript codecs do)."""

    def normalize(self, data: Mapping[str, Json]) -> tuple[Mapping[str, Json], ...]:
        """Return the measurements in a decoded object, oldest first; raises `BadInput`."""
        ...


def judge(codec: PayloadCodec, example: Example) -> Verdict:
    """Return what became of the example: FAILED where it, or the codec, cannot be run."""
    if example.problem:
        return Verdict(Outcome.FAILED, reason=example.problem)
    try:
        found = list(_RUN[example.kind](codec, example))
    except BadInput as error:
        return _of_error(error, example.expected)
    if errors := _texts(example.expected.get("errors")):
        line = f"errors: {json.dumps(errors, ensure_ascii=False)} -> none"
        return Verdict(Outcome.DIFFER, (line,))
    return verdict_of(found)


def _of_error(error: BadInput, expected: Mapping[str, Json]) -> Verdict:
    """Return EXACT where the example expects these very errors; a layout's are its reasons."""
    texts = _texts(expected.get("errors"))
    if texts and (texts == [error.reason] or _says(error.detail, texts)):
        return Verdict(Outcome.EXACT)
    if error.reason != "codec_error" or not texts:
        return Verdict(Outcome.FAILED, reason=str(error))
    line = f"errors: {json.dumps(texts, ensure_ascii=False)} -> {json.dumps(error.detail)}"
    return Verdict(Outcome.DIFFER, (line,))


def _says(detail: str, texts: list[str]) -> bool:
    """Say whether a detail is these texts, however joined; `BadInput` cuts it to 200 characters."""
    said, wanted = (" ".join(_JOINTS.split(text)).strip() for text in (detail, " ".join(texts)))
    return said == wanted or (len(detail) >= _DETAIL and wanted.startswith(said))


def _uplink(codec: PayloadCodec, example: Example) -> Iterator[Difference]:
    return _decoded(codec.decode(frame_of(example.input)), example.expected)


def _downlink(codec: PayloadCodec, example: Example) -> Iterator[Difference]:
    return _decoded(codec.decode_downlink(frame_of(example.input)), example.expected)


def _decoded(decoded: Decoded, expected: Mapping[str, Json]) -> Iterator[Difference]:
    nulls = frozenset(f"data.{key}" for _, key in decoded.rejects)
    data = expected.get("data")
    yield from differences({} if data is None else data, decoded.data, "data", nulls=nulls)
    yield from _warned(decoded.warnings, expected)


def _encode(codec: PayloadCodec, example: Example) -> Iterator[Difference]:
    command = example.input.get("data")
    if not isinstance(command, Mapping):
        raise BadInput("invalid_example", "its input has no table `data`")
    return _encoded(codec.encode(command, _variables(example.input)), example.expected)


def _encoded(encoded: Encoded, expected: Mapping[str, Json]) -> Iterator[Difference]:
    wanted = bytes_of(expected.get("bytes"))
    if wanted != encoded.data:
        yield Difference(f"bytes: {wanted.hex() or 'none'} -> {encoded.data.hex() or 'none'}")
    port = expected.get("fPort")
    yield from differences(port, encoded.f_port, "fPort")
    yield from _warned(encoded.warnings, expected)


def _normalize(codec: PayloadCodec, example: Example) -> Iterator[Difference]:
    if not isinstance(codec, Normalizer):
        raise BadInput("codec_no_function", "it has no normalized form")
    data = example.input.get("data")
    if not isinstance(data, Mapping):
        raise BadInput("invalid_example", "its input has no table `data`")
    wanted = example.expected.get("data")
    if wanted is None:
        wanted = []
    elif not isinstance(wanted, list):
        wanted = [wanted]
    return differences(wanted, list(codec.normalize(data)), "data")


_RUN: Mapping[Kind, Callable[[PayloadCodec, Example], Iterator[Difference]]] = {
    Kind.UPLINK: _uplink,
    Kind.DOWNLINK: _downlink,
    Kind.ENCODE: _encode,
    Kind.NORMALIZE: _normalize,
}


def _warned(warnings: tuple[str, ...], expected: Mapping[str, Json]) -> Iterator[Difference]:
    yield from differences(_texts(expected.get("warnings")), list(warnings), "warnings")


def _texts(raw: Json) -> list[str]:
    if raw is None:
        return []
    listed = raw if isinstance(raw, list) else [raw]
    return [text if isinstance(text, str) else json.dumps(text) for text in listed]


def frame_of(given: Mapping[str, Json]) -> Frame:
    """Return an example's input as a frame.

    Raises
    ------
    BadInput
        `invalid_example`: its bytes or its port are none.

    """
    return Frame(
        data=bytes_of(given.get("bytes")),
        f_port=_port(given.get("fPort")),
        time_s=_time_s(given.get("recvTime")),
        variables=_variables(given),
    )


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
    return bytes(_integer(value) & 0xFF for value in raw)


def _bytes_of_text(text: str) -> bytes:
    digits = re.sub(r"0[xX]|[\s:,\-]", "", text)
    if _HEX.fullmatch(digits):
        return bytes.fromhex(digits)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise BadInput("invalid_example", "its bytes are neither hex nor base64") from None


def _integer(value: Json) -> int:
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


def _port(raw: Json) -> int:
    if raw is None:
        return NO_PORT
    try:
        return _integer(raw)
    except BadInput:
        raise BadInput("invalid_example", f"{str(raw)[:40]!r} is no port") from None


def _time_s(raw: Json) -> float | None:
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


def _variables(given: Mapping[str, Json]) -> dict[str, str]:
    raw = given.get("variables")
    if not isinstance(raw, Mapping):
        return {}
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in raw.items()}
