"""Export the network to one ONNX file with the gateway's input and output names."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch

from models.lora_graph import add_pairs, name_weights
from models.network import Network

INPUTS = ("values", "mask", "clock")
OUTPUTS = ("quantiles", "reconstruction", "embedding")
OPSET = 18


def export(network: Network, path: Path) -> None:
    """Write the network as fp32 ONNX: opset 18, symbolic batch `B`, weights inside the file.

    The name, shape and type of every input and output are stated in the graph; notes of the
    exporter (source lines, module paths) are taken out. Beside the linear layers stand low-rank
    pairs for adapters, of rank 0 unless an adapter fills them.
    """
    network = network.eval()
    example = (
        torch.randn(3, network.shape.context),
        torch.ones(3, network.shape.context),
        torch.tensor([[0.5, 0.01]]).repeat(3, 1),
    )
    batch = torch.export.Dim("B", min=1, max=4096)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            network,
            example,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            dynamic_shapes=tuple({0: batch} for _ in INPUTS),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter returned no program")
    model = name_weights(tidy(program.model_proto), network)
    model = add_pairs(model, network.shape.layers)
    onnx.save(model, path, save_as_external_data=False)


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without the exporter's notes, so that equal weights give equal bytes."""
    del model.graph.value_info[:]
    del model.metadata_props[:]
    del model.functions[:]
    model.producer_name, model.producer_version, model.doc_string = "", "", ""
    model.graph.name = "gateway"
    model.graph.doc_string = ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]
    onnx.checker.check_model(model)
    return model
