"""The operator's number of episodes becomes a bound of the p-value."""

from __future__ import annotations

import pytest

from gateway.config import InferenceConfig
from gateway.inference.budget import MEASURED, WEEK_S, Leeway, bound_for, terms


def test_without_a_budget_the_configured_p_value_holds() -> None:
    assert terms(InferenceConfig(false_alarm_p=0.003), 10.0).bound == 0.003


def test_before_a_channel_is_known_the_configured_p_value_holds() -> None:
    early = terms(InferenceConfig(episodes_per_week=1, false_alarm_p=0.003), 0.0)
    assert early.bound == 0.003


def test_a_measured_cost_gives_its_bound_back() -> None:
    for at, cost in MEASURED:
        assert bound_for(cost) == pytest.approx(at)


def test_a_larger_site_or_a_smaller_budget_makes_the_bound_smaller() -> None:
    per_s = 100 / 900.0
    middle = MEASURED[len(MEASURED) // 2][1] * per_s * WEEK_S
    usual = terms(InferenceConfig(episodes_per_week=middle), per_s).bound
    assert terms(InferenceConfig(episodes_per_week=middle), 1.5 * per_s).bound < usual
    assert terms(InferenceConfig(episodes_per_week=middle / 1.5), per_s).bound < usual


def test_what_was_not_measured_is_not_promised() -> None:
    assert bound_for(1e-12) == pytest.approx(MEASURED[0][0])
    assert bound_for(1.0) == pytest.approx(MEASURED[-1][0])


def test_a_channel_that_raises_nothing_widens_its_bound_and_one_that_cries_narrows_it() -> None:
    quiet, loud = Leeway(), Leeway()
    for sample in range(1000):
        quiet.take(1e-3, began=False)
        loud.take(1e-3, began=sample % 100 == 0)
    assert quiet.bound(1e-4) > 10 * 1e-4
    assert loud.bound(1e-4) < 1e-4 / 10


def test_without_a_budget_there_is_no_leeway() -> None:
    leeway = Leeway()
    leeway.take(0.0, began=True)
    assert leeway.bound(2e-4) == 2e-4


def test_a_channel_as_loud_as_allowed_ends_where_it_began() -> None:
    leeway = Leeway()
    for sample in range(5000):
        leeway.take(1e-3, began=sample % 1000 == 500)
    assert leeway.bound(1e-4) == pytest.approx(1e-4, rel=1e-6)
