"""Noise over a day: equivalent levels, and day, evening and night in one figure.

Sources: ISO 1996-1:2016, 3.1.7 (equivalent level) and Directive 2002/49/EC, Annex I (L_den; day 7
to 19, evening 19 to 23, night 23 to 7 hours local time, weights of 0, 5 and 10 dB). Levels are in
dB(A).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gateway.agronomy.physical import within

DAY_H, EVENING_H, NIGHT_H = 12.0, 4.0, 8.0
_MOST_DB = 200.0


def energy(level_db: float) -> float:
    """Return the level as a mean square pressure relative to the reference."""
    return 10 ** (within("sound level", level_db, -20.0, _MOST_DB) / 10)


def level(mean_energy: float) -> float:
    """Return the level of a mean energy."""
    return 10 * math.log10(max(mean_energy, 1e-12))


def equivalent_level(levels_db: Sequence[float]) -> float:
    """Return the steady level with the energy of these equally long ones; at least one."""
    return level(math.fsum(map(energy, levels_db)) / len(levels_db))


def day_evening_night(day_db: float, evening_db: float, night_db: float) -> float:
    """Return L_den."""
    weighted = (
        DAY_H * energy(day_db)
        + EVENING_H * energy(evening_db + 5)
        + NIGHT_H * energy(night_db + 10)
    )
    return level(weighted / (DAY_H + EVENING_H + NIGHT_H))


def period_of(hour: int) -> str:
    """Return `day`, `evening` or `night` for an hour of the local day, 0 to 23."""
    if 7 <= hour < 19:  # noqa: PLR2004 - the directive's hours
        return "day"
    return "evening" if 19 <= hour < 23 else "night"  # noqa: PLR2004
