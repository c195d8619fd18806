"""A forecast weighs what would have done well lately."""

from __future__ import annotations

import numpy as np
import pytest
from fake_models import LastValue, SeasonalNaive

from gateway.inference import forecast
from gateway.inference.heads import MIDDLE, Floats
from gateway.inference.opinions import Course

STEP_S = 900.0


def course(values: Floats) -> Course:
    return Course(values, 1_700_000_000.0 // STEP_S * STEP_S, STEP_S)


def daily(days: float) -> Floats:
    rng = np.random.default_rng(3)
    one = rng.normal(size=96)
    return np.resize(one, round(96 * days)) + 20.0


def error(values: Floats, past: Floats | None) -> float:
    window = course(values[:-96]).window(512)
    made = forecast(LastValue(), window, 96, past)
    return float(np.abs(made.quantiles[:, MIDDLE] - values[-96:]).mean())


def test_a_channel_that_repeats_itself_is_forecast_by_its_yesterday() -> None:
    values = daily(12)
    assert error(values, values[:-96]) < 0.05 * float(np.abs(values - values.mean()).mean())


def test_a_past_too_short_to_look_back_in_leaves_the_model_alone() -> None:
    short = course(daily(0.75))
    made = forecast(LastValue(), short.window(512), 10, short.values)
    assert np.allclose(made.quantiles[:, MIDDLE], short.values[-1])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_channel_upside_down_is_forecast_upside_down(sign: float) -> None:
    values = np.cumsum(np.random.default_rng(5).normal(size=700))
    window = course(sign * values).window(512)
    made = forecast(SeasonalNaive(), window, 48, sign * values)
    upright = forecast(SeasonalNaive(), course(values).window(512), 48, values)
    expected = upright.quantiles if sign > 0 else -upright.quantiles[:, ::-1]
    assert np.allclose(made.quantiles, expected, atol=1e-3)


def test_gaps_in_the_past_are_no_zeros() -> None:
    values = daily(12) + 100.0
    gapped = values.copy()
    gapped[np.random.default_rng(1).random(len(values)) < 0.3] = np.nan
    gapped[-1] = values[-1]
    made = forecast(SeasonalNaive(), course(gapped).window(512), 96, gapped)
    assert (made.quantiles > 60).all()
