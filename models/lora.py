"""Low-rank pairs beside the network's linear layers: what an adapter consists of.

A layer y = x W + b becomes y = x W + b + (x A) B with A [in, rank] and B [rank, out], where only A
and B are learned (LoRA: Hu et al., arXiv 2106.09685). B begins at zero, so that an untrained
adapter changes nothing. Names are those of the graph's inputs: `blocks.0.qkv.lora_a`.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.network import Network

INNER = ("qkv", "out", "up", "down")
OUTER = ("read", "ask", "foretell")
"""What reads samples and days before, and what writes quantiles: a site's ranges live there."""

A, B = "lora_a", "lora_b"
Pairs = dict[str, npt.NDArray[np.float32]]


def layers(blocks: int) -> tuple[str, ...]:
    """Return the dotted names of the linear layers that have a pair."""
    inner = (f"blocks.{at}.{name}" for at in range(blocks) for name in INNER)
    return (*OUTER, *inner)


class LowRank(nn.Module):
    """A frozen linear layer with a pair beside it."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear
        self.a = nn.Parameter(torch.randn(linear.in_features, rank) / math.sqrt(linear.in_features))
        self.b = nn.Parameter(torch.zeros(rank, linear.out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., out] of x [..., in]."""
        made: Tensor = self.linear(x) + (x @ self.a) @ self.b
        return made


def attach(network: Network, rank: int) -> Network:
    """Return a copy whose pairs alone can learn."""
    adapted = copy.deepcopy(network)
    for parameter in adapted.parameters():
        parameter.requires_grad_(requires_grad=False)
    for name in layers(adapted.shape.layers):
        holder, _, last = name.rpartition(".")
        parent = adapted.get_submodule(holder)
        setattr(parent, last, LowRank(getattr(parent, last), rank))
    return adapted


def pairs(adapted: Network) -> Pairs:
    """Return the pairs of an adapted network by their names in the graph."""
    found: Pairs = {}
    for name, module in adapted.named_modules():
        if isinstance(module, LowRank):
            found[f"{name}.{A}"] = module.a.detach().numpy().astype(np.float32)
            found[f"{name}.{B}"] = module.b.detach().numpy().astype(np.float32)
    return found
