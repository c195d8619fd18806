"""Muon's steps have the same size in every direction."""

from __future__ import annotations

import pytest
import torch

from models.muon import Muon, orthogonal

pytestmark = pytest.mark.train


@pytest.mark.parametrize("shape", [(8, 32), (32, 8)])
def test_all_singular_values_become_about_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    gradient = torch.diag(torch.logspace(-0.5, 0.5, shape[0])) @ torch.randn(shape)
    sizes = torch.linalg.svdvals(orthogonal(gradient))
    assert float(sizes.min()) > 0.5
    assert float(sizes.max()) < 1.4
    assert orthogonal(gradient).shape == shape


def test_a_gradients_size_does_not_matter() -> None:
    gradient = torch.randn(8, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        orthogonal(gradient), orthogonal(gradient * 2.0**13), rtol=0.02, atol=0.02
    )


def test_steps_go_downhill() -> None:
    torch.manual_seed(2)
    weights, wanted = torch.nn.Parameter(torch.zeros(8, 8)), torch.randn(8, 8)
    muon = Muon([weights], 0.05, 0.0)
    off = [((weights - wanted).detach().square().mean()).item()]
    for _ in range(200):
        weights.grad = (weights - wanted).detach()
        muon.step()
        off.append(((weights - wanted).detach().square().mean()).item())
    assert off[-1] < 0.1 * off[0]
