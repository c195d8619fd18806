"""Moisture that climbs for hours: a burst line, or watering, rain, ground water, thaw."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.alerts.rules.fortnight import DAY, Floats
from gateway.alerts.rules.wetting import HOURS, climb, is_unusual

CLOCK = np.arange(HOURS)


def bed(seed: int = 2) -> Floats:
    """Return a bed that dries down from 28 %."""
    return 15 + 13 * np.exp(-CLOCK / 300) + np.random.default_rng(seed).normal(0, 0.05, HOURS)


def wetted(series: Floats, at: int, hours: int, percent: float) -> Floats:
    """Add so many per cent within so many hours from `at` hours before the end."""
    rise = np.clip((CLOCK - (HOURS - 1 - at)) / hours, 0, 1) * percent
    return np.asarray(series + rise)


def leaks(series: Floats) -> bool:
    found = climb(series)
    return found is not None and is_unusual(found)


@pytest.mark.parametrize("hours", [4, 6, 12, 20])
def test_a_climb_of_hours_is_unusual_where_nothing_like_it_was(hours: int) -> None:
    assert leaks(wetted(bed(), hours, hours, 1.2 * hours))


@pytest.mark.parametrize(
    ("hours", "percent"), [(2, 6.0), (12, 3.0), (24, 8.0)],
    ids=["a shower", "deep percolation", "ground water"],
)  # fmt: skip
def test_what_is_short_small_or_slow_is_none(hours: int, percent: float) -> None:
    assert not leaks(wetted(bed(), hours, hours, percent))


def test_what_comes_each_morning_is_watering() -> None:
    series = bed()
    for day in range(12):
        series = wetted(series, day * DAY + 5, 5, 4.5)

    assert not leaks(series)


def test_no_more_than_the_rain_of_last_week_is_none_and_twice_as_much_is() -> None:
    rained = wetted(bed(), 6 * DAY, 5, 5.0)

    assert not leaks(wetted(rained, 5, 5, 6.0))
    assert leaks(wetted(rained, 5, 5, 11.0))


def test_a_noisy_probe_that_happens_to_climb_is_none() -> None:
    noisy = bed() + np.where(CLOCK > HOURS - 40, np.random.default_rng(4).normal(0, 2.5, HOURS), 0)
    noisy[-6:] = noisy[-7] + 1.5 * np.arange(6)

    assert not leaks(noisy)


def test_coming_back_from_a_dip_is_none() -> None:
    dipped = bed()
    dipped[-6:] += np.linspace(-8.0, 1.0, 6)

    assert not leaks(dipped)


def test_a_gap_does_not_hide_the_climb_and_no_history_says_nothing() -> None:
    series = wetted(bed(), 8, 8, 9.0)
    series[-4] = np.nan
    assert leaks(series)

    series[: -2 * DAY] = np.nan
    assert not leaks(series)
