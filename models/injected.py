"""Faults put into clean recordings, and what the gateway makes of them, as live.

Environmental series that training never read (*report*), or all others (*tune*). Per series the
newest stretch is judged twice: as it is, which gives the false episodes, and with faults of every
kind at three severities, spaced so that each begins in calm. Irrigated fields are invented: there
every episode is wrong.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gateway.config import InferenceConfig
from gateway.inference import Model
from models import data, detection, faults
from models.data import Series
from models.detection import Judged
from models.vus import runs

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
ENVIRONMENTAL = ("beijing_air", "greenhouse", "hubbard_brook_soil", "logan_river")
SAMPLES, FIRST, SPACING, LASTING = 2600, 1000, 260, 48
SEVERITIES = (2.0, 4.0, 8.0)
KINDS = ("spike", "stuck", "bias", "drift", "noise", "dropout", "sag")
AFTERWARDS = 12
"""An alarm up to so many samples after a fault's end still counts as its own."""
MONTH_S, WEEK_S = 30 * data.DAY_S, 7 * data.DAY_S


@dataclass(frozen=True, slots=True)
class Trial:
    """One series' stretch: clean and faulty values [n], and the faults as (kind, start, stop)."""

    series: Series
    clean: Floats
    faulty: Floats
    put: tuple[tuple[str, int, int], ...]


def trials(found: Sequence[Series], part: str, each: int = 8) -> list[Trial]:
    """Return up to `each` series of every environmental set, the same ones every time."""
    sets: dict[str, list[Series]] = defaultdict(list)
    wanted = {"tune": "train", "report": "confirm"}[part]
    for series in sorted(found, key=lambda s: hashlib.sha256(s.name.encode()).digest()):
        usual = series.group in ENVIRONMENTAL and series.part == wanted
        raw = series.group == "logan_river" and not series.channel.endswith("_cor")
        stretch = series.values[-SAMPLES:]
        moving = np.isfinite(stretch).mean() > 0.9 and len(np.unique(stretch)) > 50  # noqa: PLR2004
        if usual and not raw and moving and len(stretch) == SAMPLES:
            sets[series.group].append(series)
    return [damaged(series) for group in sorted(sets) for series in sets[group][:each]]


def damaged(series: Series) -> Trial:
    """Return the newest stretch of a series, clean and with a fault every `SPACING` samples."""
    seed = int.from_bytes(hashlib.sha256(series.name.encode()).digest()[:4], "big")
    rng = np.random.default_rng(seed)
    clean = series.values[-SAMPLES:]
    faulty, put = clean.copy(), []
    size = typical_change(clean)
    first = int(rng.integers(len(KINDS)))
    for turn, start in enumerate(range(FIRST, SAMPLES - 2 * LASTING, SPACING)):
        kind = KINDS[(first + turn) % len(KINDS)]
        part = clean[start : start + LASTING]
        seen = np.flatnonzero(np.isfinite(part))
        if len(seen) < LASTING // 2:
            continue
        severity = SEVERITIES[int(rng.integers(len(SEVERITIES)))]
        made = faults.KINDS[kind](rng, faults.float32(part[seen]), size * severity / 2)
        at = start + seen[: len(made)]
        faulty[at] = made
        put.append((kind, int(at[0]), int(at[-1]) + 1))
    return Trial(series, clean, faulty, tuple(put))


def typical_change(values: Floats) -> float:
    """Return the robust spread of what changes within half a day's samples."""
    lag = 12
    change = np.abs(values[lag:] - values[:-lag])
    return float(np.nanmedian(change)) + 0.02 * float(np.nanstd(values)) + 1e-6


def irrigated(fields: int = 12, days: int = 40) -> list[Floats]:
    """Return soil moisture of watered fields, a quarter of an hour apart, %."""
    made = []
    for field in range(fields):
        rng = np.random.default_rng(1000 + field)
        slots = days * 96
        gaps = rng.integers(96, 340, slots // 96)
        starts = np.cumsum(gaps)
        push = np.zeros(slots)
        for start in starts[starts < slots - 8]:
            push[start : start + 4] += rng.uniform(0.6, 2.5)  # a larger or smaller watering
        rain = rng.random(slots) < 0.1 / 96
        push += np.where(rain, rng.exponential(3.0, slots), 0.0)
        level, out = 28.0, np.empty(slots)
        for slot in range(slots):
            dryness = 1 + 0.8 * np.sin(2 * np.pi * (slot / 96 - 0.3))
            level = min(level + push[slot], 44.0) - (level - 14) * 0.0009 * dryness
            out[slot] = level
        made.append(np.round(out + rng.normal(0, 0.05, slots), 1))
    return made


def judge(model: Model, values: Floats, series: Series, config: InferenceConfig) -> Judged:
    """Judge a stretch as the gateway would."""
    start_s = series.start_s + (len(series.values) - len(values)) * series.step_s
    return detection.judge(model, values, start_s, series.step_s, config)


@dataclass(frozen=True, slots=True)
class Told:
    """A trial, and what the gateway said of it without and with faults."""

    trial: Trial
    clean: Judged
    faulty: Judged


def tell(model: Model, cases: Sequence[Trial], config: InferenceConfig) -> list[Told]:
    """Judge every trial twice."""
    return [
        Told(
            case,
            judge(model, case.clean, case.series, config),
            judge(model, case.faulty, case.series, config),
        )
        for case in cases
    ]


def found_and_false(told: Sequence[Told]) -> dict[str, object]:
    """Return the share of faults found, by kind and in all, and false episodes per month."""
    hits: dict[str, list[bool]] = defaultdict(list)
    waits, false, months = [], 0, 0.0
    for case, clean, faulty in ((one.trial, one.clean, one.faulty) for one in told):
        false += len(runs(clean.anomalous))
        months += (SAMPLES - detection.FIRST) * case.series.step_s / MONTH_S
        for kind, start, stop in case.put:
            alarms = faulty.anomalous[start : stop + AFTERWARDS]
            hits[kind].append(bool(alarms.any()))
            waits += [float(np.argmax(alarms))] if alarms.any() else []
    every = [hit for kind in hits.values() for hit in kind]
    return {
        "series": len(told),
        "faults": len(every),
        "found": float(np.mean(every)),
        "found_by_kind": {kind: float(np.mean(hit)) for kind, hit in sorted(hits.items())},
        "median_delay_samples": float(np.median(waits)) if waits else None,
        "false_episodes_per_channel_month": false / months,
    }


def watering(model: Model, config: InferenceConfig) -> dict[str, object]:
    """Return the share of waterings and showers that were called an anomaly."""
    step_s, events, called = 900.0, 0, 0
    for values in irrigated():
        judged = detection.judge(model, values, 0.0, step_s, config)
        risen = np.diff(values, prepend=values[0]) > 0.35  # noqa: PLR2004 - seven times the noise
        groups = [run for run in runs(spread(risen)) if run[0] > detection.FIRST]
        events += len(groups)
        called += sum(bool(judged.anomalous[start : stop + 4].any()) for start, stop in groups)
    return {"events": events, "called_anomalous": called / max(events, 1)}


BUDGET = 2.0
"""False episodes that each clean stretch may raise when a budget is put to the test."""


def budget(model: Model, cases: Sequence[Trial], config: InferenceConfig) -> dict[str, object]:
    """Return realised over nominal episodes when each channel is given a weekly budget.

    Each series is a site of its own, allowed `BUDGET` episodes in the time judged, since far fewer
    could not be counted.
    """
    ratios = []
    for case in cases:
        judged_s = (SAMPLES - detection.FIRST) * case.series.step_s
        allowed = BUDGET * WEEK_S / judged_s
        given = config.model_copy(update={"episodes_per_week": allowed})
        clean = judge(model, case.clean, case.series, given)
        ratios.append(len(runs(clean.anomalous)) / BUDGET)
    return {
        "channels": len(ratios),
        "realised_over_nominal": float(np.mean(ratios)),
        "share_of_channels_within_half_and_double": float(
            np.mean([0.5 <= ratio <= 2.0 for ratio in ratios])  # noqa: PLR2004 - as stated
        ),
    }


def spread(flags: Flags, slots: int = 8) -> Flags:
    """Return the flags with each true one lasting so many slots more."""
    out = flags.copy()
    for lag in range(1, slots):
        out[lag:] |= flags[:-lag]
    return out


def blamed(told: Sequence[Told]) -> dict[str, object]:
    """Return how often the faulty channel of a device of several has the highest score.

    Channels of one file are one device; each channel in turn is the faulty one. It is asked when
    the fault is first called anomalous.
    """
    devices: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        devices[one.trial.series.source].append(one)
    right = asked = 0
    for members in (found for found in devices.values() if len(found) > 1):
        for at, one in enumerate(members):
            for _, start, stop in one.trial.put:
                alarms = np.flatnonzero(one.faulty.anomalous[start:stop])
                if not alarms.size:
                    continue
                slot = start + int(alarms[0])
                calm = [each.clean.score[slot] for i, each in enumerate(members) if i != at]
                asked += 1
                right += one.faulty.score[slot] > max(np.nan_to_num(calm))
    return {"asked": asked, "hit_rate_at_1": right / asked if asked else None}
