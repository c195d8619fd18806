"""It is found when a channel was as it was before now, and normal."""

from __future__ import annotations

import numpy as np

from gateway.inference.nearest import nearest

STEP_S = 900.0
DAYS = 9


def days(*levels: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the times, values and health of days of different levels and amplitudes."""
    rows = np.arange(96 * len(levels))
    values = np.repeat(levels, 96) + np.sin(rows * 2 * np.pi / 96) * np.repeat(levels, 96) / 10
    return rows * STEP_S, values, np.ones(len(rows), np.bool_)


def test_the_day_that_was_most_alike_is_found_and_what_came_then() -> None:
    times, values, normal = days(10, 20, 13, 30, 25, 13.2, 13)
    lead = 4
    cut = len(values) - 96 + lead  # the newest stretch is the whole sixth day
    found = nearest(times[:cut], values[:cut], normal[:cut], lead)
    assert found == 3 * 96 + lead


def test_what_was_abnormal_is_no_example() -> None:
    times, values, normal = days(10, 20, 13, 30, 25, 13.2, 13)
    normal[2 * 96 + 50] = False
    cut = len(values) - 96 + 4
    assert nearest(times[:cut], values[:cut], normal[:cut], 4) != 3 * 96 + 4


def test_a_stretch_across_a_gap_is_no_example() -> None:
    times, values, normal = days(10, 20, 13, 30, 25, 13.2, 13)
    times[2 * 96 + 50 :] += 40 * STEP_S
    cut = len(values) - 96 + 4
    assert nearest(times[:cut], values[:cut], normal[:cut], 4) != 3 * 96 + 4


def test_nothing_is_said_where_nothing_is_like_it() -> None:
    times, values, normal = days(10, 10.1, 10.2, 10.1, 10, 10.1, 40)
    assert nearest(times, values, normal, 4) is None


def test_nothing_is_said_of_a_short_or_still_past() -> None:
    times, values, normal = days(10, 11)
    assert nearest(times, values, normal, 4) is None
    times, values, normal = days(*[0.0] * DAYS)
    assert nearest(times, values, normal, 4) is None
    assert nearest(np.empty(0), np.empty(0), np.empty(0, np.bool_), 4) is None
