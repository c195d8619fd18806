"""VUS-PR: the volume under the precision-recall surface (Paparrizos and others, VLDB 2022).

Labels are soft at their edges, since nobody knows to the sample where an anomaly begins: a slot d
slots outside counts sqrt(1 - d / buffer), out to half the buffer. Recall is worth only as much as
the share of anomalies that were touched at all. The area under precision over recall is averaged
over every buffer from none to the longest. Nothing is point-adjusted.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Score = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
THRESHOLDS = 250
BUFFER = 100
"""The longest buffer, in slots, of every figure that this folder states."""


def vus_pr(score: Score, wrong: Flags, buffer: int = BUFFER) -> float:
    """Return the volume in [0, 1] of a score [n], higher being odder, against labels [n].

    Raises
    ------
    ValueError
        No slot is labelled, or the score is not finite everywhere.

    """
    if not wrong.any() or not np.isfinite(score).all():
        raise ValueError("VUS-PR needs a labelled slot and a finite score")
    falling = np.argsort(-score, kind="stable")
    ranked = score[falling]
    thresholds = ranked[np.linspace(0, len(score) - 1, THRESHOLDS).astype(int)]
    above = np.searchsorted(-ranked, -thresholds, side="right")  # slots at or over each threshold
    areas = [
        _area(score, wrong, falling, (thresholds, above), width) for width in range(buffer + 1)
    ]
    return float(np.mean(areas))


def _area(
    score: Score,
    wrong: Flags,
    falling: npt.NDArray[np.intp],
    cuts: tuple[Score, npt.NDArray[np.intp]],
    buffer: int,
) -> float:
    """Return the area under precision over recall for one buffer."""
    thresholds, above = cuts
    soft = softened(wrong, buffer)
    hit = np.cumsum(soft[falling])[above - 1]
    edge = np.where(wrong, 0.0, soft)
    positives = wrong.sum() + np.cumsum(edge[falling])[above - 1] / 2
    touched = np.array([score[start:stop].max() for start, stop in runs(soft > 0)])
    existence = (touched[:, None] >= thresholds).mean(axis=0)
    recall = np.minimum(hit / positives, 1.0) * existence
    return float(np.sum(np.diff(recall, prepend=0.0) * hit / above))


def softened(wrong: Flags, buffer: int) -> Floats:
    """Return the labels with edges: 1 inside, sqrt(1 - d / buffer) at d <= buffer / 2 outside."""
    soft = wrong.astype(np.float64)
    at = np.arange(len(wrong))
    reach = buffer // 2
    for start, stop in runs(wrong):
        near = slice(max(start - reach, 0), min(stop + reach, len(wrong)))
        away = np.maximum(np.maximum(start - at[near], at[near] - (stop - 1)), 0)
        soft[near] = np.maximum(soft[near], np.sqrt(1.0 - away / max(buffer, 1)))
    return soft


def runs(flags: Flags) -> list[tuple[int, int]]:
    """Return the stretches of true slots as [start, stop)."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def floor(wrong: Flags, buffer: int = BUFFER, draws: int = 5) -> float:
    """Return what a random order gives: the mean over some draws of a fixed seed."""
    rng = np.random.default_rng(0)
    return float(np.mean([vus_pr(rng.random(len(wrong)), wrong, buffer) for _ in range(draws)]))
