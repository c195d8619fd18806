"""From the operator's one number, false episodes a week on the whole site, to a p-value's bound.

A false episode needs several abnormal samples near each other, and p-values have a floor, so how
many episodes a bound costs is no matter of multiplication: it was measured, on clean environmental
recordings that settings may be chosen on (28 series, 70,000 samples; `models.evaluate` measures it
on others), with three of five samples needed. `MEASURED` holds the episodes per sample at each
bound; between them it is interpolated on logarithms. At the smallest none was seen: its cost is
one in all that was looked at. A budget beyond the table gets the table's end.
"""

from __future__ import annotations

import math
from bisect import bisect_left

from gateway.config import InferenceConfig

WEEK_S = 604800.0
MEASURED = ((1e-6, 1.4e-5), (1e-5, 1.14e-4), (1e-4, 2.14e-4), (1e-3, 3.85e-4), (1e-2, 8.56e-4))
"""(bound of the p-value, false episodes per sample), rising in both."""


def bound(config: InferenceConfig, samples_per_s: float) -> float:
    """Return the p-value below which one sample is abnormal.

    `samples_per_s` is how many samples all channels of the site bring in a second. Without a
    budget (`episodes_per_week` 0), or before a channel is known, it is `false_alarm_p`.
    """
    if config.episodes_per_week <= 0.0 or samples_per_s <= 0.0:
        return config.false_alarm_p
    return bound_for(config.episodes_per_week / (samples_per_s * WEEK_S))


def bound_for(per_sample: float) -> float:
    """Return the bound that costs so many false episodes per sample, within what was measured."""
    bounds, costs = zip(*MEASURED, strict=True)
    at = min(max(bisect_left(costs, per_sample), 1), len(costs) - 1)
    low, high = math.log(costs[at - 1]), math.log(costs[at])
    share = min(max((math.log(per_sample) - low) / (high - low), 0.0), 1.0)
    return math.exp((1 - share) * math.log(bounds[at - 1]) + share * math.log(bounds[at]))
