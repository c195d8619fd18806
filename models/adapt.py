"""Train an adapter on one site's history: `python -m models.adapt HISTORY.csv --name NAME …`.

HISTORY.csv has the columns device, channel, time (POSIX seconds) and value; `lora-gateway models
adapt` makes it of a table or of the gateway's store. The base stays as it is; low-rank pairs beside
its layers learn what they can before the end of the history, which is held back. On that end base
and adapter are compared as the gateway runs them, int8, and the file is written only where the
adapter is better. Exit status 0: written; 1: not better, or nothing to learn from.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gateway.config import InferenceConfig
from gateway.inference import BUILTIN, Detector, Model, Pack, read_pack
from gateway.inference.manifest import Comparison, HeldBack, Serves
from gateway.inference.pack import open_model
from gateway.inference.session import OnnxModel
from gateway.types import Channel, DevEui, Status, Warming, Window
from gateway.windows import WindowBank
from models import adapter_file, batches, forecasts, history, lora
from models.adapter_file import Made
from models.config import Shape
from models.data import Series
from models.history import Windows
from models.lora_graph import thaw
from models.network import Network

PARTIAL = (0.5, 1.0)
"""How far to go from the base towards what was learned: less forgets less of what is general."""

CLEAN, ODDS = 0.1, 0.02
"""Weights of reconstruction and fault odds beside the forecast."""

WARM, JUDGED, CHANNELS = 600, 1500, 6
"""Alarms are counted on so many samples of so many channels, after as many to get used to them."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an adapter is trained. `hide` is the share of windows of which parts are hidden."""

    rank: int = 8
    steps: int = 300
    batch: int = 32
    peak_rate: float = 1e-3
    warmup: int = 30
    hide: float = 0.3
    look_every: int = 60
    pool: int = 5000
    settled: int = 12
    held_back: int = 24
    seed: int = 1


def rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate: a short rise, then a cosine to nothing."""
    rise = min(1.0, (step + 1) / recipe.warmup)
    return recipe.peak_rate * rise * 0.5 * (1 + float(np.cos(np.pi * step / recipe.steps)))


def loss(adapted: Network, base: Network, seen: Windows, mask: batches.Float) -> Tensor:
    """Return what is lowered: quantile loss, and what keeps reconstruction and fault odds right.

    All in the channel's own unit, since that is what a forecast is judged by; a window counts for
    at most 20. Nobody says which of a site's samples are faults: the odds stay as the base's.
    """
    past = np.nan_to_num(seen.past)
    fed = [batches.tensor(array) for array in (past * mask, mask, seen.clock)]
    quantiles, cleaned, embedding = adapted(*fed)
    with torch.no_grad():
        odds = base(*fed)[2][:, 0]
    unit = batches.tensor(seen.unit)
    levels = torch.tensor(adapted.shape.quantiles)
    off = (batches.tensor(np.nan_to_num(seen.future))[:, :, None] - quantiles) / unit[:, :, None]
    there = batches.tensor(np.isfinite(seen.future))
    each = 2 * torch.maximum(levels * off, (levels - 1) * off).mean(2) * there
    forecast = (each.sum(1) / there.sum(1).clamp(min=1)).clamp(max=20).mean()
    known = batches.tensor(np.isfinite(seen.past) & np.maximum.accumulate(mask > 0, axis=1))
    wrong = ((batches.tensor(past) - cleaned) / unit).abs().clamp(max=20) * known
    reconstruction = wrong.sum() / known.sum().clamp(min=1)
    moved = (embedding[:, 0] - odds).abs().mean()
    total: Tensor = forecast + CLEAN * reconstruction + ODDS * moved
    return total


def pinball(quantiles: batches.Float, seen: Windows) -> dict[int, float]:
    """Return the mean quantile loss of each series by its number, in its own unit."""
    each = np.nanmean(forecasts.pinball(quantiles, seen.future), axis=1) / seen.unit[:, 0]
    return {int(row): float(np.mean(each[seen.row == row])) for row in np.unique(seen.row)}


def foretold(network: Network, seen: Windows) -> batches.Float:
    """Return the network's quantiles [n, H, Q]."""
    past, mask = np.nan_to_num(seen.past), np.isfinite(seen.past)
    with torch.no_grad():
        parts = [
            network(*(batches.tensor(a[i : i + 64]) for a in (past, mask, seen.clock)))[0].numpy()
            for i in range(0, len(past), 64)
        ]
    return np.concatenate(parts)


def scaled(adapted: Network, share: float) -> Network:
    """Return an adapted network that goes only a share of the way from its base."""
    made = copy.deepcopy(adapted)
    for module in made.modules():
        if isinstance(module, lora.LowRank):
            module.b.data *= share
    return made


def fit(base: Network, learned: Windows, settled: Windows, recipe: Recipe) -> tuple[Network, float]:
    """Return the adapted network that was best on `settled`, and its loss over the base's there.

    The loss is 1.0 and the pairs do nothing where no step of training was better than the base.
    """
    rng = np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)
    adapted = lora.attach(base, recipe.rank)
    pairs = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    stepper = torch.optim.AdamW(pairs, recipe.peak_rate, betas=(0.9, 0.98), weight_decay=0.0)
    before = _overall(foretold(base, settled), settled)
    best, least = copy.deepcopy(adapted).eval(), before
    for step in range(recipe.steps):
        for group in stepper.param_groups:
            group["lr"] = rate(recipe, step)
        drawn = learned.take(rng.integers(len(learned.row), size=recipe.batch))
        adapted.train()
        adapted.fast = True
        stepper.zero_grad()
        torch.autograd.backward(loss(adapted, base, drawn, shown(drawn, recipe, rng)))
        nn.utils.clip_grad_norm_(pairs, 1.0)
        stepper.step()
        if step % recipe.look_every == recipe.look_every - 1:
            for share in PARTIAL:
                tried = scaled(adapted, share).eval()
                now = _overall(foretold(tried, settled), settled)
                if now < least:
                    best, least = tried, now
            _say(
                f"step {step + 1} of {recipe.steps}: {least / before - 1:+.1%} where it is settled"
            )
    return best, least / before


def shown(drawn: Windows, recipe: Recipe, rng: np.random.Generator) -> batches.Float:
    """Return which samples the network may see: some windows are shortened and gapped."""
    mask = np.isfinite(drawn.past)
    some = rng.random(len(mask)) < recipe.hide
    hidden = batches.hidden(len(mask), mask.shape[1], rng) & some[:, None]
    hidden[:, -1] = False
    return np.asarray(mask & ~hidden, np.float32)


def _overall(quantiles: batches.Float, seen: Windows) -> float:
    return float(np.mean(list(pinball(quantiles, seen).values())))


def compare(
    base: Model, adapted: Model, found: Sequence[Series], recipe: Recipe
) -> Comparison | None:
    """Compare both on what was held back, as the gateway runs them; None where nothing was.

    Alarm episodes are counted on at most the newest `JUDGED` samples of `CHANNELS` channels.
    """
    held = history.windows(found, "held_back", recipe.held_back)
    if held is None:
        return None

    def figures(model: Model) -> HeldBack:
        made = forecasts.apply(_whole(model), held.past, held.clock)[0]
        return HeldBack(
            pinball=round(_overall(made, held), 5),
            episodes=sum(episodes(model, series) for series in found[:CHANNELS]),
        )

    return Comparison(
        base=figures(base),
        adapter=figures(adapted),
        windows=len(held.row),
        channels=len(np.unique(held.row)),
    )


def _whole(model: Model) -> forecasts.Run:
    def run(
        values: forecasts.Float, mask: forecasts.Float, clock: forecasts.Float
    ) -> list[forecasts.Float]:
        parts = [
            model.run(values[i : i + 64], mask[i : i + 64], clock[i : i + 64])
            for i in range(0, len(values), 64)
        ]
        return [np.concatenate([part.quantiles for part in parts])]

    return run


def episodes(model: Model, series: Series) -> int:
    """Return how many alarm episodes the detector raises where the series is held back."""
    from_slot = max(history.held_from(series), len(series.values) - JUDGED)
    begin = max(0, from_slot - WARM)
    bank, config = WindowBank(), InferenceConfig()
    detector = Detector(model, config)
    device, channel = DevEui("0" * 16), Channel("history")
    samples: list[Window | Warming] = []
    for slot in np.flatnonzero(np.isfinite(series.values[begin:])) + begin:
        time_s = series.start_s + float(slot) * series.step_s
        sample = bank.add(time_s, float(series.values[slot]), device, channel)
        if sample is not None:
            samples.append(sample)
    starts_s = series.start_s + from_slot * series.step_s
    count, before = 0, False
    for start in range(0, len(samples), 256):
        for verdict in detector.judge(samples[start : start + 256]):
            now = verdict.status is Status.ANOMALOUS
            count += now and not before and verdict.time_s >= starts_s
            before = now
    return count


@dataclass(frozen=True, slots=True)
class For:
    """What an adapter will be called, and whom it is to serve."""

    name: str
    serves: Serves


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of one training; `compared` is None where nothing could be held back."""

    made: Made
    compared: Comparison | None
    seconds: float


def train(
    found: Sequence[Series], base: Pack, model: OnnxModel, recipe: Recipe, made_for: For
) -> Trained | None:
    """Train on series and compare with the base; None where there are too few windows."""
    began = time.process_time()
    rng = np.random.default_rng(recipe.seed)
    each = max(1, recipe.pool // max(len(found), 1))
    learned = history.windows(found, "learned", each, rng)
    settled = history.windows(found, "settled", recipe.settled)
    if learned is None or settled is None:
        return None
    network = thaw(base.graph, shape_of(base))
    adapted, there = fit(network, learned, settled, recipe)
    pairs = lora.pairs(adapted)
    training = {
        "recipe": asdict(recipe),
        "channels": len(found),
        "samples": int(sum(np.isfinite(series.values).sum() for series in found)),
        "from": min(series.start_s for series in found),
        "to": max(series.start_s + len(series.values) * series.step_s for series in found),
        "settled_loss_over_base": round(there, 4),
    }
    made = Made(made_for.name, pairs, recipe.rank, made_for.serves, training)
    other = adapter_file.attached(model, made.name, adapter_file.export(pairs))
    compared = compare(model, other, found, recipe)
    return Trained(made, compared, time.process_time() - began)


def shape_of(base: Pack) -> Shape:
    """Return the sizes of the network that a pack was made of."""
    stated = dict(base.manifest.training["config"]["shape"])
    stated["quantiles"] = tuple(stated["quantiles"])
    stated["lags"] = tuple((days, more) for days, more in stated["lags"])
    return Shape(**stated)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> int:
    """Train one adapter from the command line; print what came of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("history", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--pack", type=Path, default=BUILTIN, help="the base, as installed")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--profile", action="append", default=[])
    parser.add_argument("--device", action="append", default=[])
    parser.add_argument("--site", action="append", default=[])
    parser.add_argument("--rank", type=int, default=Recipe().rank)
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = history.read(options.history)
    serves = Serves(
        profiles=tuple(options.profile), devices=tuple(options.device), sites=tuple(options.site)
    )
    base = read_pack(options.pack)
    model = open_model(base)
    recipe = Recipe(rank=options.rank, steps=options.steps)
    made_for = For(options.name, serves)
    done = train(found, base, model, recipe, made_for) if found else None
    if done is None or done.compared is None:
        print(json.dumps({"written": None, "reason": "too_little_history", "channels": len(found)}))
        return 1
    identity = hashlib.sha256(options.history.read_bytes()).hexdigest()
    made = Made(
        done.made.name,
        done.made.pairs,
        done.made.rank,
        serves,
        {**done.made.training, "data": identity},
    )
    complaint = done.compared.complaint()
    if not complaint:
        adapter_file.write(options.out, made, done.compared, base, model)
    print(
        json.dumps(
            {
                "written": None if complaint else str(options.out),
                "reason": complaint and "not_better",
                "detail": complaint,
                "metrics": done.compared.model_dump(),
                "seconds": round(done.seconds, 1),
            }
        )
    )
    return 1 if complaint else 0


if __name__ == "__main__":
    sys.exit(main())
