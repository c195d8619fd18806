"""ONNX files written by hand, for graphs that no exporter makes: broken, slow, or full of NaN.

Field numbers are those of onnx.proto3 (ModelProto, GraphProto, NodeProto, AttributeProto,
TensorProto, ValueInfoProto).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

_FLOAT, _INT64 = 1, 7
_ATTRIBUTE_INT, _ATTRIBUTE_TENSOR = 2, 4


def varint(number: int) -> bytes:
    """Return a protobuf varint."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def entry(number: int, content: bytes | str | int) -> bytes:
    """Return one protobuf field."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    raw = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def tensor(name: str, value: np.ndarray, *, external: bool = False) -> bytes:
    """Return a TensorProto; an external one keeps its data in a file beside the model."""
    kind = _FLOAT if value.dtype == np.float32 else _INT64
    head = b"".join(entry(1, size) for size in value.shape) + entry(2, kind) + entry(8, name)
    if external:
        return head + entry(13, entry(1, "location") + entry(2, "weights.bin")) + entry(14, 1)
    return head + entry(9, value.tobytes())


def node(
    operator: str, inputs: Sequence[str], output: str, *, domain: str = "", **ints: int
) -> bytes:
    """Return a NodeProto with integer attributes."""
    attributes = b"".join(
        entry(5, entry(1, name) + entry(3, value) + entry(20, _ATTRIBUTE_INT))
        for name, value in ints.items()
    )
    named = b"".join(entry(1, name) for name in inputs) + entry(2, output)
    return named + entry(4, operator) + attributes + (entry(7, domain) if domain else b"")


def _value(name: str, sizes: Sequence[int]) -> bytes:
    dims = entry(1, entry(2, "B")) + b"".join(entry(1, entry(1, size)) for size in sizes)
    return entry(1, name) + entry(2, entry(1, entry(1, _FLOAT) + entry(2, dims)))


@dataclass
class OnnxFile:
    """A model of the pack's contract that answers zeros: what is added makes it go wrong."""

    inputs: dict[str, tuple[int, ...]] = field(
        default_factory=lambda: {"values": (512,), "mask": (512,), "clock": (2,)}
    )
    nodes: list[bytes] = field(default_factory=list)
    weights: list[bytes] = field(default_factory=list)
    opset: int = 18
    domains: tuple[str, ...] = ()
    seed: str = "still"
    """The [B, 1] tensor of zeros that every output is made of."""

    def content(self) -> bytes:
        """Return the file."""
        shapes = {"quantiles": (96, 11), "reconstruction": (512,), "embedding": (32,)}
        nodes, weights = [*self._still(), *self.nodes], list(self.weights)
        for name, shape in shapes.items():
            size = int(np.prod(shape))
            weights += [
                tensor(f"{name}.w", np.zeros((1, size), np.float32) + 1),
                tensor(f"{name}.s", np.array([-1, *shape], np.int64)),
            ]
            nodes += [
                node("MatMul", [self.seed, f"{name}.w"], f"{name}.flat"),
                node("Reshape", [f"{name}.flat", f"{name}.s"], name),
            ]
        graph = b"".join(entry(1, one) for one in nodes) + entry(2, "graph")
        graph += b"".join(entry(5, one) for one in weights)
        graph += b"".join(entry(11, _value(*one)) for one in self.inputs.items())
        graph += b"".join(entry(12, _value(*one)) for one in shapes.items())
        sets = [("", self.opset), *((domain, 1) for domain in self.domains)]
        imports = b"".join(
            entry(8, (entry(1, domain) if domain else b"") + entry(2, version))
            for domain, version in sets
        )
        return entry(1, 8) + imports + entry(7, graph)

    def _still(self) -> list[bytes]:
        self.weights.append(tensor("column", np.zeros((512, 1), np.float32)))
        return [node("MatMul", ["values", "column"], "still")]


def floats(*values: float) -> np.ndarray:
    """Return a float32 array."""
    return np.frombuffer(struct.pack(f"<{len(values)}f", *values), np.float32)
