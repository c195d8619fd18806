"""How well the network's raw outputs rank labelled samples: `python -m models.anomalies MODEL`.

Three heads, each causal:

- `forecast`: how far the sample lies outside what the window before it foretold, in half-widths;
- `residual`: the sample against its own reconstruction, in the window's typical step;
- `fault`: the first number of the embedding, trained to say "the newest sample is faulty".

`fused` is the mean of their ranks. This judges the network alone; the gateway turns such heads
into calibrated p-values, and is judged by `lora-gateway backtest`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models import data
from models.data import Series
from models.forecasts import CONTEXT, MIDDLE, Float, Run, apply, session, show
from models.labels import Flags, Labelled, labelled

LONGEST = 6000


def heads(run: Run, series: Series) -> tuple[npt.NDArray[np.int64], dict[str, Float]]:
    """Return the slots judged (observed, with 64 samples before them) and each head's score."""
    values = series.values[-LONGEST:]
    offset = len(series.values) - len(values)
    padded = np.concatenate([np.full(CONTEXT, np.nan), values])
    past = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + 1)  # row t ends with slot t
    count = np.cumsum(np.isfinite(values))
    judged = np.flatnonzero(np.isfinite(values) & (count > 64))  # noqa: PLR2004
    rows = past[judged] - np.nanmean(past[judged], axis=1, keepdims=True)
    rows = rows.astype(np.float32)
    step = series.step_s / data.DAY_S
    day = ((series.start_s + (judged + offset) * series.step_s) / data.DAY_S) % 1.0
    clock = np.stack([day, np.full(len(day), step)], axis=1).astype(np.float32)
    before = clock.copy()
    before[:, 0] = (before[:, 0] - step) % 1.0
    quantiles = apply(run, rows[:, :-1], before)[0][:, 0]
    _, cleaned, embedding = apply(run, rows[:, 1:], clock)
    newest = rows[:, -1]
    half = (quantiles[:, -1] - quantiles[:, 0]) / 2 + 1e-9
    step_sizes = np.abs(np.diff(rows, axis=1))
    pace = np.nansum(step_sizes, axis=1) / np.maximum(np.isfinite(step_sizes).sum(1), 1) + 1e-9
    return judged + offset, {
        "forecast": np.abs(newest - quantiles[:, MIDDLE]) / half,
        "residual": np.abs(newest - cleaned[:, -1]) / pace,
        "fault": embedding[:, 0],
    }


def average_precision(score: Float, wrong: Flags) -> float:
    """Return the area under precision over recall, ties broken by order."""
    order = np.argsort(-score, kind="stable")
    hit = wrong[order]
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    return float(precision[hit].mean())


def ranks(score: Float) -> Float:
    """Return each score's rank in [0, 1]."""
    return (np.argsort(np.argsort(score)) / len(score)).astype(np.float32)


def table(run: Run, cases: Sequence[Labelled]) -> dict[str, dict[str, float]]:
    """Return per set the mean average precision of every head beside its random floor."""
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    for case in cases:
        slots, scores = heads(run, case.series)
        wrong = case.wrong[slots]
        if 0 < wrong.sum() < len(wrong):
            scores["fused"] = np.mean([ranks(score) for score in scores.values()], axis=0)
            row = {name: average_precision(score, wrong) for name, score in scores.items()}
            rows[case.series.group].append({"floor": float(wrong.mean()), **row})
    return {
        group: {"series": float(len(found)), **means(found)}
        for group, found in sorted(rows.items())
    }


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of every column."""
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def main() -> None:
    """Print the table of one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("tune", "report"), default="tune")
    options = parser.parse_args()
    print(show(table(session(options.model), list(labelled(options.data, options.part)))))


if __name__ == "__main__":
    main()
