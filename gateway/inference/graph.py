"""What an ONNX file asks of its runtime, read from its bytes alone: no `onnx` on the device.

Only the fields needed are looked at (onnx.proto3: ModelProto, GraphProto, NodeProto, TensorProto,
AttributeProto, OperatorSetIdProto); all others are skipped by their length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.errors import BadInput

STANDARD = frozenset({"", "ai.onnx", "com.microsoft"})
"""Operator sets that every ONNX Runtime brings along."""

_VARINT, _WORD64, _BYTES, _WORD32 = 0, 1, 2, 5
_DEEPEST = 8
_IMPORTS, _GRAPH = 8, 7
_NODE, _INITIALIZER = 1, 5
_OP_TYPE, _ATTRIBUTE, _DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH = 5, 6
_DATA_LOCATION, _EXTERNAL = 14, 1
_SET_DOMAIN, _SET_VERSION = 1, 2

Field = tuple[int, int | bytes]


@dataclass(frozen=True, slots=True)
class Graph:
    """`opset` is the standard operators' version; `custom` names operators of other sets."""

    opset: int
    custom: tuple[str, ...]
    external: bool


def read_graph(content: bytes) -> Graph:
    """Look through an ONNX file.

    Raises
    ------
    BadInput
        `not_onnx`: the bytes are no such message.

    """
    try:
        return _model(content)
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        raise BadInput("not_onnx", f"not an ONNX file: {error}") from error


def _model(content: bytes) -> Graph:
    versions: dict[str, int] = {}
    custom: set[str] = set()
    external = False
    for number, value in _fields(content):
        if number == _IMPORTS:
            entry = dict(_fields(_bytes(value)))
            version = entry.get(_SET_VERSION, 0)
            versions[_text(entry.get(_SET_DOMAIN, b""))] = (
                version if isinstance(version, int) else 0
            )
        elif number == _GRAPH:
            external |= _walk(_bytes(value), custom, _DEEPEST)
    opset = max(versions.get("", 0), versions.get("ai.onnx", 0))
    if not opset:
        raise ValueError("it names no operator set")
    return Graph(opset, tuple(sorted(custom)), external)


def _walk(graph: bytes, custom: set[str], depth: int) -> bool:
    """Note a graph's custom operators; return whether any weights lie outside the file."""
    if not depth:
        raise ValueError("graphs within graphs")
    external = False
    for number, value in _fields(graph):
        if number == _NODE:
            external |= _node(_bytes(value), custom, depth)
        elif number == _INITIALIZER:
            external |= _outside(_bytes(value))
    return external


def _node(node: bytes, custom: set[str], depth: int) -> bool:
    domain, operator, external = "", "", False
    for number, value in _fields(node):
        if number == _DOMAIN:
            domain = _text(value)
        elif number == _OP_TYPE:
            operator = _text(value)
        elif number == _ATTRIBUTE:
            for part, inner in _fields(_bytes(value)):
                if part == _ATTRIBUTE_TENSOR:
                    external |= _outside(_bytes(inner))
                elif part == _ATTRIBUTE_GRAPH:
                    external |= _walk(_bytes(inner), custom, depth - 1)
    if domain not in STANDARD:
        custom.add(f"{domain}.{operator}"[:80])
    return external


def _outside(tensor: bytes) -> bool:
    return any(number == _DATA_LOCATION and value == _EXTERNAL for number, value in _fields(tensor))


def _fields(message: bytes) -> Iterator[Field]:
    """Yield field numbers and values of one protobuf message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _varint(message, at)
            yield key >> 3, number
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        elif kind in {_WORD32, _WORD64}:
            size = 4 if kind == _WORD32 else 8
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(message):
            raise ValueError("it ends too early")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the high bit says that more follows
            return value, at
    raise ValueError("a number of more than 64 bits")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")  # noqa: TRY004 - bad data, no bug
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode()
