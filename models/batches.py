# ruff: noqa: PLR2004 - shares and sizes of invented data say what they are where they stand
"""From stored windows to training batches: shifted, shortened, with gaps and faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models import data, faults, synthetic
from models.config import Config

Float = npt.NDArray[np.float32]
MIXED, WATERED, DAMAGED, TWICE = 0.12, 0.06, 0.45, 0.2
"""Shares of rows: two channels added, watered, faulty; and of the faulty, so once more."""
LASTING = frozenset({"bias", "drift", "fade"})


@dataclass(frozen=True, slots=True)
class Pool:
    """Stored windows: `values` float32 [N, context + horizon + margin], NaN = missing.

    `clock` [N, 2] is of the last slot. The first `invented` rows are synthetic.
    """

    values: Float
    clock: Float
    invented: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one training step sees, shapes as in the network; `clean` is the undamaged context.

    `known` [B, C] marks where `clean` may be asked for, `future` [B, H] with `future_mask`,
    `flags` [B, C] is 1 where a sample belongs to a fault, `faulty` [B] when the newest does;
    `kind` [B] numbers the fault anywhere in the window, 0 when there is none.
    """

    values: Tensor
    mask: Tensor
    clock: Tensor
    clean: Tensor
    known: Tensor
    future: Tensor
    future_mask: Tensor
    flags: Tensor
    faulty: Tensor
    kind: Tensor


def build(config: Config, folder: Path | None, rng: np.random.Generator) -> Pool:
    """Fill the pool: synthetic rows, and rows cut from the recordings when there is a folder."""
    shape = config.shape
    length = shape.context + shape.horizon + config.margin
    parts: list[tuple[Float, Float]] = []
    for start in range(0, config.synthetic, 2000):
        rows = min(2000, config.synthetic - start)
        values, clock, _ = synthetic.generate(rng, rows, length)
        parts.append((values, clock))
    if folder is not None and config.real:
        parts.append(data.windows(rng, data.load(folder), config.real, length))
    values = np.concatenate([part[0] for part in parts])
    clock = np.concatenate([part[1] for part in parts])
    return Pool(values, clock, config.synthetic)


def draw(pool: Pool, config: Config, rng: np.random.Generator) -> Batch:
    """Return one batch, every row of it altered in its own way."""
    shape, rows = config.shape, config.batch
    stored = len(pool.values) - pool.invented
    invented = rng.integers(pool.invented, size=rows)
    recorded = pool.invented + rng.integers(max(stored, 1), size=rows)
    pick = np.where((rng.random(rows) < config.real_share) & (stored > 0), recorded, invented)
    shift = rng.integers(config.margin + 1, size=rows)
    columns = shift[:, None] + np.arange(shape.context + shape.horizon)[None]
    taken = pool.values[pick[:, None], columns] * rng.choice((-1, 1, 1, 1), (rows, 1))
    clock = pool.clock[pick].copy()
    behind = shape.horizon + config.margin - shift  # slots between the context's end and the row's
    clock[:, 0] -= behind * clock[:, 1]
    clock[:, 0] = (clock[:, 0] + rng.random(rows)) % 1.0  # noon is at any hour of UTC somewhere
    taken = mixed(taken.astype(np.float32), clock, rng)
    for row in np.flatnonzero(rng.random(rows) < WATERED):
        taken[row] = faults.water(rng, taken[row])
    return alter(taken[:, : shape.context], taken[:, shape.context :], clock, rng)


def mixed(taken: Float, clock: Float, rng: np.random.Generator) -> Float:
    """Return the rows, some of them with another row of the same step added: channels unheard of.

    After Chronos (Ansari and others, 2024), whose training mixes recorded series likewise.
    """
    out = taken.copy()
    for row in np.flatnonzero(rng.random(len(taken)) < MIXED):
        alike = np.flatnonzero(clock[:, 1] == clock[row, 1])
        other = int(alike[rng.integers(len(alike))])
        sizes = faults.spread(taken[row]), faults.spread(taken[other])
        if other != row and min(sizes) > 0:
            part = float(rng.uniform(0.1, 1.0)) * sizes[0] / sizes[1]
            out[row] = taken[row] + part * (taken[other] - np.nanmean(taken[other]))
    return out


def alter(clean: Float, future: Float, clock: Float, rng: np.random.Generator) -> Batch:
    """Hide history, samples and stretches, and damage nearly half of the rows, some twice."""
    rows, context = clean.shape
    damaged, flags = clean.copy(), np.zeros((rows, context), dtype=bool)
    trust, kinds = np.ones(rows, dtype=np.float32), np.zeros(rows, dtype=np.int64)
    for row in np.flatnonzero(rng.random(rows) < DAMAGED):
        damaged[row], label, kind = faults.inject(rng, clean[row])
        if rng.random() < TWICE:
            again, second, _ = faults.inject(rng, clean[row])
            damaged[row] = np.where(label, damaged[row], again)
            label = label | second
        flags[row] = label
        kinds[row] = list(faults.KINDS).index(kind) + 1 if label.any() else 0
        if label[-1] and kind in LASTING:
            trust[row] = 0.0  # nobody can say whether what comes is as before or as now
    mask = np.isfinite(damaged) & ~hidden(rows, context, rng)
    known = np.isfinite(clean) & np.maximum.accumulate(mask, axis=1)  # never what came before
    future_mask = np.isfinite(future) * trust[:, None]
    return Batch(
        values=tensor(np.where(mask, damaged, 0.0)),
        mask=tensor(mask),
        clock=tensor(clock),
        clean=tensor(np.where(known, clean, 0.0)),
        known=tensor(known),
        future=tensor(np.where(np.isfinite(future), future, 0.0)),
        future_mask=tensor(future_mask),
        flags=tensor(flags & mask),
        faulty=tensor(flags[:, -1] & mask[:, -1]),
        kind=torch.from_numpy(kinds),
    )


def tensor(array: npt.NDArray[np.generic]) -> Tensor:
    """Return a float32 copy as a tensor."""
    return torch.from_numpy(np.array(array, dtype=np.float32))


def hidden(rows: int, context: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Draw what the network must not see: old history, single samples, stretches."""
    keep = np.full(rows, context)
    short = rng.random(rows) < 0.4
    keep[short] = np.exp(rng.uniform(np.log(16), np.log(context), short.sum())).astype(int)
    away = np.arange(context)[None] < (context - keep)[:, None]
    loss = np.where(rng.random(rows) < 0.5, rng.uniform(0, 0.1, rows), 0.0)
    loss = np.where(rng.random(rows) < 0.1, rng.uniform(0.1, 0.7, rows), loss)
    away |= rng.random((rows, context)) < loss[:, None]
    for row in np.flatnonzero(rng.random(rows) < 0.35):
        for _ in range(int(rng.integers(1, 4))):
            length = int(np.exp(rng.uniform(0, np.log(96))))
            start = int(rng.integers(context))
            away[row, start : start + length] = True
    return away
