"""A channel beside its neighbours, by days: drift is found and said of the right one."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.alerts.rules.beside import DAYS, departure
from gateway.alerts.rules.fortnight import DAY, Floats

HOURS = np.arange(DAYS * DAY)
DEGREES = 2.0


def field(devices: int = 4, seed: int = 3) -> Floats:
    """Return hourly means of thermometers that stand in sun and shade, under one weather."""
    dice = np.random.default_rng(seed)
    weather = np.cumsum(dice.normal(0, 0.25, HOURS.size))
    day = np.cos((HOURS % DAY - 15) / DAY * 2 * np.pi)
    return np.stack([
        15 + 0.4 * i + (6 + 1.5 * i) * day + weather + dice.normal(0, 0.2, HOURS.size)
        for i in range(devices)
    ])  # fmt: skip


def asked(series: Floats, one: int) -> tuple[bool, float]:
    found = departure(series[one], np.delete(series, one, axis=0), DEGREES)
    assert found is not None
    return found.gone, found.off


@pytest.mark.parametrize("devices", [3, 4, 8])
@pytest.mark.parametrize("a_day", [4.0, -1.5])
def test_drift_is_found_at_the_one_that_drifts(devices: int, a_day: float) -> None:
    series = field(devices)
    series[1, -3 * DAY :] += a_day * np.arange(3 * DAY) / DAY

    assert [asked(series, one)[0] for one in range(devices)] == [one == 1 for one in range(devices)]
    assert asked(series, 1)[1] == pytest.approx(2.5 * a_day, abs=0.8)


def test_it_says_since_when() -> None:
    series = field()
    series[2, -60:] += 5.0

    found = departure(series[2], series[[0, 1, 3]], DEGREES)

    assert found is not None
    assert found.since_h == pytest.approx(60, abs=8)
    low, middle, high = found.expected
    assert low < middle < high < found.observed


def test_weather_that_all_see_is_nobodys_fault() -> None:
    series = field()
    series[:, -2 * DAY :] -= 11.0

    assert not any(asked(series, one)[0] for one in range(len(series)))


def test_sun_that_reaches_one_of_them_for_a_few_hours_is_its_place() -> None:
    series = field()
    noon = (HOURS % DAY >= 11) & (HOURS % DAY <= 14)
    series[0] += np.where(noon & (HOURS.size - 3 * DAY < HOURS), 5.0, 0.0)

    assert not asked(series, 0)[0]


def test_a_single_odd_day_is_not_yet_a_drift() -> None:
    series = field()
    series[0, -DAY:] += 2.6

    assert not asked(series, 0)[0]


def test_without_four_days_before_nothing_is_said() -> None:
    series = field()
    series[0, : -6 * DAY] = np.nan

    assert departure(series[0], series[1:], DEGREES) is None
