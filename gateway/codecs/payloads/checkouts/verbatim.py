"""An example through a codec that can be held to its very words: the whole output is compared.

A script's functions are given the example's input as it stands, so that a port that is not there is
`undefined` to it as in its makers' own runner. `recvTime` is a Date on a network server and a text
in those runners: where the one does not give what the example says, the other is tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

from gateway.codecs.payloads.checkouts.examples import Example, Kind
from gateway.codecs.payloads.checkouts.inputs import bytes_of, number_of, texts_of, time_s_of
from gateway.codecs.payloads.compare import (
    Difference,
    Outcome,
    Verdict,
    differences,
    verdict_of,
)
from gateway.errors import BadInput
from gateway.types import Json

_DIRECTION = {
    Kind.UPLINK: "uplink",
    Kind.DOWNLINK: "downlink",
    Kind.ENCODE: "encode",
    Kind.NORMALIZE: "normalize",
}
_RANK = (Outcome.EXACT, Outcome.CLOSE, Outcome.DIFFER, Outcome.FAILED)


@runtime_checkable
class Verbatim(Protocol):
    """A codec that gives exactly what its own functions return (JavaScript codecs do)."""

    def output(self, direction: str, message: Mapping[str, Json]) -> Json:
        """Return a function's output as JSON; raises `BadInput`."""
        ...


def judge_verbatim(codec: Verbatim, example: Example) -> Verdict:
    """Return the best verdict over the forms its `recvTime` may have."""
    try:
        messages = list(_messages(example))
    except BadInput as error:
        return Verdict(Outcome.FAILED, reason=str(error))
    best = Verdict(Outcome.FAILED)
    for message in messages:
        verdict = _judged(codec, example, message)
        if not best.reason or _RANK.index(verdict.outcome) < _RANK.index(best.outcome):
            best = verdict
        if best.outcome is Outcome.EXACT:
            break
    return best


def _messages(example: Example) -> Iterator[dict[str, Json]]:
    message = dict(example.input)
    if "bytes" in message:
        message["bytes"] = list(bytes_of(message["bytes"]))
    if (port := message.get("fPort")) is not None:
        message["fPort"] = number_of(port)
    message.setdefault("variables", {})
    given = message.pop("recvTime", None)
    if given is None:
        yield message
        return
    time_s = time_s_of(given)
    if time_s is not None:
        yield message | {"recvTime": round(time_s * 1000)}
    if isinstance(given, str):
        yield message | {"recvTime": {"text": given}}


def _judged(codec: Verbatim, example: Example, message: Mapping[str, Json]) -> Verdict:
    expected = example.expected
    try:
        output = codec.output(_DIRECTION[example.kind], message)
    except BadInput as error:
        return Verdict(Outcome.FAILED, reason=str(error))
    if not isinstance(output, Mapping):
        return Verdict(Outcome.FAILED, reason=f"the codec returns {json.dumps(output)[:40]}")
    wanted, got = texts_of(expected.get("errors")), texts_of(output.get("errors"))
    if wanted or got:
        return verdict_of(list(differences(wanted, got, "errors")))
    return verdict_of(list(_found(example.kind, expected, output)))


def _found(
    kind: Kind, expected: Mapping[str, Json], output: Mapping[str, Json]
) -> Iterator[Difference]:
    if kind is Kind.ENCODE:
        wanted, got = bytes_of(expected.get("bytes")), _bytes_given(output.get("bytes"))
        if wanted != got:
            yield Difference(f"bytes: {wanted.hex() or 'none'} -> {got.hex() or 'none'}")
        yield from differences(expected.get("fPort"), output.get("fPort"), "fPort")
    elif kind is Kind.NORMALIZE:
        yield from differences(_rows(expected.get("data")), _rows(output.get("data")), "data")
        return
    else:
        yield from differences(_table(expected.get("data")), _table(output.get("data")), "data")
    warned = texts_of(output.get("warnings"))
    yield from differences(texts_of(expected.get("warnings")), warned, "warnings")


def _bytes_given(raw: Json) -> bytes:
    return bytes_of(list(raw.values()) if isinstance(raw, Mapping) else raw)


def _table(data: Json) -> Json:
    return {} if data is None else data


def _rows(data: Json) -> Json:
    if data is None:
        return []
    return data if isinstance(data, list) else [data]
