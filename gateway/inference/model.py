"""What the detector and the forecaster ask of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gateway.types import FloatArray, Window

DAY_S = 86400.0
_WILD, _ALONE, _CALM, _FEW_WILD = 20.0, 4.0, 2.0, 0.02
"""In half widths of the window's values: never believed; not alone; ordinary. And how few."""

LARGEST_BATCH = 16
"""Windows per call of the model; more are cut into several calls, which changes no result.

A window costs the same in a call of 16 as in one of 64; the runtime's memory grows with the call.
"""


@dataclass(frozen=True, slots=True)
class Outputs:
    """A model's answer for B windows, relative to the base that was subtracted from each.

    `quantiles` float32 [B, horizon, 11], `reconstruction` float32 [B, context], `embedding`
    float32 [B, E].
    """

    quantiles: FloatArray
    reconstruction: FloatArray
    embedding: FloatArray

    def rest(self, first: int) -> Outputs:
        """Return the rows from `first` on."""
        return Outputs(self.quantiles[first:], self.reconstruction[first:], self.embedding[first:])


class Model(Protocol):
    """A row's result depends on that row alone."""

    context: int
    horizon: int

    @property
    def name(self) -> str:
        """`name@sha256:…`, as alerts state it."""
        ...

    def run(self, values: FloatArray, mask: FloatArray, clock: FloatArray) -> Outputs:
        """Judge `values` [B, context] with `mask` [B, context] and `clock` [B, 2].

        `clock` is (UTC fraction of the day of the newest slot, step in days).
        """
        ...


@dataclass(frozen=True, slots=True)
class Stack:
    """B windows as the model takes them.

    `base` float64 [B] is the median of what each window observed; `values` float32 [B, context] is
    relative to it and 0 where `seen` is 0. `mask` is `seen` less the few values so wild that they
    would drown all others. `ordered` float32 [B, context] holds the observed values in order, then
    infinities; `spread` float64 [B] is their robust half width.
    """

    base: npt.NDArray[np.float64]
    values: FloatArray
    seen: FloatArray
    mask: FloatArray
    clock: FloatArray
    ordered: FloatArray
    spread: npt.NDArray[np.float64]

    def rest(self, first: int) -> Stack:
        """Return the rows from `first` on."""
        return Stack(*(getattr(self, column.name)[first:] for column in fields(self)))

    def rows(self, at: npt.NDArray[np.intp]) -> Stack:
        """Return the rows of these numbers."""
        return Stack(*(getattr(self, column.name)[at] for column in fields(self)))


def stack(windows: Sequence[Window]) -> Stack:
    """Stack windows of one context length; the newest slot of each is observed."""
    seen = np.stack([window.mask for window in windows])
    absolute = np.stack([window.values for window in windows])
    newest = absolute[:, -1]
    relative = np.where(seen > 0, absolute - newest[:, None], 0.0).astype(np.float32)
    ordered = np.sort(np.where(seen > 0, relative, np.float32(np.inf)), axis=1)
    count = seen.sum(axis=1).astype(np.intp)
    rows = np.arange(len(windows))
    middle = ordered[rows, count // 2]
    values = np.where(seen > 0, relative - middle[:, None], np.float32(0.0))
    half = (ordered[rows, (count - 1) * 9 // 10] - ordered[rows, count // 10]) / 2.0
    deviation = np.sqrt((values.astype(np.float64) ** 2).sum(axis=1) / count)
    clock = [[window.end_s % DAY_S / DAY_S, window.step_s / DAY_S] for window in windows]
    return Stack(
        base=newest + middle,
        values=values,
        seen=seen,
        mask=_without_wild(values, seen, half, count),
        clock=np.array(clock, np.float32),
        ordered=ordered - middle[:, None],
        spread=np.where(half > 0, np.minimum(deviation, 3.0 * half), deviation),
    )


def _without_wild(
    values: FloatArray, seen: FloatArray, half: FloatArray, count: npt.NDArray[np.intp]
) -> FloatArray:
    """Mask values that are far beyond all others, or stand out alone, where they are few."""
    away = np.abs(values) / np.where(half > 0, half, np.inf)[:, None]
    wild = away > _WILD
    calm = away < _CALM
    wild[:, 1:-1] |= (away[:, 1:-1] > _ALONE) & calm[:, :-2] & calm[:, 2:]
    wild &= (wild.sum(axis=1) <= _FEW_WILD * count)[:, None]
    return np.where(wild, np.float32(0.0), seen)


def run_all(model: Model, stacked: Stack) -> Outputs:
    """Run the model over any number of windows, in calls of at most `LARGEST_BATCH`."""
    parts = [
        model.run(stacked.values[at] * stacked.mask[at], stacked.mask[at], stacked.clock[at])
        for start in range(0, len(stacked.base), LARGEST_BATCH)
        for at in (slice(start, start + LARGEST_BATCH),)
    ]
    if len(parts) == 1:
        return parts[0]
    return Outputs(
        np.concatenate([part.quantiles for part in parts]),
        np.concatenate([part.reconstruction for part in parts]),
        np.concatenate([part.embedding for part in parts]),
    )
