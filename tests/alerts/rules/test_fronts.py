"""Fronts, cold waves and heat in pooled air temperatures, and weather as ever."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.alerts.rules.fortnight import Floats
from gateway.alerts.rules.fronts import DAY, HOURS, cold_wave, front, heat
from gateway.types import Severity

CLOCK = np.arange(HOURS)


def air(mean: float = 16.0, swing: float = 7.0, devices: int = 4, ends_at: int = 15) -> Floats:
    """Return ordinary days of `devices`, the newest hour being `ends_at` o'clock."""
    o_clock = (CLOCK - CLOCK[-1] + ends_at) % DAY
    day = mean + swing * np.cos((o_clock - 15) / DAY * 2 * np.pi)
    dice = np.random.default_rng(7)
    return np.stack([day + 0.3 * i + dice.normal(0, 0.2, HOURS) for i in range(devices)])


def fallen(hours: int, by: float, **kind: float) -> Floats:
    series = air(**kind)  # type: ignore[arg-type]
    series[:, -hours:] -= by
    return series


def test_eight_degrees_within_two_hours_are_a_front() -> None:
    found = front(fallen(2, 8.0, mean=14.0))

    assert found is not None
    assert found.size_c + found.usual[1] == pytest.approx(8.0, abs=1.0)  # it usually warms
    assert found.days >= 10
    assert found.severity is Severity.WARNING  # 15 degrees or less are left


def test_a_front_at_dusk_is_found_beside_the_cooling_of_every_evening() -> None:
    assert front(fallen(2, 8.0, ends_at=19)) is not None
    assert front(air(ends_at=19)) is None


def test_a_shower_on_a_hot_afternoon_is_a_note() -> None:
    found = front(fallen(1, 7.5, mean=24.0))

    assert found is not None
    assert found.severity is Severity.INFO


def test_warming_that_fails_to_come_is_no_front() -> None:
    series = air(ends_at=10)
    series[:, -3:] = series[:, -4][:, None]

    assert front(series) is None


def test_one_device_of_four_makes_no_front() -> None:
    series = air()
    series[0, -2:] -= 12.0

    assert front(series) is None


def test_a_place_that_falls_so_every_evening_has_no_front() -> None:
    series = air(swing=2.0, ends_at=20)
    o_clock = (CLOCK - CLOCK[-1] + 20) % DAY
    series -= np.where((o_clock >= 19) | (o_clock < 8), 9.0, 0.0)

    assert front(series) is None


def test_without_five_days_nothing_is_a_front() -> None:
    series = fallen(2, 9.0)
    series[:, : -4 * DAY] = np.nan

    assert front(series) is None


@pytest.mark.parametrize(
    ("mean", "drop", "severity"),
    [(10.0, 8.8, Severity.WARNING), (10.0, 13.0, Severity.CRITICAL), (22.0, 9.0, None),
     (10.0, 6.0, None)],
    ids=["a wave", "with hard frost", "in summer", "too little"],
)  # fmt: skip
def test_a_cold_wave_is_what_the_standard_calls_one(
    mean: float, drop: float, severity: Severity | None
) -> None:
    found = cold_wave(fallen(DAY, drop, mean=mean, ends_at=9))

    assert (found.severity if found else None) is severity


def test_a_slow_fall_of_three_days_is_a_cold_wave_too() -> None:
    series = air(mean=10.0, ends_at=9)
    series[:, -3 * DAY :] -= np.linspace(0, 13.5, 3 * DAY)

    found = cold_wave(series)

    assert found is not None
    assert found.over_h == 3 * DAY


@pytest.mark.parametrize(
    ("mean", "days", "severity"),
    [(17.0, 1, Severity.INFO), (17.0, 2, Severity.WARNING), (22.0, 1, Severity.WARNING),
     (27.0, 1, Severity.CRITICAL), (10.0, 2, None)],
    ids=["one day of 31", "two of them", "35 at once", "above 40", "a warm spell in spring"],
)  # fmt: skip
def test_heat_is_told_by_how_hot_and_how_long(
    mean: float, days: int, severity: Severity | None
) -> None:
    found = heat(fallen(days * DAY - 2, -7.2, mean=mean, ends_at=17))

    assert (found.severity if found else None) is severity


def test_where_it_is_always_hot_an_ordinary_day_is_none() -> None:
    assert heat(air(mean=32.0)) is None
