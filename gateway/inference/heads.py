"""How unusual a sample is, in several ways at once: the heads.

Each head gives a nonconformity on a logarithmic scale, in thousandths (int16), so that a stored
one is exactly the one that was computed. What a head's figure means for this channel is
`calibration`'s matter; here only its order counts.

Heads over whole windows are computed for a batch at a time and need no state: a window carries
its own past.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from gateway.inference.model import Outputs, Stack
from gateway.types import FloatArray

MISSING = -32768
"""A head that cannot say anything about this sample."""

MILLI = 1000.0
Milli = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]


class Head(IntEnum):
    """Row numbers of the calibration. The names are the keys of `Verdict.heads`."""

    STEP = 0
    """Distance from the forecast one step (or as many as were missed) before."""
    BIAS = 1
    """Forecasts that err to one side, sample after sample: slow drift."""
    RECONSTRUCTION = 2
    """Newest slots against the model's denoised reading of them."""
    STATISTICS = 3
    """Level, spread and roughness of the newest day against those of the days before."""
    RUN = 4
    """How long the value has been exactly the same."""
    JUMP = 5
    """Change since the sample before."""
    CLIMB = 6
    """Rising, step by step, for hours: without the few largest steps, so that watering is none."""
    SINK = 7
    """Falling likewise."""
    FAULT = 8
    """The model's own log odds that the newest sample belongs to a sensor fault."""


HEADS = len(Head)
UPPER, MIDDLE, LOWER = 10, 5, 0
_NORMAL_99 = 2.326
_NEWEST_SLOTS = 8
_TREND_SLOTS, _LARGEST_STEPS = 24, 4
_STRIDE = 8
_LARGEST_SPAN, _SMALLEST_SPAN = 96, 16
_EVENT_SHARE = 0.8
_LARGEST_ODDS = 20.0
_AWAY, _PAST_OF_AN_EXCURSION = 3, 96


@dataclass(frozen=True, slots=True)
class Shape:
    """What the windows look like, one entry per window.

    `grain` is the smallest change that counts as one, in channel units: the sensor's resolution,
    or a thousandth of the window's spread. `eventful` says that the channel mostly rests on one
    value (rain, a valve), so that leaving it is no fault. `shift` [B, 4] holds the newest day's
    mean, log spread and log roughness in standard deviations of those before, and their distance;
    `slope` is the newest hour's movement in channel units, `run` how many newest values are equal.
    `excursion` is how many times as far the value has just been away and come back as ever before.
    """

    grain: Floats
    eventful: npt.NDArray[np.bool_]
    shift: Floats
    slope: Floats
    run: npt.NDArray[np.int64]
    excursion: Floats


def to_milli(values: npt.NDArray[np.floating]) -> Milli:
    """Take the logarithmic scale to int16 thousandths; what is not finite becomes MISSING."""
    scaled = np.clip(np.rint(np.nan_to_num(values, nan=-40.0) * MILLI), MISSING, 32767)
    milli: Milli = scaled.astype(np.int16)
    return milli


def shapes(stacked: Stack) -> Shape:
    """Describe each window by itself."""
    values, seen, spread = stacked.values, stacked.seen, stacked.spread
    same = ((values == 0.0) & (seen > 0)).sum(axis=1)  # the base is the median
    return Shape(
        grain=_grain(stacked.ordered, spread, stacked.base + values[:, -1]),
        eventful=same >= _EVENT_SHARE * seen.sum(axis=1),
        shift=_shift(stacked),
        slope=_slope(values, seen),
        run=_runs(values, seen),
        excursion=_excursion(values, seen),
    )


def _grain(ordered: FloatArray, spread: Floats, newest: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        gaps = np.diff(ordered, axis=1)
    smallest = spread[:, None] * 1e-4 + np.abs(newest)[:, None] * 1e-7
    gaps = np.where(np.isfinite(gaps) & (gaps > smallest), gaps, np.inf)
    resolution = gaps.min(axis=1).astype(np.float64)
    guess = np.array([_decimal_grain(value) for value in newest[~np.isfinite(resolution)]])
    resolution[~np.isfinite(resolution)] = guess
    grain: Floats = np.minimum(resolution, spread) + spread * 1e-3 + (spread == 0) * resolution
    return grain


def _decimal_grain(value: float) -> float:
    """Guess a resolution from how a value is written: 21.5 moves by 0.1."""
    for decimals in range(4):
        if abs(value - round(value, decimals)) <= 1e-6 * max(abs(value), 1.0):
            return float(10.0**-decimals)
    return max(abs(value) * 1e-3, 1e-6)


def _runs(values: FloatArray, mask: FloatArray) -> npt.NDArray[np.int64]:
    """Count the observed slots at the end of each window that hold the newest value."""
    other = (values != values[:, -1:]) & (mask > 0)
    back = np.where(other.any(axis=1), np.argmax(other[:, ::-1], axis=1), values.shape[1])
    counted = np.cumsum(mask[:, ::-1], axis=1)
    runs: npt.NDArray[np.int64] = counted[np.arange(len(values)), np.maximum(back - 1, 0)].astype(
        np.int64
    )
    return runs


def _excursion(values: FloatArray, mask: FloatArray) -> Floats:
    """Compare the excursion that has just ended with the largest before it; 0 where none has.

    One of 1 to `_AWAY` samples, all on one side of both the sample before and the one after. A
    rise that stays, such as a watering's, is none; nor is one in too short or too calm a past.
    """
    slots = np.where(mask > 0, np.arange(values.shape[1]), 0)
    x = np.take_along_axis(values, np.maximum.accumulate(slots, axis=1), axis=1)
    size = np.zeros_like(x)
    high = low = x[:, 1:-1]
    for width in range(1, _AWAY + 1):
        if width > 1:
            high = np.minimum(high[:, 1:], x[:, 1:-width])
            low = np.maximum(low[:, 1:], x[:, 1:-width])
        before, after = x[:, : -width - 1], x[:, width + 1 :]
        off = np.maximum(high - np.maximum(before, after), np.minimum(before, after) - low)
        size[:, width + 1 :] = np.maximum(size[:, width + 1 :], off)
    first = np.argmax(mask > 0, axis=1)
    size[np.arange(x.shape[1]) <= first[:, None] + _AWAY + 1] = 0.0
    largest = size[:, :-1].max(axis=1)
    enough = (mask.sum(axis=1) >= _PAST_OF_AN_EXCURSION) & (largest > 0)
    ratio: Floats = np.where(enough, size[:, -1] / np.where(largest > 0, largest, 1.0), 0.0)
    return ratio.astype(np.float64)


def _slope(values: FloatArray, mask: FloatArray) -> Floats:
    """Mean of the newest 4 slots less that of the 12 before, in channel units."""
    new, old = slice(-4, None), slice(-16, -4)
    newest = values[:, new].sum(axis=1) / np.maximum(mask[:, new].sum(axis=1), 1)
    before = values[:, old].sum(axis=1) / np.maximum(mask[:, old].sum(axis=1), 1)
    slope: Floats = (newest - before).astype(np.float64)
    return slope


def _shift(stacked: Stack) -> Floats:
    """Compare the newest day with the ones before it; [B, 4], the last being the distance."""
    spans = np.rint(1.0 / np.maximum(stacked.clock[:, 1], 1e-9))
    spans = np.clip(spans, _SMALLEST_SPAN, _LARGEST_SPAN).astype(np.int64)
    out = np.full((len(spans), 4), np.nan)
    for span in np.unique(spans):
        at = spans == span
        out[at] = _shift_over(stacked.values[at], stacked.mask[at], stacked.spread[at], int(span))
    return out


def _shift_over(values: FloatArray, mask: FloatArray, spread: Floats, span: int) -> Floats:
    features, counts = _rolling(values, mask, spread, span)
    enough = counts >= span / 4
    past = enough[:, 1 + span // _STRIDE :]  # windows that do not overlap the newest one
    history = features[:, 1 + span // _STRIDE :]
    weight = past[:, :, None].astype(np.float64)
    total = np.maximum(weight.sum(axis=1), 1.0)
    mean = (history * weight).sum(axis=1) / total
    spread_of = np.sqrt((((history - mean[:, None]) * weight) ** 2).sum(axis=1) / total)
    # Few days say little about how days differ: the floor says a day may differ by that much.
    floor = np.array([0.15, 0.2, 0.2]) + span / (_STRIDE * total)
    z = (features[:, 0] - mean) / (spread_of + floor)
    distance = np.sqrt((z**2).sum(axis=1))
    unknown = (total[:, 0] < 4) | ~enough[:, 0]  # noqa: PLR2004 - windows to compare with
    out = np.concatenate([z, distance[:, None]], axis=1)
    out[unknown] = np.nan
    return out


def _rolling(
    values: FloatArray, mask: FloatArray, spread: Floats, span: int
) -> tuple[Floats, Floats]:
    """Return mean, log spread and log roughness over `span` slots ending every `_STRIDE` slots.

    Features [B, K, 3], newest first, in units of the window's spread; observed counts [B, K].
    """
    scale = np.where(spread > 0, spread, 1.0)[:, None]
    v, m = _despiked(values * mask, mask) / scale, mask.astype(np.float64)
    both = m[:, 1:] * m[:, :-1]
    step = np.abs(np.diff(v, axis=1)) * both
    sums = [_ends(a, span) for a in (m, v, v * v)] + [_ends(a, span - 1) for a in (both, step)]
    count, total, squares, pairs, rough = sums
    n = np.maximum(count, 1.0)
    mean = total / n
    sd = np.sqrt(np.maximum(squares / n - mean**2, 0.0))
    roughness = rough / np.maximum(pairs, 1.0)
    features = np.stack([mean, np.log(sd + 0.01), np.log(roughness + 0.003)], axis=2)
    return features, count


def _despiked(values: FloatArray, mask: FloatArray) -> Floats:
    """Median of each slot and its neighbours: one wild value is not a wild day."""
    v = values.astype(np.float64)
    left, middle, right = v[:, :-2], v[:, 1:-1], v[:, 2:]
    median = np.maximum(np.minimum(left, middle), np.minimum(np.maximum(left, middle), right))
    whole = (mask[:, :-2] * mask[:, 1:-1] * mask[:, 2:]) > 0
    v[:, 1:-1] = np.where(whole, median, middle)
    v[:, -1] = np.where(mask[:, -2] > 0, v[:, -2], v[:, -1])
    return v


def _ends(array: Floats, span: int) -> Floats:
    """Sum over `span` slots ending at the newest slot, and every `_STRIDE` slots before."""
    sums = np.concatenate([np.zeros((len(array), 1)), np.cumsum(array, axis=1)], axis=1)
    last = np.arange(array.shape[1], span - 1, -_STRIDE)
    ends: Floats = sums[:, last] - sums[:, last - span]
    return ends


def surprise(observed: Floats, quantiles: Floats, grain: Floats) -> Floats:
    """Signed distance from the forecast's median, about standard normal when it is right.

    `quantiles` [B, 11] in the units of `observed` [B]; NaN where there was no forecast.
    """
    middle = quantiles[:, MIDDLE]
    above = np.maximum(quantiles[:, UPPER] - middle, grain)
    below = np.maximum(middle - quantiles[:, LOWER], grain)
    off = observed - middle
    distance: Floats = _NORMAL_99 * off / np.where(off >= 0, above, below)
    return distance


def nonconformities(stacked: Stack, outputs: Outputs, shape: Shape, z: Floats) -> Milli:
    """All heads that need no state, int16 [B, HEADS]; BIAS is left MISSING."""
    out = np.full((len(z), HEADS), MISSING, np.int16)
    grain, reconstruction = shape.grain, outputs.reconstruction
    newest = slice(-_NEWEST_SLOTS, None)
    mask = stacked.mask[:, newest]
    off = np.abs(stacked.values[:, newest] - reconstruction[:, newest]) * mask
    residual = (off.sum(axis=1) - off.max(axis=1)) / np.maximum(mask.sum(axis=1) - 1.0, 1.0)
    out[:, Head.STEP] = to_milli(np.log(np.abs(z) + 0.3))
    out[:, Head.RECONSTRUCTION] = to_milli(np.log(residual / (stacked.spread + grain) + 0.01))
    out[:, Head.STATISTICS] = to_milli(np.log(shape.shift[:, 3] + 0.3))
    out[:, Head.RUN] = to_milli(np.log(shape.run + 2.0))
    change = _change(stacked.values, stacked.seen)
    out[:, Head.JUMP] = to_milli(np.log(change + grain))
    out[:, Head.FAULT] = to_milli(np.clip(outputs.embedding[:, 0], -_LARGEST_ODDS, _LARGEST_ODDS))
    trend = _trend(stacked.values, stacked.mask)
    out[:, Head.CLIMB] = to_milli(np.log(np.maximum(trend, 0.0) + grain / _TREND_SLOTS))
    out[:, Head.SINK] = to_milli(np.log(np.maximum(-trend, 0.0) + grain / _TREND_SLOTS))
    return out


def _trend(values: FloatArray, mask: FloatArray) -> Floats:
    """Mean step over the newest slots, the largest few left out; NaN where most are missing."""
    newest = slice(-_TREND_SLOTS - 1, None)
    v, m = values[:, newest].astype(np.float64), mask[:, newest]
    both = m[:, 1:] * m[:, :-1]
    steps = np.diff(v, axis=1) * both
    largest = np.argpartition(np.abs(steps), -_LARGEST_STEPS, axis=1)[:, -_LARGEST_STEPS:]
    np.put_along_axis(steps, largest, 0.0, axis=1)
    count = both.sum(axis=1)
    return np.where(count >= _TREND_SLOTS / 2, steps.sum(axis=1) / np.maximum(count, 1.0), np.nan)


def _change(values: FloatArray, mask: FloatArray) -> Floats:
    """Distance of the newest value from the two before it, the smaller: coming back is none."""
    before = np.where(mask[:, :-1] > 0, np.arange(1, mask.shape[1]), 0)
    first = before.max(axis=1)
    second = np.where(before < first[:, None], before, 0).max(axis=1)
    rows = np.arange(len(values))
    change = np.abs(values[:, -1] - values[rows, np.maximum(first - 1, 0)])
    other = np.abs(values[:, -1] - values[rows, np.maximum(second - 1, 0)])
    smaller: Floats = np.where(second > 0, np.minimum(change, other), change).astype(np.float64)
    return np.where(first > 0, smaller, 0.0)
