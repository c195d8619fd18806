"""Which step a channel speaks on, learned from its newest arrival times.

The step is a pure function of those times: nothing is remembered between calls, so a restart
cannot change it. Two things keep it from flapping without memory: a low quantile of the intervals,
which lost messages (longer intervals) and repeats (very short ones) hardly move, and snapping to
intervals that people set.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

NEWEST_INTERVALS = 32
"""How many intervals are looked at; a new interval is believed after about two thirds of them."""

SMALLEST_STEP_S = 1e-3
FIRST_STEP_S = 900.0
"""Assumed while a channel has spoken once."""

_MINUTE, _HOUR = 60.0, 3600.0
_SET_BY_PEOPLE_S = (
    *(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 10.0, 12.0, 15.0, 20.0, 30.0, 45.0),
    *(_MINUTE * m for m in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0)),
    *(_MINUTE * m for m in (40.0, 45.0, 90.0)),
    *(_HOUR * h for h in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 24.0, 168.0)),
)
_SNAP = 0.04
_SNAP_WHOLE = 0.01
_REPEAT = 0.1
_QUANTILE = 0.3
_NEAR, _MOST = 0.15, 0.6
_FINE, _COARSE = 1.03, 2.0


def learn_step(times_s: Sequence[float]) -> float:
    """Return the step in seconds for a channel heard at these ascending times (newest last).

    A regular channel gets its own interval; one that speaks on events gets a coarse step that is
    not longer than a typical interval between two of its messages.
    """
    newest = times_s[-NEWEST_INTERVALS - 1 :]
    intervals = sorted(b - a for a, b in itertools.pairwise(newest) if b > a)
    if not intervals:
        return FIRST_STEP_S
    shortest = intervals[len(intervals) // 2] * _REPEAT
    real = [interval for interval in intervals if interval >= shortest]
    low = real[int(_QUANTILE * (len(real) - 1))]
    factor = _FINE if _is_regular(real, low) else _COARSE
    return max(_snap(low, factor), SMALLEST_STEP_S)


def _is_regular(intervals: Sequence[float], step_s: float) -> bool:
    """Whether most intervals are whole multiples of the step: a rhythm, perhaps with losses."""
    near = sum(abs(i / step_s - round(i / step_s)) <= _NEAR for i in intervals)
    return near >= _MOST * len(intervals)


def _snap(interval_s: float, factor: float) -> float:
    if factor == _FINE:
        for nice in _SET_BY_PEOPLE_S:
            if abs(interval_s / nice - 1.0) <= _SNAP:
                return nice
        for unit_s in (1.0, _MINUTE, _HOUR):
            whole = round(interval_s / unit_s)
            if whole and abs(interval_s / (whole * unit_s) - 1.0) <= _SNAP_WHOLE:
                return whole * unit_s
    steps = math.floor(math.log(interval_s / _MINUTE, factor) + 1e-9)
    return float(_MINUTE * factor**steps)
