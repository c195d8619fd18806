"""Models without weights, for tests of what stands around a model."""

from __future__ import annotations

import numpy as np

from gateway.inference.model import Outputs
from gateway.types import QUANTILES, FloatArray

_NORMAL = np.array([-2.326, -1.282, -0.842, -0.524, -0.253, 0, 0.253, 0.524, 0.842, 1.282, 2.326])


class SeasonalNaive:
    """`Model`: tomorrow is as today, give or take how much today differed from yesterday."""

    name = "seasonal-naive"
    context = 512
    horizon = 96

    def __init__(self) -> None:
        self.calls: list[int] = []

    def run(self, values: FloatArray, mask: FloatArray, clock: FloatArray) -> Outputs:
        self.calls.append(len(values))
        rows = [self._row(v, m, c) for v, m, c in zip(values, mask, clock, strict=True)]
        quantiles, reconstruction = zip(*rows, strict=True)
        embedding = np.stack([np.full(len(values), -5.0), values.std(axis=1)], axis=1)  # no fault
        return Outputs(
            np.stack(quantiles).astype(np.float32),
            np.stack(reconstruction).astype(np.float32),
            embedding.astype(np.float32),
        )

    def _row(
        self, values: FloatArray, mask: FloatArray, clock: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        day = round(1.0 / float(clock[1]))
        season = day if 1 <= day <= self.context // 4 else 1
        known = np.maximum.accumulate(np.where(mask > 0, np.arange(self.context), 0))
        filled = values[known]
        step = np.arange(self.horizon)
        offset = filled[-1] - filled[-1 - season] if season > 1 else 0.0
        middle = filled[self.context - season + step % season] + offset
        spread = np.std(np.diff(filled[-128:])) + 1e-6
        quantiles = middle[:, None] + _NORMAL * spread * np.sqrt(1.0 + step[:, None])
        smooth = np.convolve(np.pad(filled, 2, mode="edge"), np.full(5, 0.2), "valid")
        return quantiles.astype(np.float32), smooth.astype(np.float32)


class LastValue:
    """`Model`: what is now stays so, give or take the spread of the changes."""

    name = "last-value"
    context = 512
    horizon = 96

    def run(self, values: FloatArray, mask: FloatArray, clock: FloatArray) -> Outputs:  # noqa: ARG002
        spread = np.std(np.diff(values, axis=1), axis=1) + 0.01
        levels = np.linspace(-2.3, 2.3, len(QUANTILES))
        row = values[:, -1:] + spread[:, None] * levels
        quantiles = np.repeat(row[:, None], self.horizon, axis=1).astype(np.float32)
        return Outputs(
            quantiles, values.copy(), np.full((len(values), 2), -5.0, np.float32)
        )  # no fault
