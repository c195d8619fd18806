"""Judge an exported model on recordings it has not seen.

`python -m models.forecasts MODEL.onnx --data DIR --part confirm` prints, per set, MAE and quantile
loss relative to a seasonal-naive rule (same time yesterday, else the newest value), MASE, real
coverage of the 0.01 to 0.99 interval, and how well three raw scores rank labelled samples.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from gateway.inference import LONGEST_PAST, Model, forecast
from gateway.inference.opinions import Course
from gateway.types import QUANTILES
from models import data
from models.data import Series
from models.runtime import quiet_options

Float = npt.NDArray[np.float32]
Run = Callable[[Float, Float, Float], Sequence[Float]]
Answer = Callable[["Trial"], Float]
"""Quantiles [n, 2H, Q] of a trial's future."""

CONTEXT, HORIZON = 512, 96
PAST = LONGEST_PAST
DAYS = 20_000.0
"""Some day since the epoch: trials know the time of day alone."""
LEVELS = np.array(QUANTILES, dtype=np.float32)
MIDDLE = QUANTILES.index(0.5)


@dataclass(frozen=True, slots=True)
class Trial:
    """Moments of one series at one step: `past` [n, P] and `future` [n, 2H], NaN = missing.

    The model's window is the newest `CONTEXT` slots of `past`; the rest is what `lora-gateway
    forecast` reads of a table besides. `clock` [n, 2] is of the newest slot of `past`.
    """

    name: str
    group: str
    clock: Float
    past: Float
    future: Float


def session(path: Path) -> Run:
    """Return a function that runs the model on any number of rows."""
    opened = ort.InferenceSession(path, quiet_options())

    def run(values: Float, mask: Float, clock: Float) -> list[Float]:
        parts = [
            opened.run(
                ["quantiles", "reconstruction", "embedding"],
                {
                    "values": values[i : i + 64],
                    "mask": mask[i : i + 64],
                    "clock": clock[i : i + 64],
                },
            )
            for i in range(0, len(values), 64)
        ]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    return run


def apply(run: Run, past: Float, clock: Float) -> Sequence[Float]:
    """Run the model on windows in which NaN is missing."""
    mask = np.isfinite(past).astype(np.float32)
    return run(np.nan_to_num(past, nan=0.0), mask, clock)


def trials(found: Sequence[Series], part: str, each: int = 24) -> list[Trial]:
    """Return evenly spread windows of the part, each series at its own step and a coarser one."""
    made = []
    for series in found:
        if (series.part == "confirm") != (part == "confirm"):
            continue
        low, high = (int(share * len(series.values)) for share in data.SPANS[part])
        options = data.factors(series.step_s)
        for factor in sorted({1, options[len(options) // 2]}):
            trial = spread(series, low, high, factor, each)
            if trial is not None:
                made.append(trial)
    return made


def alone(run: Run) -> Answer:
    """Return how the model alone answers a trial; beyond the horizon it reads its own median."""

    def answer(trial: Trial) -> Float:
        past, clock = trial.past[:, -CONTEXT:], trial.clock.copy()
        first = apply(run, past, clock)[0]
        past = np.concatenate([past[:, HORIZON:], first[:, :, MIDDLE]], axis=1)
        clock[:, 0] = (clock[:, 0] + HORIZON * clock[:, 1]) % 1.0
        return np.concatenate([first, apply(run, past, clock)[0]], axis=1)

    return answer


def as_users_see(model: Model) -> Answer:
    """Return how `lora-gateway forecast` answers, from the newest known value on."""

    def one(past: Float, day: float, step: float) -> Float:
        known = np.flatnonzero(np.isfinite(past))
        course = past[: known[-1] + 1].astype(np.float64)[-LONGEST_PAST:]
        late = len(past) - 1 - int(known[-1])
        end_s, step_s = (DAYS + day - late * step) * data.DAY_S, step * data.DAY_S
        window = Course(course, end_s, step_s).window(CONTEXT)
        return forecast(model, window, 2 * HORIZON + late, course).quantiles[late:]

    def answer(trial: Trial) -> Float:
        rows = zip(trial.past, trial.clock.tolist(), strict=True)
        return np.stack([one(past, *clock) for past, clock in rows])

    return answer


def shortened(made: Sequence[Trial], history: int) -> list[Trial]:
    """Return the trials with all but the newest `history` slots missing, where any is left."""
    short = []
    for trial in made:
        past = trial.past.copy()
        past[:, : past.shape[1] - history] = np.nan
        left = np.isfinite(past).sum(1) >= min(history // 2, 64)
        if left.any():
            rows = (trial.clock[left], past[left], trial.future[left])
            short.append(Trial(trial.name, trial.group, *rows))
    return short


def spread(series: Series, low: int, high: int, factor: int, each: int) -> Trial | None:
    """Return up to `each` windows whose future lies between samples `low` and `high`."""
    length = PAST + 2 * HORIZON
    first = max(low + HORIZON * factor, 160 * factor) + HORIZON * factor
    if first >= high:
        return None
    rows = [
        data.cut(series, int(end), length, factor, mean=False)
        for end in np.unique(np.linspace(first, high, each).astype(int))
    ]
    values, clock = np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])
    clock[:, 0] = (clock[:, 0] - 2 * HORIZON * clock[:, 1]) % 1.0
    past, future = values[:, :PAST], values[:, PAST:]
    window = past[:, -CONTEXT:]
    good = (np.isfinite(window).sum(1) >= 64) & (np.isfinite(future[:, :HORIZON]).sum(1) >= 24)  # noqa: PLR2004
    good &= np.nanstd(np.where(good[:, None], window, 0), axis=1) > 0
    if not good.any():
        return None
    name = f"{series.name}/{factor}"
    return Trial(name, series.group, clock[good], past[good], future[good])


def naive(past: Float, clock: Float, horizon: int) -> Float:
    """Return the seasonal-naive forecast [n, horizon]: a whole number of days before, else last."""
    out = np.empty((len(past), horizon), dtype=np.float32)
    ahead = np.arange(1, horizon + 1)
    for row, (window, (_, step)) in enumerate(zip(past, clock, strict=True)):
        known = np.flatnonzero(np.isfinite(window))
        period = max(1, round(1 / float(step)))
        slot = CONTEXT - 1 + ahead - period * np.ceil(ahead / period).astype(int)
        before = np.where(slot >= 0, window[np.maximum(slot, 0)], np.nan)
        out[row] = np.where(np.isfinite(before), before, window[known[-1]])
    return out


def scale(past: Float, clock: Float) -> Float:
    """Return the seasonal-naive error within each past [n, 1], the unit of MASE."""
    out = np.empty((len(past), 1), dtype=np.float32)
    for row, (window, (_, step)) in enumerate(zip(past, clock, strict=True)):
        period = max(1, round(1 / float(step)))
        period = period if period <= CONTEXT // 2 else 1
        error = np.abs(window[period:] - window[:-period])
        known = np.isfinite(error)
        fallback = np.nanmean(np.abs(window - np.nanmean(window)))
        out[row] = error[known].mean() if known.any() and error[known].mean() > 0 else fallback
    return np.maximum(out, 1e-9)


def pinball(quantiles: Float, truth: Float) -> Float:
    """Return the mean quantile loss [n, H] of [n, H, Q]; for one level 0.5 it is the MAE."""
    error = truth[:, :, None] - quantiles
    return np.asarray(2 * np.maximum(LEVELS * error, (LEVELS - 1) * error).mean(2), np.float32)


def judge(answer: Answer, trial: Trial) -> dict[str, float]:
    """Return the figures of one trial; errors are in units of `scale`, averaged over windows."""
    answered, past = answer(trial), trial.past[:, -CONTEXT:]
    quantiles, far = answered[:, :HORIZON], answered[:, HORIZON:, MIDDLE]
    truth = trial.future[:, :HORIZON]
    unit = scale(past, trial.clock)
    simple = naive(past, trial.clock, HORIZON)
    spreads = np.repeat(simple[:, :, None], len(LEVELS), axis=2)
    inside = (truth >= quantiles[:, :, 0]) & (truth <= quantiles[:, :, -1])
    known = np.isfinite(truth)
    rest = trial.future[:, HORIZON:]
    return {
        "mase": mean(np.abs(truth - quantiles[:, :, MIDDLE]) / unit),
        "naive_mase": mean(np.abs(truth - simple) / unit),
        "mase_1": mean(np.abs(truth - quantiles[:, :, MIDDLE])[:, :4] / unit),
        "last_mase_1": mean(np.abs(truth - last(past))[:, :4] / unit),
        "pinball": mean(pinball(quantiles, truth) / unit),
        "naive_pinball": mean(pinball(spreads, truth) / unit),
        "coverage": mean(np.where(known, inside, np.nan)),
        "coverage_1": mean(np.where(known, inside, np.nan)[:, :1]),
        "mase_192": mean(np.abs(rest - far) / unit),
        "naive_mase_192": mean(
            np.abs(rest - naive(past, trial.clock, 2 * HORIZON)[:, HORIZON:]) / unit
        ),
    }


def mean(x: npt.NDArray[np.floating]) -> float:
    """Return the mean of what is known, NaN when nothing is."""
    return float(np.mean(x[np.isfinite(x)])) if np.isfinite(x).any() else float("nan")


def last(past: Float) -> Float:
    """Return the newest known value [n, 1]."""
    return np.array([[row[np.isfinite(row)][-1]] for row in past], dtype=np.float32)


def forecast_table(run: Run, made: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """Return the figures of the model alone over all trials, see `grouped`."""
    answer = alone(run)
    return grouped([(trial.group, judge(answer, trial)) for trial in made])


def grouped(judged: Sequence[tuple[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return per set, and over all sets as `all`, relative errors and coverage.

    Relative errors are geometric means over series of model / rule, so that no series dominates;
    a ratio is held between 0.05 and 20. `all` weighs sets equally.
    """
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    for group, figures in judged:
        rows[group].append(figures)
    table = {group: summary(found) for group, found in sorted(rows.items())}
    keys = next(iter(table.values()))
    overall = {}
    for key in keys:
        column = np.array([row[key] for row in table.values()])
        overall[key] = float(
            np.exp(np.mean(np.log(column))) if key.startswith("relative") else np.mean(column)
        )
    overall["series"] = float(sum(row["series"] for row in table.values()))
    return {**table, "all": overall}


def summary(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return one set's figures from its trials'."""

    def ratio(top: str, below: str) -> float:
        pairs = np.array([(row[top], row[below]) for row in rows])
        pairs = pairs[np.isfinite(pairs).all(1)]
        return float(
            np.exp(np.mean(np.log(np.clip((pairs[:, 0] + 1e-9) / (pairs[:, 1] + 1e-9), 0.05, 20))))
        )

    return {
        "series": float(len(rows)),
        "relative_mae": ratio("mase", "naive_mase"),
        "relative_mae_4": ratio("mase_1", "last_mase_1"),
        "relative_pinball": ratio("pinball", "naive_pinball"),
        "relative_mae_192": ratio("mase_192", "naive_mase_192"),
        "mase": float(np.nanmedian([row["mase"] for row in rows])),
        "coverage": float(np.nanmean([row["coverage"] for row in rows])),
        "coverage_1": float(np.nanmean([row["coverage_1"] for row in rows])),
    }


def show(table: Mapping[str, Mapping[str, float]]) -> str:
    """Return a Markdown table."""
    keys = list(next(iter(table.values())))
    lines = ["| set | " + " | ".join(keys) + " |", "|---" * (len(keys) + 1) + "|"]
    for group, row in table.items():
        cells = [f"{row[k]:.0f}" if k == "series" else f"{row[k]:.3f}" for k in keys]
        lines.append(f"| {group} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables of one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=("settle", "confirm"), default="settle")
    parser.add_argument("--history", type=int, default=CONTEXT, help="hide what is older")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    made = trials(data.load(options.data), options.part)
    table = forecast_table(session(options.model), shortened(made, options.history))
    print(show(table))
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
