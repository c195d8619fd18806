"""The yardsticks measure what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models import anomalies, forecasts
from models.data import Series

pytestmark = pytest.mark.train
CONTEXT, HORIZON = forecasts.CONTEXT, forecasts.HORIZON


def oracle(period: int) -> forecasts.Run:
    """Return a model that repeats the last `period` values, give or take one."""

    def run(
        values: forecasts.Float, mask: forecasts.Float, clock: forecasts.Float
    ) -> Sequence[forecasts.Float]:
        del mask, clock
        ahead = CONTEXT - period + np.arange(HORIZON) % period
        offsets = np.linspace(-1, 1, len(forecasts.LEVELS), dtype=np.float32)
        quantiles = values[:, ahead][:, :, None] + offsets
        return [quantiles, values, np.zeros((len(values), 4), np.float32)]

    return run


def daily(n: int = 6000) -> Series:
    values = np.sin(np.arange(n) * 2 * np.pi / 96)
    return Series("nab", "nab/x", "v", 0.0, 900.0, values, "confirm")


def test_the_naive_rule_repeats_yesterday() -> None:
    past = np.arange(CONTEXT, dtype=np.float32)[None]
    clock = np.array([[0.5, 1 / 96]], np.float32)
    made = forecasts.naive(past, clock, 192)
    np.testing.assert_array_equal(made[0, :96], np.arange(416, 512))
    np.testing.assert_array_equal(made[0, 96:], np.arange(416, 512))


def test_the_naive_rule_falls_back_to_the_newest_value() -> None:
    past = np.full((1, CONTEXT), np.nan, np.float32)
    past[0, -3:] = (1.0, 2.0, 3.0)
    made = forecasts.naive(past, np.array([[0.5, 1 / 96]], np.float32), 96)
    np.testing.assert_array_equal(made[0, :93], np.full(93, 3.0))
    np.testing.assert_array_equal(made[0, 93:], (1.0, 2.0, 3.0))


def test_a_perfect_forecast_has_no_error_and_full_coverage() -> None:
    trial = forecasts.spread(daily(), 2000, 6000, 1, 5)
    assert trial is not None
    row = forecasts.judge(forecasts.alone(oracle(96)), trial)
    assert row["mase"] == pytest.approx(0, abs=1e-4)
    assert row["mase_192"] == pytest.approx(0, abs=1e-4)
    assert row["coverage"] == 1.0


def test_windows_to_confirm_on_come_from_kept_series_only() -> None:
    made = forecasts.trials([daily()], "settle")
    assert made == []
    assert forecasts.trials([daily()], "confirm")


def test_the_quantile_loss_of_a_point_is_its_absolute_error_on_average() -> None:
    point = np.zeros((1, 1, len(forecasts.LEVELS)), np.float32)
    loss = forecasts.pinball(point, np.array([[2.0]], np.float32))
    assert loss[0, 0] == pytest.approx(2.0, rel=1e-5)


def test_average_precision_of_a_perfect_and_a_reversed_ranking() -> None:
    wrong = np.array([False, True, False, True])
    assert anomalies.average_precision(np.array([0, 3, 1, 2], np.float32), wrong) == 1.0
    worst = anomalies.average_precision(np.array([3, 0, 2, 1], np.float32), wrong)
    assert worst == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_every_observed_sample_after_the_first_64_is_judged() -> None:
    slots, scores = anomalies.heads(oracle(96), daily(300))
    np.testing.assert_array_equal(slots, np.arange(64, 300))
    assert {name: len(score) for name, score in scores.items()} == dict.fromkeys(
        ("forecast", "residual", "fault"), 236
    )
