"""How well detectors rank labelled samples: ours as the gateway runs it, and the published ones.

The settings of the gateway's detector and of the baselines were chosen on the part *tune* alone:
labelled series of files that are not kept back (see `data`). What is stated is *report*: files
that neither training nor tuning has read. Every score is causal and judged as it comes out;
what looks back over more than the newest sample says so in `DELAY`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gateway.config import InferenceConfig
from gateway.inference import Detector, Model
from gateway.types import Channel, DevEui, Status, Verdict, Warming, Window
from gateway.windows import WindowBank
from models import data
from models.baselines import BASELINES, DELAY, LONGEST
from models.labels import labelled
from models.vus import BUFFER, floor, vus_pr

DEVICE = DevEui("0" * 16)
CHANNEL = Channel("value")
CHUNK = 256
FIRST = 64
FEWEST_WRONG = 5
OURS = "gateway"
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gateway says of a series, per slot [n]: NaN and False where it says nothing."""

    score: Floats
    anomalous: Flags


def judge(
    model: Model, values: Floats, start_s: float, step_s: float, config: InferenceConfig
) -> Judged:
    """Run the gateway's own windows and detector over a series [n], as live."""
    score, anomalous = np.full(len(values), np.nan), np.zeros(len(values), dtype=bool)
    for slot, verdict in verdicts(model, values, start_s, step_s, config):
        if verdict.score is not None:
            score[slot] = verdict.score
            anomalous[slot] = verdict.status is Status.ANOMALOUS
    return Judged(score, anomalous)


def verdicts(
    model: Model, values: Floats, start_s: float, step_s: float, config: InferenceConfig
) -> Iterator[tuple[int, Verdict]]:
    """Yield the slot and the verdict of every known value."""
    bank, detector = WindowBank(warm_samples=config.warm_samples), Detector(model, config)
    slots = np.flatnonzero(np.isfinite(values)).tolist()
    for first in range(0, len(slots), CHUNK):
        chunk = slots[first : first + CHUNK]
        samples: list[Window | Warming] = []
        for slot in chunk:
            sample = bank.add(start_s + slot * step_s, float(values[slot]), DEVICE, CHANNEL)
            if sample is not None:
                samples.append(sample)
        yield from zip(chunk, detector.judge(samples), strict=True)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One series' figures: VUS-PR by detector, and what a random order gives."""

    name: str
    group: str
    floor: float
    vus: Mapping[str, float]
    delay_samples: float


def rank(
    values: Floats, wrong: Flags, day: int, ours: Judged, *, baselines: bool = True
) -> tuple[dict[str, float], float]:
    """Return VUS-PR by detector and the random floor, over known values after the first 64.

    Raises
    ------
    ValueError
        Nothing wrong is among them.

    """
    known = np.isfinite(values)
    at = known & (np.cumsum(known) > FIRST)
    found = {OURS: vus_pr(complete(ours.score[at]), wrong[at])}
    if baselines:
        for name, baseline in BASELINES.items():
            found[name] = vus_pr(complete(baseline(values, day)[at]), wrong[at])
    return found, floor(wrong[at])


def complete(score: Floats) -> Floats:
    """Take what a detector cannot tell for its least odd."""
    known = np.isfinite(score)
    return np.where(known, score, score[known].min() if known.any() else 0.0)


def first_alarm(anomalous: Flags, wrong: Flags) -> float:
    """Return how many samples after its start a labelled stretch was found: the median, or NaN."""
    starts = np.flatnonzero(np.diff(wrong.astype(np.int8), prepend=0) == 1)
    stops = np.flatnonzero(np.diff(wrong.astype(np.int8), append=0) == -1) + 1
    waits = [
        float(np.argmax(anomalous[start:stop]))
        for start, stop in zip(starts, stops, strict=True)
        if anomalous[start:stop].any()
    ]
    return float(np.median(waits)) if waits else float("nan")


def ranked(
    folder: Path, part: str, model: Callable[[], Model], config: InferenceConfig
) -> Iterator[Ranked]:
    """Yield the figures of every labelled series of a part, *tune* or *report*."""
    for case in labelled(folder, part):
        series = case.series
        if case.wrong.sum() < FEWEST_WRONG:
            continue
        ours = judge(model(), series.values, series.start_s, series.step_s, config)
        day = max(round(data.DAY_S / series.step_s), 2)
        vus, random = rank(series.values, case.wrong, min(day, 288), ours)
        waited = first_alarm(ours.anomalous, case.wrong)
        yield Ranked(series.name, series.group, random, vus, waited)


def summary(rows: Sequence[Ranked]) -> dict[str, dict[str, object]]:
    """Return per set the means, and by how much ours is over the best baseline."""
    sets: dict[str, list[Ranked]] = defaultdict(list)
    for row in rows:
        sets[row.group].append(row)
    return {group: _means(found) for group, found in sorted(sets.items())}


def _means(rows: Sequence[Ranked]) -> dict[str, object]:
    means = {name: float(np.mean([row.vus[name] for row in rows])) for name in rows[0].vus}
    best = max((name for name in means if name != OURS), key=lambda name: means[name])
    waits = [row.delay_samples for row in rows if np.isfinite(row.delay_samples)]
    return {
        "series": len(rows),
        "random_floor": float(np.mean([row.floor for row in rows])),
        "vus_pr": means,
        "best_baseline": best,
        "over_best_baseline": means[OURS] / means[best] - 1.0,
        "median_delay_samples": float(np.median(waits)) if waits else None,
        "looks_back_samples": {OURS: LONGEST, **DELAY},
        "buffer_samples": BUFFER,
    }
