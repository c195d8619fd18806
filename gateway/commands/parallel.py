"""A model on two cores, for work on files: the daemon keeps to one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gateway.inference.model import Model, Outputs
from gateway.types import FloatArray

THREADS = 2


class ParallelModel:
    """Splits each batch among threads; a row's result does not depend on its batch."""

    def __init__(self, model: Model, pool: ThreadPoolExecutor) -> None:
        self.name = model.name
        self.context = model.context
        self.horizon = model.horizon
        self._model = model
        self._pool = pool

    def run(self, values: FloatArray, mask: FloatArray, clock: FloatArray) -> Outputs:
        """Judge a batch; see `Model`."""
        if len(values) < 2 * THREADS:
            return self._model.run(values, mask, clock)
        parts = zip(
            *(np.array_split(array, THREADS) for array in (values, mask, clock)), strict=True
        )
        outputs = list(self._pool.map(lambda part: self._model.run(*part), parts))
        return Outputs(
            np.concatenate([output.quantiles for output in outputs]),
            np.concatenate([output.reconstruction for output in outputs]),
            np.concatenate([output.embedding for output in outputs]),
        )
