import math
import random
from collections.abc import Callable

import pytest

from gateway.alerts.battery import DAY_S, FEWEST_DAYS, FURTHEST_DAYS, days_left


def hourly(
    days: float, level: Callable[[float], float], noise: float = 0.0, seed: int = 1
) -> tuple[list[float], list[float]]:
    """Return samples of `level(day)` every hour, with noise of a volt meter's kind."""
    dice = random.Random(seed)  # noqa: S311 - noise
    times = [hour * 3600.0 for hour in range(int(days * 24))]
    return times, [level(t / DAY_S) + dice.gauss(0.0, noise) for t in times]


def test_a_steady_decline_is_told_with_the_days_that_are_left() -> None:
    times, volts = hourly(30, lambda day: 3.6 - 0.01 * day, noise=0.005)

    found = days_left(times, volts, floor=2.9)

    assert found is not None
    assert found.per_day == pytest.approx(-0.01, rel=0.05)
    assert found.days == pytest.approx(41, rel=0.08)
    assert found.soonest <= found.days <= found.latest


def test_the_swing_of_day_and_night_is_no_decline() -> None:
    times, volts = hourly(30, lambda day: 3.6 + 0.1 * math.sin(2 * math.pi * day), noise=0.01)

    assert days_left(times, volts, floor=2.9) is None


def test_noise_alone_is_hardly_ever_a_decline() -> None:
    told = sum(
        days_left(*hourly(21, lambda _: 80.0, noise=2.0, seed=seed), 10.0) is not None
        for seed in range(60)
    )

    assert told <= 3  # 1 % of chance each, one-sided


def test_a_new_battery_begins_anew() -> None:
    old = [(float(day), 3.0 - 0.02 * day) for day in range(20)]
    new = [(20.0 + day, 3.6 - 0.01 * day) for day in range(10)]
    times = [day * DAY_S for day, _ in old + new]

    found = days_left(times, [value for _, value in old + new], floor=2.5)

    assert found is not None
    assert found.per_day == pytest.approx(-0.01)
    assert found.days == pytest.approx((3.6 - 0.09 - 2.5) / 0.01)


def test_one_bad_day_moves_nothing() -> None:
    values = [90.0 - day for day in range(20)]
    values[11] = 12.0

    found = days_left([day * DAY_S for day in range(20)], values, floor=10.0)

    assert found is not None
    assert found.days == pytest.approx(61.0)


def test_at_the_floor_nothing_is_left() -> None:
    found = days_left([day * DAY_S for day in range(20)], [20.0 - day for day in range(20)], 5.0)

    assert found is not None
    assert (found.days, found.soonest, found.latest) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("days", [0, 1, FEWEST_DAYS - 1])
def test_a_few_days_tell_nothing(days: int) -> None:
    assert (
        days_left([d * DAY_S for d in range(days)], [50.0 - d for d in range(days)], 10.0) is None
    )


def test_a_decline_of_decades_is_none() -> None:
    values = [3.6 - 1e-6 * day for day in range(40)]

    assert days_left([day * DAY_S for day in range(40)], values, floor=2.0) is None
    assert FURTHEST_DAYS == 3650.0


def test_what_is_not_finite_and_the_order_do_not_matter() -> None:
    pairs = [(day * DAY_S, 90.0 - day) for day in range(20)]
    shuffled = [*reversed(pairs), (math.nan, 3.0), (5 * DAY_S, math.inf)]

    expected = days_left([t for t, _ in pairs], [v for _, v in pairs], 10.0)

    assert days_left([t for t, _ in shuffled], [v for _, v in shuffled], 10.0) == expected
