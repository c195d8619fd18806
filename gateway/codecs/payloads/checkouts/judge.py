"""Runs one example through a codec and says what became of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from gateway.codecs.payloads.checkouts.examples import Example, Kind
from gateway.codecs.payloads.checkouts.inputs import (
    bytes_of,
    number_of,
    texts_of,
    time_s_of,
    variables_of,
)
from gateway.codecs.payloads.checkouts.verbatim import Verbatim, judge_verbatim
from gateway.codecs.payloads.compare import (
    Difference,
    Outcome,
    Verdict,
    differences,
    verdict_of,
)
from gateway.codecs.payloads.contract import Decoded, Encoded, Frame, PayloadCodec
from gateway.errors import BadInput
from gateway.types import Json

NO_PORT = 0
"""The port of an example that names none: no codec matches it, as none matches `undefined`."""

_JOINTS = re.compile(r"[\s;,|]+")
_DETAIL = 200


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
    if isinstance(codec, Verbatim):
        return judge_verbatim(codec, example)
    try:
        found = list(_RUN[example.kind](codec, example))
    except BadInput as error:
        return _of_error(error, example.expected)
    if errors := texts_of(example.expected.get("errors")):
        line = f"errors: {json.dumps(errors, ensure_ascii=False)} -> none"
        return Verdict(Outcome.DIFFER, (line,))
    return verdict_of(found)


def _of_error(error: BadInput, expected: Mapping[str, Json]) -> Verdict:
    """Return EXACT where the example expects these very errors; a layout's are its reasons."""
    texts = texts_of(expected.get("errors"))
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
    return _encoded(codec.encode(command, variables_of(example.input)), example.expected)


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
    yield from differences(texts_of(expected.get("warnings")), list(warnings), "warnings")


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
        time_s=time_s_of(given.get("recvTime")),
        variables=variables_of(given),
    )


def _port(raw: Json) -> int:
    if raw is None:
        return NO_PORT
    try:
        return number_of(raw)
    except BadInput:
        raise BadInput("invalid_example", f"{str(raw)[:40]!r} is no port") from None
