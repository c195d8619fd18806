"""When a channel was last as it is now, and normal: the stretch of its past most like the newest.

Stretches of about a day are compared by their values as they are, so level and shape both count;
the distance is the root mean square difference in standard deviations of the channel's past.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from gateway.inference.heads import Floats

FARTHEST = 0.75
"""In standard deviations: what is less alike than this is no example of anything."""

_DAY_S = 86400.0
_SHORTEST, _LONGEST = 24, 96
_SPAN = 1.25
_FEWEST_STRETCHES = 3


def nearest(
    times_s: Floats, values: Floats, normal: npt.NDArray[np.bool_], lead: int
) -> int | None:
    """Return where the most similar stretch ends: the index of the sample after it, and `lead` on.

    `times_s`, `values`, `normal` [n] are the channel's past, oldest first. The stretch to be
    likened ends `lead` samples before the end (what began to be abnormal is no part of it), so the
    result points to what came then when now the next sample came. None where nothing is like it.
    """
    end = len(values) - lead
    length = _length(times_s)
    if end < _FEWEST_STRETCHES * length:
        return None
    stretches = sliding_window_view(values[:end], length)
    newest, past = stretches[-1], stretches[:-length]  # those that do not overlap it
    bad = np.concatenate([[0], np.cumsum(~normal)])
    clean = (bad[length + lead + 1 :] == bad[: -length - lead - 1])[: len(past)]
    spans = times_s[length - 1 : end] - times_s[: end - length + 1]
    usual = spans[: len(past)] <= _SPAN * max(float(spans[-1]), 1e-9)
    spread = float(values[:end].std())
    if spread <= 0.0:
        return None
    distance = np.sqrt(((past - newest) ** 2).mean(axis=1)) / spread
    distance[~(clean & usual)] = np.inf
    best = int(distance.argmin())
    return best + length + lead if distance[best] <= FARTHEST else None


def _length(times_s: Floats) -> int:
    """Return how many samples make a stretch: a day's, within bounds."""
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else _DAY_S
    return int(min(max(round(_DAY_S / max(step_s, 1.0)), _SHORTEST), _LONGEST))
