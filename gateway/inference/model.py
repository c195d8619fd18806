"""What the detector and the forecaster ask of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gateway.types import FloatArray, Window

DAY_S = 86400.0
LARGEST_BATCH = 64
"""Windows per call of the model; more are cut into several calls, which changes no result."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """A model's answer for B windows, relative to the base that was subtracted from each.

    `quantiles` float32 [B, horizon, 11], `reconstruction` float32 [B, context], `embedding`
    float32 [B, E].
    """

    quantiles: FloatArray
    reconstruction: FloatArray
    embedding: FloatArray


class Model(Protocol):
    """A row's result depends on that row alone."""

    name: str
    context: int
    horizon: int

    def run(self, values: FloatArray, mask: FloatArray, clock: FloatArray) -> Outputs:
        """Judge `values` [B, context] with `mask` [B, context] and `clock` [B, 2].

        `clock` is (UTC fraction of the day of the newest slot, step in days).
        """
        ...


@dataclass(frozen=True, slots=True)
class Stack:
    """B windows as the model takes them.

    `base` float64 [B] is the mean of what each window observed; `values` float32 [B, context] is
    relative to it and 0 where `mask` is 0.
    """

    base: npt.NDArray[np.float64]
    values: FloatArray
    mask: FloatArray
    clock: FloatArray


def stack(windows: list[Window]) -> Stack:
    """Stack windows of one context length."""
    mask = np.stack([window.mask for window in windows])
    absolute = np.stack([window.values for window in windows])
    observed = np.maximum(mask.sum(axis=1), 1.0)
    base = np.where(mask > 0, absolute, 0.0).sum(axis=1) / observed
    values = np.where(mask > 0, absolute - base[:, None], 0.0).astype(np.float32)
    clock = [[window.end_s % DAY_S / DAY_S, window.step_s / DAY_S] for window in windows]
    return Stack(base, values, mask, np.array(clock, np.float32))


def run_all(model: Model, stacked: Stack) -> Outputs:
    """Run the model over any number of windows, in calls of at most `LARGEST_BATCH`."""
    parts = [
        model.run(stacked.values[at], stacked.mask[at], stacked.clock[at])
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
