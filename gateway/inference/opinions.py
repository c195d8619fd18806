"""Several forecasts of one channel, weighed by how each would have done lately.

The model's own answer is one opinion. The model shown every 2nd, 4th or 8th sample sees weeks
instead of days, and gives a coarser one; "as yesterday" and "as it is now" are two more, since
some channels know no better. Each is asked from several moments of the past too, where the truth
is known by now, and counts by its mean error there to the power of minus `POWER`.

Settled on *settle* (models/README.md): beside the model alone, 3 % less error over environmental
recordings, a quarter less where a channel repeats itself exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.inference.heads import MIDDLE, Floats
from gateway.inference.model import DAY_S, Model, run_all, stack
from gateway.types import Channel, DevEui, Window

LONGEST_PAST = 4608
"""How many slots of the past are of use: eight windows, and the moments looked back to."""

BACK = (24, 48, 96, 144, 192, 288, 384, 480)
STRIDES = (2, 4, 8)
POWER = 12.0
_SECOND = 0.5
"""What an opinion other than the model's own counts beside it, at the same error."""
_BORROWED = ("yesterday", "now")
"""These have no spread of their own and take the model's."""
_FEWEST = 64
_SMALLEST = 1e-3
_NOBODY = (DevEui("0" * 16), Channel(""))

Ask = Callable[[Sequence[Window], int], list[Floats]]
"""Forecasts each window at least so many steps of the first one's, [steps, 11] on its own step."""


@dataclass(frozen=True, slots=True)
class Course:
    """A channel up to one moment: `values` float64 [n], NaN = missing, the newest one known."""

    values: Floats
    end_s: float
    step_s: float

    def until(self, back: int) -> Course | None:
        """Return the course up to the newest known slot at least `back` slots ago, if any."""
        known = np.flatnonzero(np.isfinite(self.values[: max(len(self.values) - back, 0)]))
        if known.size < _FEWEST:
            return None
        stop = int(known[-1]) + 1
        end_s = self.end_s - (len(self.values) - stop) * self.step_s
        return Course(self.values[:stop], end_s, self.step_s)

    def every(self, stride: int) -> Course:
        """Return the newest and every `stride`-th slot before it."""
        return Course(self.values[::-stride][::-1], self.end_s, self.step_s * stride)

    def window(self, context: int, sign: float = 1.0) -> Window:
        """Return the newest `context` slots as a model takes them, perhaps upside down."""
        values = np.full(context, np.nan)
        newest = self.values[-context:]
        values[context - len(newest) :] = sign * newest
        known = np.isfinite(values)
        return Window(
            *_NOBODY,
            end_s=self.end_s,
            step_s=self.step_s,
            values=np.where(known, values, 0.0),
            mask=known.astype(np.float32),
            observed=float(values[-1]),
            samples=int(known.sum()),
            gap_steps=1,
        )


def weighed(model: Model, ask: Ask, course: Course, steps: int) -> Floats:
    """Return the quantiles [steps, 11] that all opinions come to.

    With too short a past to look back in, the model's own opinion is all.
    """
    opinions = _opinions(course, steps, ask, model.context)
    errors = _errors(model, course, tuple(opinions))
    if errors is None:
        return opinions["own"]
    share = errors**-POWER * np.array([1.0 if name == "own" else _SECOND for name in opinions])
    for error, (name, opinion) in zip(errors, opinions.items(), strict=True):
        if name in _BORROWED:  # who errs less than the model needs less than its spread
            middle = opinion[:, MIDDLE : MIDDLE + 1]
            opinions[name] = middle + (opinion - middle) * min(error / errors[0], 1.0)
    share /= share.sum()
    mixed: Floats = np.tensordot(share, np.stack(list(opinions.values())), axes=1)
    return mixed


def _errors(model: Model, course: Course, names: tuple[str, ...]) -> Floats | None:
    """Return each opinion's mean error at past moments, in typical ones; None where none is."""

    def ask(windows: Sequence[Window], steps: int) -> list[Floats]:
        del steps
        stacked = stack(windows)
        quantiles = run_all(model, stacked).quantiles.astype(np.float64)
        return list(quantiles + stacked.base[:, None, None])

    off, known = np.zeros(len(names)), 0
    for past in filter(None, map(course.until, BACK)):
        truth = course.values[len(past.values) :][: model.horizon]
        opinions = _opinions(past, len(truth), ask, model.context)
        there = np.isfinite(truth)
        medians = [opinions.get(name, opinions["own"])[:, MIDDLE] for name in names]
        off += np.array([np.abs(median - truth)[there].sum() for median in medians])
        known += int(there.sum())
    if not known or not off.any():
        return None
    errors: Floats = off / off.mean() + _SMALLEST
    return errors


def _opinions(course: Course, steps: int, ask: Ask, context: int) -> dict[str, Floats]:
    """Return what each way of forecasting says of the coming steps, [steps, 11] by name."""
    coarse = {stride: course.every(stride) for stride in STRIDES}
    coarse = {k: c for k, c in coarse.items() if np.isfinite(c.values[-context:]).sum() >= _FEWEST}
    near = [course.window(context), course.window(context, -1.0)]
    far = [c.window(context) for c in coarse.values()]
    up, down, *others = ask([*near, *far], steps)
    own = (up[:steps] - down[:steps, ::-1]) / 2.0
    opinions = {"own": own}
    for stride, answer in zip(coarse, others, strict=True):
        opinions[f"every {stride}"] = _finer(answer, stride, float(course.values[-1]), steps)
    spread = own - own[:, MIDDLE : MIDDLE + 1]
    paths = (_yesterday(course, steps), course.values[-1:])
    for name, path in zip(_BORROWED, paths, strict=True):
        opinions[name] = path[:, None] + spread
    return opinions


def _finer(quantiles: Floats, stride: int, newest: float, steps: int) -> Floats:
    """Return a coarse forecast on the fine step, in straight lines from the newest value on."""
    at = np.arange(1, steps + 1)
    coarse = np.arange(len(quantiles) + 1) * stride
    rows = np.concatenate([np.full((1, quantiles.shape[1]), newest), quantiles])
    return np.stack([np.interp(at, coarse, column) for column in rows.T], axis=1)


def _yesterday(course: Course, steps: int) -> Floats:
    """Return for each coming step the value whole days before, the newest one where unknown."""
    ahead = np.arange(1, steps + 1)
    day = max(round(DAY_S / course.step_s), 1)
    slot = len(course.values) - 1 + ahead - day * -(-ahead // day)
    values = np.where(slot >= 0, course.values[np.maximum(slot, 0)], np.nan)
    return np.where(np.isfinite(values), values, course.values[-1])
