"""What a forecast says of a limit within a time: the chance, and the step that is worst."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.types import QUANTILES, Forecast, chances_below

_LOW, _MIDDLE, _HIGH = QUANTILES.index(0.01), QUANTILES.index(0.5), QUANTILES.index(0.99)


@dataclass(frozen=True, slots=True)
class Outlook:
    """The chance, and the 0.01, 0.5 and 0.99 quantiles of the step that is most likely beyond."""

    probability: float
    expected: tuple[float, float, float]


def outlook(
    forecast: Forecast, now_s: float, within_s: float, limit: float, *, above: bool
) -> Outlook | None:
    """Return the chance that the value is beyond the limit at the worst step within `within_s`.

    A forecast states each step's quantiles alone, not how steps hang together. The chance that the
    lowest value of the horizon is below a limit lies between that of the worst single step (steps
    that move together) and the sum of all steps' (steps that exclude each other). Told is the
    first, which is certain: the true chance is as high or a little higher, and little it is, for
    the steps of one night or one dry spell do go together. Quantiles are interpolated linearly;
    beyond the outermost, half of what is left.

    A forecast that reaches less far than `within_s` is taken as far as it reaches, which can only
    lower the chance. None when no step lies within, or a step is no number.
    """
    until = int((now_s + within_s - forecast.start_s) // forecast.step_s) + 1
    if until < 1:
        return None
    rows = np.asarray(forecast.quantiles[:until], np.float64)
    if not len(rows) or not np.isfinite(rows).all():
        return None
    below = chances_below(rows, limit)
    beyond = 1 - below if above else below
    further = rows[:, _MIDDLE] if above else -rows[:, _MIDDLE]
    worst = int(np.lexsort((further, beyond))[-1])  # among equals the one further beyond
    low, middle, high = (float(rows[worst, at]) for at in (_LOW, _MIDDLE, _HIGH))
    return Outlook(float(beyond[worst]), (low, middle, high))
