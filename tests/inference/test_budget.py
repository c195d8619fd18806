"""The operator's number of episodes becomes a bound of the p-value."""

from __future__ import annotations

import pytest

from gateway.config import InferenceConfig
from gateway.inference.budget import MEASURED, WEEK_S, bound, bound_for


def test_without_a_budget_the_configured_p_value_holds() -> None:
    assert bound(InferenceConfig(false_alarm_p=0.003), 10.0) == 0.003


def test_before_a_channel_is_known_the_configured_p_value_holds() -> None:
    assert bound(InferenceConfig(episodes_per_week=1, false_alarm_p=0.003), 0.0) == 0.003


def test_a_measured_cost_gives_its_bound_back() -> None:
    for at, cost in MEASURED:
        assert bound_for(cost) == pytest.approx(at)


def test_a_larger_site_or_a_smaller_budget_makes_the_bound_smaller() -> None:
    per_s = 100 / 900.0
    middle = MEASURED[len(MEASURED) // 2][1] * per_s * WEEK_S
    usual = bound(InferenceConfig(episodes_per_week=middle), per_s)
    assert bound(InferenceConfig(episodes_per_week=middle), 1.5 * per_s) < usual
    assert bound(InferenceConfig(episodes_per_week=middle / 1.5), per_s) < usual


def test_what_was_not_measured_is_not_promised() -> None:
    assert bound_for(1e-12) == pytest.approx(MEASURED[0][0])
    assert bound_for(1.0) == pytest.approx(MEASURED[-1][0])
