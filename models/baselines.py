# ruff: noqa: PLR2004 - the published methods' own settings stand where they are used
"""The detectors that ours is held against: published methods, causal, in numpy alone.

Each takes one channel [n] on a fixed step (NaN = missing) and its day in slots, and returns a score
[n], higher being odder, NaN while it cannot tell. A score uses the slots up to its own; nothing
is smoothed afterwards. `DELAY` states the slots over which each looks back to say "odd now": a
change must fill about half of them before it is in full sight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Baseline = Callable[[Floats, int], Floats]

LONGEST = 96
SHINGLE = 8
REFIT = 250


def filled(values: Floats) -> Floats:
    """Carry the newest known value over gaps; before the first, the first."""
    known = np.isfinite(values)
    at = np.maximum.accumulate(np.where(known, np.arange(len(values)), 0))
    at[: int(np.argmax(known))] = int(np.argmax(known))
    carried: Floats = values[at]
    return carried


def windows(values: Floats, length: int) -> Floats:
    """Return every window of `length`, [n - length + 1, length]; row i ends at i + length - 1."""
    rows: Floats = np.lib.stride_tricks.sliding_window_view(values, length)
    return rows


def ended(score: Floats, size: int) -> Floats:
    """Put a score per window at the slot that its window ends with."""
    out = np.full(size, np.nan)
    out[size - len(score) :] = score
    return out


def blocks(first: int, size: int, step: int = REFIT) -> Iterator[slice]:
    """Yield the stretches between refits: what is before a stretch may be learned from."""
    for start in range(first, size, step):
        yield slice(start, min(start + step, size))


def seasonal_naive(values: Floats, day: int) -> Floats:
    """Distance from the same time yesterday, in the past's typical such distance."""
    x = filled(values)
    off = np.full(len(x), np.nan)
    off[day:] = np.abs(x[day:] - x[:-day])
    return off / past_mean(off)


def past_mean(x: Floats) -> Floats:
    """Return the mean of everything known before each slot, 1 where that is nothing or 0."""
    known = np.isfinite(x)
    total = np.cumsum(np.where(known, x, 0.0)) - np.where(known, x, 0.0)
    mean = total / np.maximum(np.cumsum(known) - known, 1)
    return np.where(mean > 0, mean, 1.0)


def rolling_z(values: Floats, day: int) -> Floats:
    """Distance from the newest day's mean, in its standard deviations."""
    x = filled(values)
    length = min(max(day, 24), 288)
    rows = windows(x, length)[:-1]
    spread = rows.std(axis=1) + 1e-6 * x[:length].std() + 1e-12
    return ended(np.abs(x[length:] - rows.mean(axis=1)) / spread, len(x))


def autoregression(values: Floats, day: int) -> Floats:
    """Error of a linear forecast from 16 slots, fitted to the newest 2,000."""
    del day
    x, order = filled(values), 16
    out = np.full(len(x), np.nan)
    rows = windows(x, order + 1)
    for part in blocks(REFIT, len(rows)):
        past = rows[max(part.start - 2000, 0) : part.start]
        weights = ridge(np.hstack([past[:, :-1], np.ones((len(past), 1))]), past[:, -1])
        missed = past[:, -1] - (past[:, :-1] @ weights[:-1] + weights[-1])
        error = np.abs(missed).mean() + 1e-9
        now = rows[part]
        off = now[:, -1] - (now[:, :-1] @ weights[:-1] + weights[-1])
        out[part.start + order : part.stop + order] = np.abs(off) / error
    return out


def ridge(design: Floats, target: Floats) -> Floats:
    """Return the least squares weights, held back a little."""
    gram = design.T @ design
    gram += np.eye(len(gram)) * (1e-6 * np.trace(gram) / len(gram) + 1e-12)
    return np.asarray(np.linalg.solve(gram, design.T @ target), np.float64)


def left_matrix_profile(values: Floats, day: int) -> Floats:
    """Distance of the newest stretch to the most alike one before it (STOMP, Zhu 2016)."""
    x = filled(values)
    length = min(max(day, 24), LONGEST)
    x = x - x[0]
    rows = windows(x, length)
    mean, spread = rows.mean(axis=1), rows.std(axis=1) + 1e-4 * x[:length].std() + 1e-12
    profile = np.full(len(rows), np.nan)
    product = rows @ rows[0]
    for at in range(1, len(rows)):
        # dot products with stretch `at` from those with the stretch before it
        product[1:] = (
            product[:-1]
            - x[: len(rows) - 1] * x[at - 1]
            + (x[length : length + len(rows) - 1] * x[at + length - 1])
        )
        product[0] = rows[0] @ rows[at]
        known = at - length // 2
        if known >= length:
            alike = product[:known] / length - mean[:known] * mean[at]
            alike /= spread[:known] * spread[at]
            profile[at] = np.sqrt(2 * length * max(1.0 - float(alike.max()), 0.0))
    return ended(profile, len(x))


def sub_pca(values: Floats, day: int) -> Floats:
    """Distance of the newest stretch from past ones along their principal axes."""
    x = filled(values)
    length = min(max(day, 24), LONGEST)
    rows = windows(x, length)
    out = np.full(len(rows), np.nan)
    for part in blocks(4 * length, len(rows)):
        past = rows[max(part.start - 4000, 0) : part.start]
        mean, spread = past.mean(axis=0), past.std(axis=0) + 1e-6 * past.std() + 1e-12
        size, axes = np.linalg.eigh(np.cov(((past - mean) / spread).T))
        along = ((rows[part] - mean) / spread) @ axes
        out[part] = np.sum(along**2 / np.maximum(size, 1e-3 * size[-1]), axis=1) / length
    return ended(out, len(x))


def half_space_trees(values: Floats, day: int) -> Floats:
    """How empty the newest stretch's place was in the block before (Tan, Ting and Liu 2011)."""
    del day
    rows = windows(filled(values), SHINGLE)
    rng = np.random.default_rng(0)
    trees, depth = 25, 8
    out = np.full(len(rows), np.nan)
    for part in blocks(REFIT, len(rows)):
        past = rows[part.start - REFIT : part.start]
        low, high = past.min(axis=0), past.max(axis=0)
        margin = (high - low) * 0.5 + 1e-9
        total = np.zeros(part.stop - part.start)
        for _ in range(trees):
            edges = np.stack([low - margin * rng.random(SHINGLE), high + margin])
            total += mass(past, rows[part], edges, rng.integers(SHINGLE, size=depth))
        out[part] = -np.log(total / trees + 1.0)
    return ended(out, len(rows) + SHINGLE - 1)


def mass(past: Floats, now: Floats, edges: Floats, cuts: npt.NDArray[np.int64]) -> Floats:
    """Return for each row of `now` how many of `past` share its cell, weighed by its depth.

    Every level halves all cells along one dimension. A row stops where its cell is nearly empty.
    """
    width = (edges[1] - edges[0]) / 2.0 ** np.bincount(cuts, minlength=len(edges[0]))
    seen = np.zeros(len(now), dtype=bool)
    out = np.zeros(len(now))
    for level in range(1, len(cuts) + 1):
        used = np.bincount(cuts[:level], minlength=len(edges[0]))
        width = (edges[1] - edges[0]) / 2.0**used
        top = 2**used - 1
        code = 2 ** np.concatenate([[0], np.cumsum(used)[:-1]])
        cells = [
            (np.clip(np.floor((part - edges[0]) / width), 0, top) * code).sum(axis=1).astype(int)
            for part in (past, now)
        ]
        count = np.bincount(cells[0], minlength=2 ** len(cuts))[cells[1]]
        here = ~seen & ((count < 5) | (level == len(cuts)))
        out[here] = count[here] * 2.0**level
        seen |= here
    return out


def k_means(values: Floats, day: int) -> Floats:
    """Distance from two centres, the least over models of many past stretches (Netdata's way).

    Features are six consecutive smoothed differences; a model per 200 slots learns the 400 before
    it, and the newest 18 must agree. 1 is the farthest that a model saw while learning.
    """
    del day
    x = filled(values)
    steps = np.diff(x, prepend=x[0])
    smoothed = np.convolve(steps, np.ones(3) / 3)[: len(x)]
    rows = windows(smoothed, 6)
    rng = np.random.default_rng(0)
    models: list[tuple[Floats, float]] = []
    out = np.full(len(rows), np.nan)
    for part in blocks(400, len(rows), 200):
        past = rows[part.start - 400 : part.start]
        centres = two_means(past, rng)
        models = [*models, (centres, float(nearest(past, centres).max()) + 1e-9)][-18:]
        out[part] = np.min([nearest(rows[part], c) / far for c, far in models], axis=0)
    return ended(out, len(x))


def two_means(rows: Floats, rng: np.random.Generator) -> Floats:
    """Return two centres [2, k] after ten rounds."""
    centres = rows[rng.choice(len(rows), 2, replace=False)].copy()
    for _ in range(10):
        first = np.linalg.norm(rows - centres[0], axis=1) <= np.linalg.norm(
            rows - centres[1], axis=1
        )
        for at, mine in enumerate((first, ~first)):
            if mine.any():
                centres[at] = rows[mine].mean(axis=0)
    return centres


def nearest(rows: Floats, centres: Floats) -> Floats:
    """Return each row's distance to its nearest centre."""
    distance: Floats = np.linalg.norm(rows[:, None] - centres[None], axis=2).min(axis=1)
    return distance


def window_statistics(values: Floats, day: int) -> Floats:
    """Mahalanobis distance of a stretch's mean, log spread and log roughness from the past's."""
    x = filled(values)
    length = min(max(day, 24), LONGEST)
    rows = windows(x, length)
    scale = x[: 4 * length].std() + 1e-9
    spread = np.log(rows.std(axis=1) / scale + 1e-3)
    rough = np.log(windows(np.diff(x), length - 1).std(axis=1) / scale + 1e-3)
    features = np.column_stack([rows.mean(axis=1) / scale, spread, rough])
    out = np.full(len(rows), np.nan)
    for part in blocks(4 * length, len(rows), 50):
        past = features[: part.start]
        cover = np.cov(past.T) + np.eye(3) * 1e-4
        off = features[part] - past.mean(axis=0)
        out[part] = np.sqrt(np.einsum("ij,jk,ik->i", off, np.linalg.inv(cover), off))
    return ended(out, len(x))


BASELINES: dict[str, Baseline] = {
    "seasonal naive": seasonal_naive,
    "rolling z": rolling_z,
    "AR": autoregression,
    "left matrix profile": left_matrix_profile,
    "Sub-PCA causal": sub_pca,
    "half-space trees": half_space_trees,
    "k-means ensemble": k_means,
    "window statistics": window_statistics,
}

DELAY = {
    "seasonal naive": 1,
    "rolling z": 1,
    "AR": 1,
    "left matrix profile": LONGEST,
    "Sub-PCA causal": LONGEST,
    "half-space trees": SHINGLE,
    "k-means ensemble": SHINGLE,
    "window statistics": LONGEST,
}
"""Slots looked over at most (a day is shorter at an hourly step)."""
