"""Blend two runs of one shape: `python -m models.blend --first RUN --second RUN --out RUN`.

A run that went on from another (`--start`) lies near enough that the mean of both sets of weights
works, and better than either (Wortsman and others, 2022: model soups). What only judges the newest
sample and the window as a whole is taken from the second.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from models import train

JUDGING = frozenset({"weigh", "doubt", "flag", "embed", "embed_newest", "sketch", "kind"})


def blend(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Return weights, `share` of them the second's; what the first lacks is all the second's."""

    def one(name: str, weights: Tensor) -> Tensor:
        before = first.get(name)
        judging = name.split(".", maxsplit=1)[0] in JUDGING
        if judging or before is None or before.shape != weights.shape:
            return weights
        return torch.lerp(before, weights, share)

    return {name: one(name, weights) for name, weights in second.items()}


def run(first: Path, second: Path, share: float, out: Path) -> None:
    """Write the blend of two runs as a run: weights, and the second's record with both named."""
    network, record = train.load(second)
    network.load_state_dict(blend(train.weights(first), train.weights(second), share))
    parts = {"first": train.ancestor(first), "second": train.ancestor(second)}
    train.save(network, {**record, "blend": {"share": share, **parts}}, out)


def main() -> None:
    """Blend from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=Path, required=True)
    parser.add_argument("--second", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    run(options.first, options.second, options.share, options.out)


if __name__ == "__main__":
    main()
