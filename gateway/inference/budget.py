"""From the operator's one number, false episodes a week on the whole site, to a p-value's bound.

A false episode needs several abnormal samples near each other, and p-values have a floor, so how
many episodes a bound costs is no matter of multiplication: it was measured, on clean environmental
recordings that settings may be chosen on (32 series, 80,000 samples; `models.evaluate` measures it
on others), with three of five samples needed. `MEASURED` holds the episodes per sample at each
bound; between them it is interpolated on logarithms. At the smallest one was seen: its cost is
one in all that was looked at. A budget beyond the table gets the table's end.

Channels differ, and a table is of other channels than the site's. So with a budget each channel
corrects its own bound: it widens as long as nothing happens, by `STEP` decades in the time in which
one episode may be expected, and narrows by as much with every episode (after adaptive conformal
inference, Gibbs and Candes 2021).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace

from gateway.config import InferenceConfig

WEEK_S = 604800.0
MEASURED = (
    (1e-7, 1.2e-5),
    (1e-6, 2.5e-5),
    (1e-5, 5.0e-5),
    (1e-4, 2.24e-4),
    (1e-3, 6.73e-4),
    (1e-2, 2.27e-3),
)
"""(bound of the p-value, false episodes per sample), rising in both."""


STEP = 1.5
_NARROWEST, _WIDEST = -2.5, 3.0
"""Real faults spend the budget too, but not so much that the channel would go deaf."""
_LARGEST = 0.2


@dataclass(slots=True)
class Leeway:
    """How many decades a channel's bound is wider than the site's, from what it has raised."""

    decades: float = 0.0

    def bound(self, common: float) -> float:
        """Return this channel's bound."""
        return float(min(common * 10.0**self.decades, max(_LARGEST, common)))

    def take(self, allowed: float, *, began: bool) -> None:
        """Go on by one sample, with which an episode `began` or not; `allowed` as in `Terms`."""
        if allowed > 0.0:
            moved = self.decades + STEP * (allowed - began)
            self.decades = min(max(moved, _NARROWEST), _WIDEST)


@dataclass(frozen=True, slots=True)
class Terms:
    """Below what `bound` a p-value is abnormal, and how many episodes a sample is `allowed`."""

    bound: float
    allowed: float = 0.0

    def times(self, factor: float) -> Terms:
        """Return the terms of a channel that false alarms have made less sensitive."""
        return self if factor == 1.0 else replace(self, bound=self.bound * factor)


def terms(config: InferenceConfig, samples_per_s: float) -> Terms:
    """Return what the site's budget means for one sample.

    `samples_per_s` is how many samples all channels of the site bring in a second. Without a
    budget (`episodes_per_week` 0), or before a channel is known, the bound is `false_alarm_p`.
    """
    if config.episodes_per_week <= 0.0 or samples_per_s <= 0.0:
        return Terms(config.false_alarm_p)
    allowed = config.episodes_per_week / (samples_per_s * WEEK_S)
    return Terms(bound_for(allowed), allowed)


def bound_for(allowed: float) -> float:
    """Return the bound that costs so many false episodes per sample, within what was measured."""
    bounds, costs = zip(*MEASURED, strict=True)
    at = min(max(bisect_left(costs, allowed), 1), len(costs) - 1)
    low, high = math.log(costs[at - 1]), math.log(costs[at])
    share = min(max((math.log(allowed) - low) / (high - low), 0.0), 1.0)
    return math.exp((1 - share) * math.log(bounds[at - 1]) + share * math.log(bounds[at]))
