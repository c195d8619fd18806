"""Turn an fp32 ONNX model into an int8 one in which no row of a batch touches another.

onnxruntime's own dynamic quantization takes one activation scale for the whole batch, so that a
window's verdict would depend on its neighbours. Two ways avoid that, both in standard operators:

- `token`: each token brings its own scale, found at run time (a rewrite of each MatMul)::

      scale = max|x| / 127        per token
      y = MatMulInteger(round(x / scale) + 128, W) * scale * weight_scale

- `static`: each MatMul has one fixed scale and zero point, found beforehand on calibration
  windows (a QuantizeLinear/DequantizeLinear pair, which onnxruntime turns into one kernel).

Weights are per output channel, symmetric, and use 7 bits (-63 to 63): on x86 processors without
VNNI two 8-bit products can saturate the 16-bit sum that the u8 x s8 instruction makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from models.runtime import quiet_options

Feed = Mapping[str, npt.NDArray[np.float32]]
LARGEST_WEIGHT = 63
CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


@dataclass(frozen=True, slots=True)
class Range:
    """How one activation is stored in 8 bits: x is about (q - zero) * scale."""

    scale: float
    zero: int


def weights_of(model: onnx.ModelProto, node: onnx.NodeProto) -> npt.NDArray[np.float32] | None:
    """Return the constant [K, N] right side of a MatMul, None when it is computed."""
    if node.op_type != "MatMul":
        return None
    for tensor in model.graph.initializer:
        if tensor.name == node.input[1]:
            array = numpy_helper.to_array(tensor)
            return array.astype(np.float32) if array.ndim == 2 else None  # noqa: PLR2004
    return None


def targets(model: onnx.ModelProto, sizes: Sequence[tuple[int, int]]) -> list[onnx.NodeProto]:
    """Return the MatMuls whose constant weights have one of these sizes [K, N]."""
    found = []
    for node in model.graph.node:
        weights = weights_of(model, node)
        if weights is not None and weights.shape in sizes:
            found.append(node)
    return found


def round_weights(
    weights: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return int8 [K, N] in -63..63 and the scale [N] of each output channel."""
    scale = np.maximum(np.abs(weights).max(0), 1e-12) / LARGEST_WEIGHT
    return np.round(weights / scale).astype(np.int8), scale.astype(np.float32)


def calibrate(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], feeds: Sequence[Feed]
) -> dict[str, Range]:
    """Return for each node's activation (by its tensor name) the range of least squared error."""
    names = sorted({node.input[0] for node in nodes})
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = ort.InferenceSession(probe.SerializeToString(), quiet_options())
    seen: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in names}
    for feed in feeds:
        for name, value in zip(names, session.run(names, dict(feed)), strict=True):
            seen[name].append(value.reshape(-1)[:: max(1, value.size // 50_000)])
    return {name: best_range(np.concatenate(parts)) for name, parts in seen.items()}


def best_range(x: npt.NDArray[np.float32]) -> Range:
    """Return the clipping of samples x [n] to 8 bits that loses least."""
    low, high = min(0.0, float(x.min())), max(0.0, float(x.max()), 1e-6)
    best, least = Range(1.0, 0), np.inf
    for clip in CLIPS:
        scale = max((high - low) * clip / 255, 1e-12)
        zero = int(np.clip(round(-low * clip / scale), 0, 255))
        q = np.clip(np.round(x / scale) + zero, 0, 255)
        error = float(np.mean(((q - zero) * scale - x) ** 2))
        if error < least:
            best, least = Range(float(np.float32(scale)), zero), error
    return best


def quantize_static(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], ranges: Mapping[str, Range]
) -> onnx.ModelProto:
    """Return a copy whose `nodes` are int8 with fixed activation ranges."""
    rewrite = Rewrite(model)
    for node in nodes:
        x, name, of = node.input[0], node.output[0], node.input[1]
        weights, scales = round_weights(rewrite.take(of))
        at = ranges[x]
        scale = rewrite.constant(f"{x}.scale", np.array(at.scale, np.float32))
        zero = rewrite.constant(f"{x}.zero", np.array(at.zero, np.uint8))
        w = rewrite.constant(f"{of}.int8", weights)
        w_scale = rewrite.constant(f"{of}.scale", scales)
        w_zero = rewrite.constant(f"{name}.w_zero", np.zeros(len(scales), np.int8))
        steps = [
            helper.make_node("QuantizeLinear", [x, scale, zero], [f"{name}.q"]),
            helper.make_node("DequantizeLinear", [f"{name}.q", scale, zero], [f"{name}.dq"]),
            helper.make_node("DequantizeLinear", [w, w_scale, w_zero], [f"{name}.wf"], axis=1),
            helper.make_node("MatMul", [f"{name}.dq", f"{name}.wf"], [name]),
        ]
        rewrite.replace(node, steps)
    return rewrite.done()


def quantize_token(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> onnx.ModelProto:
    """Return a copy whose `nodes` are int8 with one activation scale per token."""
    rewrite = Rewrite(model)
    axis = rewrite.constant("token.axis", np.array([-1], np.int64))
    tiny = rewrite.constant("token.tiny", np.array(1e-12, np.float32))
    full = rewrite.constant("token.full", np.array(1 / 127, np.float32))
    middle = rewrite.constant("token.middle", np.array(128, np.float32))
    zero = rewrite.constant("token.zero", np.array(128, np.uint8))
    for node in nodes:
        x, name, of = node.input[0], node.output[0], node.input[1]
        weights, scales = round_weights(rewrite.take(of))
        w = rewrite.constant(f"{of}.int8", weights)
        w_scale = rewrite.constant(f"{of}.scale", scales)
        n = [f"{name}.{part}" for part in "abcdefghij"]
        steps = [
            helper.make_node("Abs", [x], [n[0]]),
            helper.make_node("ReduceMax", [n[0], axis], [n[1]], keepdims=1),
            helper.make_node("Max", [n[1], tiny], [n[2]]),
            helper.make_node("Mul", [n[2], full], [n[3]]),
            helper.make_node("Div", [x, n[3]], [n[4]]),
            helper.make_node("Round", [n[4]], [n[5]]),
            helper.make_node("Add", [n[5], middle], [n[6]]),
            helper.make_node("Cast", [n[6]], [n[7]], to=TensorProto.UINT8),
            helper.make_node("MatMulInteger", [n[7], w, zero], [n[8]]),
            helper.make_node("Cast", [n[8]], [n[9]], to=TensorProto.FLOAT),
            helper.make_node("Mul", [n[9], n[3]], [f"{name}.k"]),
            helper.make_node("Mul", [f"{name}.k", w_scale], [name]),
        ]
        rewrite.replace(node, steps)
    return rewrite.done()


class Rewrite:
    """A copy of a model under change: constants are added, nodes replaced, leftovers dropped."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.swaps: dict[str, list[onnx.NodeProto]] = {}
        self.names: set[str] = set(self.arrays)

    def take(self, name: str) -> npt.NDArray[np.float32]:
        """Return a constant of the model."""
        return np.asarray(self.arrays[name], dtype=np.float32)

    def constant(self, name: str, value: npt.NDArray[np.generic]) -> str:
        """Add a constant once, and return its name."""
        if name not in self.names:
            self.names.add(name)
            self.model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def replace(self, node: onnx.NodeProto, steps: list[onnx.NodeProto]) -> None:
        """Put `steps` where `node` was."""
        self.swaps[node.output[0]] = steps

    def done(self) -> onnx.ModelProto:
        """Return the new model, checked."""
        graph = self.model.graph
        nodes = [step for node in graph.node for step in self.swaps.get(node.output[0], [node])]
        del graph.node[:]
        graph.node.extend(nodes)
        used = {name for node in nodes for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        onnx.checker.check_model(self.model, full_check=True)
        return self.model


def quantize(
    path: Path, out: Path, sizes: Sequence[tuple[int, int]], feeds: Sequence[Feed], kind: str
) -> None:
    """Write the int8 form of the model at `path`; `kind` is `static` or `token`."""
    model = onnx.load(path)
    nodes = targets(model, sizes)
    if not nodes:
        raise ValueError(f"{path} has no MatMul of the sizes {sorted(sizes)}")
    if kind == "static":
        small = quantize_static(model, nodes, calibrate(model, nodes, feeds))
    else:
        small = quantize_token(model, nodes)
    onnx.save(small, out)
