"""Days of another kind: what rests at the weekend, and what may not rest."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.alerts.rules.fortnight import DAY, Floats
from gateway.alerts.rules.weekdays import HOURS, is_another_day, rhythm_of

FRIDAY = 4


def office(
    days: int,
    at: int = 14,
    resting: tuple[int, ...] = (),
    rest: float = 430.0,
    busy: float = 1000.0,
) -> Floats:
    """Return an office's hourly CO2 that ends at `at` o'clock of a day; the first was a Monday.

    `resting` are days without people beside the weekends.
    """
    clock = np.arange(days * DAY + at + 1)
    day, hour = clock // DAY, clock % DAY
    people = (day % 7 <= FRIDAY) & (hour >= 8) & (hour < 18) & ~np.isin(day, resting)
    level = np.where(people, busy, rest) + np.random.default_rng(5).normal(0, 6, clock.size)
    out = np.full(HOURS, np.nan)
    out[-min(clock.size, HOURS) :] = level[-HOURS:]
    return out


@pytest.mark.parametrize("day", [5, 6, 12, 13, 19])
def test_a_quiet_weekend_is_another_kind_of_day(day: int) -> None:
    assert is_another_day(office(day), 432.0)


def test_a_holiday_of_the_second_week_is_not_told_and_one_of_the_third_is() -> None:
    assert is_another_day(office(9, resting=(9,)), 428.0)
    assert not is_another_day(office(16, resting=(16,)), 428.0)


def test_a_pump_that_ran_every_day_of_the_week_may_not_rest() -> None:
    o_clock = (np.arange(HOURS) - HOURS + 1 + 18) % DAY  # it is six in the evening
    pump = np.where(o_clock < 10, 0.0, 4.2)
    pump[-7:] = 0.0

    assert not is_another_day(pump, 0.0)


def test_people_on_a_first_saturday_are_like_those_of_a_workday() -> None:
    worked = office(5)
    worked[-7:] = 1000.0

    assert is_another_day(worked, 990.0)


@pytest.mark.parametrize("value", [120.0, 1600.0])
def test_a_value_as_never_before_is_always_told(value: float) -> None:
    assert not is_another_day(office(5), value)


def test_a_level_between_rest_and_work_is_told() -> None:
    sagging = office(5)
    sagging[-7:] = 700.0

    assert not is_another_day(sagging, 700.0)


def test_air_outdoors_and_a_drying_bed_have_no_rest() -> None:
    clock = np.arange(HOURS)
    outdoors = 16 + 7 * np.cos((clock % DAY - 15) / DAY * 2 * np.pi)

    assert rhythm_of(outdoors) is None
    assert rhythm_of(15 + 13 * np.exp(-clock / 200)) is None
