"""One site's history as training windows: the past of its channels, cut in time.

The newest fifth is *held back*: on it base and adapter are compared, and nothing else looks there.
The stretch before it says when to stop; all before that is learned from.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gateway.windows import learn_step
from models import data
from models.data import DAY_S, Series
from models.forecasts import CONTEXT, HORIZON

Float = npt.NDArray[np.float32]
HEADER = ["device", "channel", "time", "value"]
SPANS = {"learned": (0.0, 0.65), "settled": (0.65, 0.8), "held_back": (0.8, 1.0)}
FEWEST = 800
"""Samples of a channel below which it is left out: nothing would be left to hold back."""

_LEAST_PAST, _LEAST_FUTURE = 64, 24
_STEP_LOOKS = 33


@dataclass(frozen=True, slots=True)
class Windows:
    """`past` [n, C], `future` [n, H] (NaN = missing), `clock` [n, 2], `unit` [n, 1], `row` [n].

    `unit` is the channel's own error of repeating the day before, `row` the number of its series.
    """

    past: Float
    future: Float
    clock: Float
    unit: Float
    row: npt.NDArray[np.intp]

    def take(self, at: npt.NDArray[np.intp]) -> Windows:
        """Return some of them."""
        return Windows(self.past[at], self.future[at], self.clock[at], self.unit[at], self.row[at])


def read(path: Path) -> list[Series]:
    """Return one series per device and channel of a table of device, channel, time and value.

    Times are POSIX seconds. The step is the one that the gateway would learn. Channels of fewer
    than `FEWEST` samples, and those that never change, are left out.

    Raises
    ------
    ValueError
        It is no such table.

    """
    samples: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if next(rows, None) != HEADER:
            raise ValueError(f"{path} has not the columns {', '.join(HEADER)}")
        for device, channel, time_s, value in rows:
            samples[device, channel].append((float(time_s), float(value)))
    made = []
    for (device, channel), found in samples.items():
        array = np.array(sorted(found))
        if len(array) < FEWEST or not array[:, 1].std():
            continue
        step_s = learn_step(array[-_STEP_LOOKS:, 0].tolist())
        start_s, values = data.gridded(array[:, 0], array[:, 1], step_s)
        if len(values) <= 100 * len(array):  # else a clock was wrong once: years of nothing
            made.append(Series("history", device, channel, start_s, step_s, values))
    return made


def held_from(series: Series) -> int:
    """Return the first slot that is held back."""
    return int(SPANS["held_back"][0] * len(series.values))


def unit(series: Series) -> float:
    """Return the mean error of repeating the day before, on what is not held back."""
    values = series.values[: held_from(series)]
    period = max(1, round(DAY_S / series.step_s))
    period = period if period < len(values) // 2 else 1
    off = np.abs(values[period:] - values[:-period])
    mean = float(np.nanmean(off)) if np.isfinite(off).any() else 0.0
    return max(mean, 0.05 * float(np.nanstd(values)), 1e-9)


def windows(
    found: Sequence[Series], part: str, each: int, rng: np.random.Generator | None = None
) -> Windows | None:
    """Return up to `each` windows of every series whose futures lie in a part, None without any.

    Evenly spread, or at random where `rng` is given.
    """
    rows = [
        (values, clock, size, at)
        for at, series in enumerate(found)
        for size in [unit(series)]
        for end in _ends(series, part, each, rng)
        for values, clock in [data.cut(series, int(end), CONTEXT + HORIZON, 1, mean=False)]
        if _usable(values)
    ]
    if not rows:
        return None
    values = np.stack([row[0] for row in rows])
    clock = np.stack([row[1] for row in rows])
    clock[:, 0] = (clock[:, 0] - HORIZON * clock[:, 1]) % 1.0
    return Windows(
        values[:, :CONTEXT],
        values[:, CONTEXT:],
        clock,
        np.array([[row[2]] for row in rows], np.float32),
        np.array([row[3] for row in rows], np.intp),
    )


def _ends(
    series: Series, part: str, each: int, rng: np.random.Generator | None
) -> Iterable[np.integer]:
    low, high = (int(share * len(series.values)) for share in SPANS[part])
    first = max(low, _LEAST_PAST) + HORIZON
    if first > high:
        return ()
    if rng is not None:
        return rng.integers(first, high + 1, size=each)
    return np.unique(np.linspace(first, high, each).astype(np.intp))


def _usable(values: Float) -> bool:
    past, future = values[:CONTEXT], values[CONTEXT:]
    enough = np.isfinite(past).sum() >= _LEAST_PAST and np.isfinite(future).sum() >= _LEAST_FUTURE
    return bool(enough and np.nanstd(past) > 0)
