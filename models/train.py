"""Train the network: `python -m models.train --config small --data DIR --out DIR`.

Writes `weights.pt` (the averaged weights) and `training.json` (settings, seed, data identity,
commit, losses). Without `--data`, only invented data is used.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's own name for it

from models import batches, data
from models.batches import Batch
from models.config import CONFIGS, Config
from models.muon import Muon
from models.network import Network, normalize

WEIGHTS = {"forecast": 1.0, "clean": 0.5, "sketch": 0.2, "kind": 0.1, "faulty": 0.6, "flags": 2.0}


def pinball(z: Tensor, target: Tensor, levels: Tensor) -> Tensor:
    """Return the quantile loss [B, H] of z [B, H, Q] against target [B, H]."""
    error = target[:, :, None] - z
    return torch.maximum(levels * error, (levels - 1) * error).mean(2) * 2


def losses(network: Network, batch: Batch, levels: Tensor) -> dict[str, Tensor]:
    """Return the losses by name, in normalized units.

    The forecast is weighed by how far the channel may go, so that a smooth channel's next step
    is worth learning as much as a wild one's; a future far outside is counted as just outside.
    """
    normal = normalize(batch.values, batch.mask)
    z, cleaned, embedding, doubts = network.think(normal, batch.clock)
    target = normal.forward(batch.future).clamp(-8, 8)
    _, pace = network.footing(normal)
    weight = batch.future_mask / network.reach(pace).clamp(min=0.02) ** 0.5
    forecast = (pinball(z, target, levels) * weight).sum() / batch.future_mask.sum().clamp(min=1)
    wanted = normal.forward(batch.clean).clamp(-8, 8)
    off = F.smooth_l1_loss(cleaned, wanted, beta=0.1, reduction="none") * batch.known
    sketch, kind = network.sketch(embedding), network.kind(embedding)
    patches = (wanted * batch.known).view(len(wanted), network.shape.past, -1)
    coarse = torch.cat([patches.mean(2), patches.std(2)], dim=1)
    seen = batch.mask[:, -1]
    each = F.binary_cross_entropy_with_logits(doubts, batch.flags, reduction="none") * batch.mask
    guess = F.binary_cross_entropy_with_logits(embedding[:, 0], batch.faulty, reduction="none")
    return {
        "forecast": forecast,
        "clean": off.sum() / batch.known.sum().clamp(min=1),
        "sketch": F.smooth_l1_loss(sketch, coarse, beta=0.3),
        "kind": F.cross_entropy(kind, batch.kind),
        "faulty": (guess * seen).sum() / seen.sum().clamp(min=1),
        "flags": each.sum() / batch.mask.sum().clamp(min=1),
    }


def total(parts: Mapping[str, Tensor]) -> Tensor:
    """Return the one number that is lowered."""
    return sum((weight * parts[name] for name, weight in WEIGHTS.items()), torch.zeros(()))


def rate(config: Config, step: int, spent: float = 0.0) -> float:
    """Return the learning rate: a short rise, then a cosine to a fiftieth.

    The cosine follows the steps done, or the share of the time `spent` where that is more.
    """
    if step < config.warmup:
        return config.peak_rate * (step + 1) / config.warmup
    done = max(step / config.steps, min(spent, 1.0))
    return config.peak_rate * (0.02 + 0.49 * (1 + math.cos(math.pi * done)))


def optimizers(network: Network, config: Config) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the blocks and AdamW for all else; only matrices decay."""
    inner = {id(p): p for p in network.blocks.parameters() if p.dim() == 2 and config.muon}  # noqa: PLR2004
    outer = [p for p in network.parameters() if id(p) not in inner]
    groups = [
        {"params": [p for p in outer if p.dim() == 2], "weight_decay": config.weight_decay},  # noqa: PLR2004
        {"params": [p for p in outer if p.dim() != 2], "weight_decay": 0.0},  # noqa: PLR2004
    ]
    made: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=config.peak_rate, betas=(0.9, 0.98))
    ]
    if inner:
        made.append(Muon(list(inner.values()), config.peak_rate, config.weight_decay))
    return made


def train(
    config: Config, pool: batches.Pool, rng: np.random.Generator, start: Path | None = None
) -> tuple[Network, list[dict[str, float]], float]:
    """Return the averaged network, the smoothed losses every 100 steps, and the seconds taken.

    It ends after `config.steps`, or after `config.seconds` on a machine too slow for them. With
    `start`, a finished run's folder, it begins with that run's weights.
    """
    torch.manual_seed(config.seed)
    network = Network(config.shape).train()
    if start is not None:
        begin_with(network, weights(start))
    network.fast = config.fast
    steady = copy.deepcopy(network)
    levels = torch.tensor(config.shape.quantiles)
    steppers, began = optimizers(network, config), time.perf_counter()
    history: list[dict[str, float]] = []
    running: dict[str, float] = {}
    for step in range(config.steps):
        seconds = time.perf_counter() - began
        if seconds > config.seconds:
            break
        for group in (group for stepper in steppers for group in stepper.param_groups):
            group["lr"] = rate(config, step, seconds / config.seconds)
        parts = losses(network, batches.draw(pool, config, rng), levels)
        network.zero_grad(set_to_none=True)
        torch.autograd.backward(total(parts))
        nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        for stepper in steppers:
            stepper.step()
        follow(steady, network, min(config.average, (step + 1) / (step + 20)))
        for key, value in parts.items():
            running[key] = 0.99 * running.get(key, value.item()) + 0.01 * value.item()
        if step % 100 == 0 or step == config.steps - 1:
            history.append({"step": step, **running})
            shown = " ".join(f"{key} {value:.4f}" for key, value in running.items())
            print(f"{step:6d} {seconds:6.0f} s  {shown}", flush=True)
    return steady.eval(), history, time.perf_counter() - began


def begin_with(network: Network, given: Mapping[str, Tensor]) -> None:
    """Take over the weights that fit by name and shape; the rest stay as drawn."""
    own = network.state_dict()
    fitting = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
    network.load_state_dict({**own, **fitting})


def follow(steady: nn.Module, network: nn.Module, keep: float) -> None:
    """Move the averaged weights towards the present ones."""
    with torch.no_grad():
        for mean, now in zip(steady.parameters(), network.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)


def commit() -> str:
    """Return the commit that this code is at, "" outside a repository."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the trainer has
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def save(network: Network, record: dict[str, Any], out: Path) -> None:
    """Write weights and record."""
    out.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), out / "weights.pt")
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n")


def weights(run: Path) -> dict[str, Tensor]:
    """Return a finished run's weights."""
    loaded: dict[str, Tensor] = torch.load(run / "weights.pt", weights_only=True)
    return loaded


def load(out: Path) -> tuple[Network, dict[str, Any]]:
    """Return the trained network, ready for use, and its record."""
    record: dict[str, Any] = json.loads((out / "training.json").read_text())
    network = Network(CONFIGS[record["config"]["name"]].shape)
    network.load_state_dict(weights(out))
    return network.eval(), record


def ancestor(start: Path) -> dict[str, Any]:
    """Return what is recorded of the run whose weights are begun with: its own record, and them."""
    record: dict[str, Any] = json.loads((start / "training.json").read_text())
    digest = hashlib.sha256((start / "weights.pt").read_bytes()).hexdigest()
    return {"weights": digest, **{key: record[key] for key in record if key != "history"}}


def run(
    config: Config, folder: Path | None, out: Path, start: Path | None = None
) -> dict[str, Any]:
    """Build the data, train, save weights and record into `out`, and return the record."""
    code = commit()  # before the work: later the repository may be elsewhere
    rng = np.random.default_rng(config.seed)
    pool = batches.build(config, folder, rng)
    print(f"{len(pool.values)} windows, {pool.invented} of them invented", flush=True)
    network, history, seconds = train(config, pool, rng, start)
    record = {
        "config": asdict(config),
        "seed": config.seed,
        "data": data.identity(folder) if folder else {},
        "commit": code,
        "seconds": round(seconds, 1),
        "parameters": sum(p.numel() for p in network.parameters()),
        **({"start": ancestor(start)} if start else {}),
        "history": history,
    }
    save(network, record, out)
    return record


def main() -> None:
    """Run one training from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", choices=CONFIGS, default="small")
    parser.add_argument("--data", type=Path, help="folder of recordings; none: invented data only")
    parser.add_argument("--out", type=Path, default=Path("models/runs/small"))
    parser.add_argument("--start", type=Path, help="a finished run whose weights to begin with")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seconds", type=float, help="at most so long, instead of the configured")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = CONFIGS[options.config]
    seed = config.seed if options.seed is None else options.seed
    seconds = config.seconds if options.seconds is None else options.seconds
    run(replace(config, seed=seed, seconds=seconds), options.data, options.out, options.start)


if __name__ == "__main__":
    main()
