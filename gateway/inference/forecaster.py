"""Forecasts of any length: beyond its horizon a model reads its own forecast and goes on.

The newest forecast is appended to the window as if observed (its medians), and the model asked
again. A forecast of a forecast knows nothing of the first one's uncertainty, so each further
stretch is widened: by the spread the path before it had reached, added in quadrature.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gateway.inference.heads import MIDDLE, Floats
from gateway.inference.model import Model, run_all, stack
from gateway.types import QUANTILES, Forecast, Window

_SETTLED = 8


def forecast(model: Model, window: Window, steps: int) -> Forecast:
    """Forecast `steps` steps from a window on; quantiles float32 [steps, 11], never crossing."""
    parts: list[Floats] = []
    carried = np.zeros(len(QUANTILES))
    ahead = window
    done = 0
    while done < steps:
        stacked = stack([ahead])
        part = run_all(model, stacked).quantiles[0].astype(np.float64) + stacked.base[0]
        part = _widen(part, carried)
        parts.append(part)
        done += len(part)
        carried = np.median(part[-_SETTLED:] - part[-_SETTLED:, MIDDLE : MIDDLE + 1], axis=0)
        ahead = _moved_on(ahead, part[:, MIDDLE])
    quantiles = np.maximum.accumulate(np.concatenate(parts)[:steps], axis=1)
    return Forecast(
        window.dev_eui,
        window.channel,
        window.end_s + window.step_s,
        window.step_s,
        quantiles.astype(np.float32),
    )


def _widen(quantiles: Floats, carried: Floats) -> Floats:
    """Add the carried offsets from the median to those of `quantiles`, in quadrature."""
    middle = quantiles[:, MIDDLE : MIDDLE + 1]
    off = quantiles - middle
    widened: Floats = middle + np.sign(carried + off) * np.sqrt(off**2 + carried**2)
    return widened if carried.any() else quantiles


def _moved_on(window: Window, medians: Floats) -> Window:
    steps = len(medians)
    values = np.concatenate([window.values, medians])[-len(window.values) :]
    mask = np.concatenate([window.mask, np.ones(steps, np.float32)])[-len(window.mask) :]
    return replace(
        window,
        end_s=window.end_s + steps * window.step_s,
        values=values,
        mask=mask,
        observed=float(medians[-1]),
    )
