"""A blend lies between two runs, and judges faults as the second does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models import blend, train
from models.config import CONFIGS
from models.network import Network

pytestmark = pytest.mark.train
TINY = CONFIGS["tiny"]


def run(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    record = {"config": {"name": "tiny"}, "seed": seed, "history": []}
    train.save(Network(TINY.shape), record, folder)
    return folder


def test_a_blend_is_a_run_that_names_both(tmp_path: Path) -> None:
    first, second = run(tmp_path / "first", 1), run(tmp_path / "second", 2)
    blend.run(first, second, 0.25, tmp_path / "out")
    made, one, other = (train.weights(at) for at in (tmp_path / "out", first, second))
    assert torch.allclose(
        made["read.weight"], 0.75 * one["read.weight"] + 0.25 * other["read.weight"]
    )
    assert torch.equal(made["embed.weight"], other["embed.weight"])
    _, record = train.load(tmp_path / "out")
    assert record["blend"]["share"] == 0.25
    assert record["blend"]["first"]["seed"] == 1


def test_what_the_first_run_lacks_is_the_seconds(tmp_path: Path) -> None:
    one, other = (train.weights(run(tmp_path / str(seed), seed)) for seed in (1, 2))
    del one["clean.weight"]
    assert torch.equal(blend.blend(one, other, 0.5)["clean.weight"], other["clean.weight"])


def test_a_run_goes_on_from_another_and_says_so(tmp_path: Path) -> None:
    start = run(tmp_path / "start", 3)
    network = Network(TINY.shape)
    train.begin_with(network, train.weights(start))
    assert torch.equal(network.state_dict()["read.weight"], train.weights(start)["read.weight"])
    assert train.ancestor(start)["seed"] == 3
    assert "history" not in train.ancestor(start)
