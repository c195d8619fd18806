"""Muon (Jordan and others, 2024): momentum made orthogonal, for the matrices inside the blocks.

Every direction of a matrix gets a step of the same size, whatever its gradient's. The size is
scaled so that an entry moves as far as with AdamW (Liu and others, 2025: 0.2 sqrt(longer side)),
and one learning rate serves both.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_CUBIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
_ENTRY = 0.2


def orthogonal(gradient: Tensor) -> Tensor:
    """Return nearly U V' of the matrix's singular value decomposition, by Newton-Schulz rounds."""
    a, b, c = _CUBIC
    tall = gradient.shape[0] > gradient.shape[1]
    x = (gradient.mT if tall else gradient).bfloat16()  # the rounds forgive coarse numbers
    x = x / (x.norm() + 1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(gradient.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum with look-ahead, orthogonalized; decoupled weight decay."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "momentum": momentum})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self) -> None:  # type: ignore[override]
        """Move every matrix by its newest gradient."""
        for group in self.param_groups:
            for weights in group["params"]:
                state = self.state[weights]
                if "mean" not in state:
                    state["mean"] = torch.zeros_like(weights)
                mean = state["mean"]
                mean.lerp_(weights.grad, 1 - group["momentum"])
                ahead = weights.grad.lerp(mean, group["momentum"])
                size = _ENTRY * max(weights.shape) ** 0.5
                weights.mul_(1 - group["lr"] * group["decay"])
                weights.add_(orthogonal(ahead), alpha=-group["lr"] * size)
