"""Low-rank pairs in the ONNX graph: inputs with a default of rank 0, which changes nothing.

::

    x --+-- MatMul W (int8 or fp32) ---- Add bias --+-- Add -- y
        |                                           |
        +-- MatMul A [in, R] -- MatMul B [R, out] --+

ONNX Runtime's adapters can fill only what is both a graph input and an initializer. The runtime
makes the products of rank 0 zeros, so that without an adapter every bit is as before.

Weights are named after the network's parameters (`blocks.0.qkv.weight.T`), so that `thaw` can make
the network of a pack again where nobody kept the file of its training.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from models.config import Shape
from models.lora import A, B, layers
from models.network import Network

RANK = "R"
TURNED, INT8, SCALE = ".T", ".int8", ".scale"
"""Endings: a weight as MatMul takes it [in, out]; its 8 bits; the scale of each output."""

_WEIGHT = re.compile(r"(?P<layer>.+)\.weight\.T(\.int8)?$")
Array = npt.NDArray[np.float32]


def name_weights(model: onnx.ModelProto, network: Network) -> onnx.ModelProto:
    """Name the constants that the exporter made of turned weights; found by their values."""
    turned = {
        value.detach().numpy().T.tobytes(): f"{name}{TURNED}"
        for name, value in network.state_dict().items()
        if value.dim() == 2  # noqa: PLR2004 - a matrix
    }
    fresh = {
        tensor.name: turned[content]
        for tensor in model.graph.initializer
        if len(tensor.dims) == 2  # noqa: PLR2004 - a matrix
        and (content := numpy_helper.to_array(tensor).tobytes()) in turned
    }
    for tensor in model.graph.initializer:
        tensor.name = fresh.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.input[:] = [fresh.get(name, name) for name in node.input]
    return model


def add_pairs(model: onnx.ModelProto, blocks: int) -> onnx.ModelProto:
    """Return the fp32 model with a pair beside each layer that `lora.layers` names.

    Raises
    ------
    ValueError
        A layer is not found: its weights have no name, or no bias is added to it.

    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    sizes = {t.name: tuple(t.dims) for t in graph.initializer}
    products = {
        found["layer"]: node
        for node in graph.node
        if node.op_type == "MatMul" and (found := _WEIGHT.match(node.input[1]))
    }
    for layer in layers(blocks):
        if layer not in products:
            raise ValueError(f"the graph has no MatMul with the weights of {layer}")
        _add_pair(graph, layer, products[layer], sizes)
    onnx.checker.check_model(made)
    return made


def _add_pair(
    graph: onnx.GraphProto,
    layer: str,
    product: onnx.NodeProto,
    sizes: Mapping[str, tuple[int, ...]],
) -> None:
    width, out = sizes[product.input[1]]
    at, bias = next(
        ((at, n) for at, n in enumerate(graph.node) if product.output[0] in n.input),
        (0, product),
    )
    if bias.op_type != "Add":
        raise ValueError(f"no bias is added to {layer}")
    a, b = f"{layer}.{A}", f"{layer}.{B}"
    for name, empty, shape in ((a, (width, 0), [width, RANK]), (b, (0, out), [RANK, out])):
        graph.initializer.append(numpy_helper.from_array(np.zeros(empty, np.float32), name))
        graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    y, plain = bias.output[0], f"{layer}.plain"
    bias.output[0] = plain
    beside = [
        helper.make_node("MatMul", [product.input[0], a], [f"{layer}.narrow"]),
        helper.make_node("MatMul", [f"{layer}.narrow", b], [f"{layer}.wide"]),
        helper.make_node("Add", [plain, f"{layer}.wide"], [y]),
    ]
    rest = list(graph.node)[at + 1 :]
    del graph.node[at + 1 :]
    graph.node.extend([*beside, *rest])


def windows_of(model: onnx.ModelProto) -> Sequence[onnx.ValueInfoProto]:
    """Return the inputs that every call must bring: those without a default."""
    defaults = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in defaults]


def thaw(graph: bytes, shape: Shape) -> Network:
    """Return the network that a pack's graph was made of, its 8-bit weights as they now are.

    What only training asks of it is not in a graph, and is as good as random.

    Raises
    ------
    ValueError
        The graph lacks a weight: it was exported before they had names, or is another network's.

    """
    model = onnx.load_model_from_string(graph)
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    network = Network(shape)
    weights = network.state_dict()
    for name, value in weights.items():
        if name.startswith(("sketch.", "kind.", "flag.")):
            continue
        array = _stored(stored, name, tuple(value.shape))
        if array is None or array.shape != tuple(value.shape):
            raise ValueError(f"the graph holds no {name} of shape {tuple(value.shape)}")
        weights[name] = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
    network.load_state_dict(weights)
    network.eval()
    return network


def _stored(stored: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array | None:
    turned = name + TURNED
    if turned + INT8 in stored:
        return (stored[turned + INT8].astype(np.float32) * stored[turned + SCALE]).T
    if turned in stored:
        found = stored[turned]
        return found if 1 in shape and found.shape == shape else found.T  # a row is not turned
    return stored.get(name)
