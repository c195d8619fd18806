"""Forecasts of any length: beyond its horizon a model reads its own forecast and goes on.

The newest forecast is appended to the window as if observed (its medians), and the model asked
again. A forecast of a forecast knows nothing of the first one's uncertainty, so each further
stretch is widened: by the spread the path before it had reached, added in quadrature. What comes
of it is one of several `opinions`, weighed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gateway.inference.heads import MIDDLE, Floats
from gateway.inference.model import Model, run_all, stack
from gateway.inference.opinions import Course, weighed
from gateway.types import QUANTILES, Forecast, Window

_SETTLED = 8


def forecast(model: Model, window: Window, steps: int, past: Floats | None = None) -> Forecast:
    """Forecast `steps` steps from a window on; quantiles float32 [steps, 11], never crossing.

    `past` float64 [n] is what is known of the channel on the window's step, NaN where missing, up
    to the window's newest value: more than the window holds makes a better forecast. None: the
    window is all.
    """
    if past is None:
        past = np.where(window.mask > 0, window.values, np.nan)
    course = Course(past, window.end_s, window.step_s)

    def ask(windows: Sequence[Window], ahead: int) -> list[Floats]:
        own, others = windows[:2], windows[2:]
        far = [_far(model, one, ahead) for one in own]
        # coarser windows reach as far in fewer steps
        return far + [_far(model, o, round(ahead * window.step_s / o.step_s) + 1) for o in others]

    quantiles = np.maximum.accumulate(weighed(model, ask, course, steps), axis=1)
    return Forecast(
        window.dev_eui,
        window.channel,
        window.end_s + window.step_s,
        window.step_s,
        quantiles.astype(np.float32),
    )


def _far(model: Model, window: Window, steps: int) -> Floats:
    """Return quantiles [steps or more, 11], a horizon at a time."""
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
    return np.concatenate(parts)


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
