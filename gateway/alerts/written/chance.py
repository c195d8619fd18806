"""What a forecast says of a limit within a time: the chance, and the step that is worst."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gateway.types import LEAST_CHANCE, QUANTILES, Forecast, probability_below

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
    worst = _worst(rows, limit, above=above)
    row = rows[worst]
    below = probability_below(row, limit)
    return Outlook(
        1 - below if above else below,
        (float(row[_LOW]), float(row[_MIDDLE]), float(row[_HIGH])),
    )


def _worst(rows: np.ndarray, limit: float, *, above: bool) -> int:
    """Return the step that is most likely beyond; among equals the one with the further median."""
    sign = 1.0 if above else -1.0
    outer = rows[:, _HIGH] if above else rows[:, _LOW]
    near = np.flatnonzero(sign * (outer - limit) >= 0)
    furthest = int(np.argmax(sign * rows[:, _MIDDLE]))
    if not near.size:
        return furthest
    chances = {
        int(at): (1 - below if above else below)
        for at in near
        for below in (probability_below(rows[at], limit),)
    }
    best = max(chances, key=lambda at: (chances[at], sign * rows[at, _MIDDLE]))
    return best if chances[best] > LEAST_CHANCE else furthest
