import numpy as np
import pytest
from fake_models import SeasonalNaive
from farm_series import air_temperature, times

from gateway.inference import forecast, load_model
from gateway.types import Channel, DevEui, Window
from gateway.windows import WindowBank


def window() -> Window:
    made = WindowBank().restore(
        DevEui("0011223344556677"), Channel("air.temperature"), times(700), air_temperature(700)
    )
    assert made is not None
    return made


@pytest.mark.parametrize("steps", [1, 96, 97, 300])
@pytest.mark.parametrize("model", [SeasonalNaive(), load_model()], ids=["fake", "built-in"])
def test_a_forecast_of_any_length_does_not_cross_and_does_not_collapse(model, steps: int) -> None:  # noqa: ANN001
    made = forecast(model, window(), steps)
    assert made.quantiles.shape == (steps, 11)
    assert np.isfinite(made.quantiles).all()
    assert (np.diff(made.quantiles, axis=1) >= 0).all()
    width = made.quantiles[:, -1] - made.quantiles[:, 0]
    if steps == 300:
        assert width[96:192].mean() >= width[:96].mean()
        assert width[192:288].mean() >= width[96:192].mean()


def test_a_long_forecast_starts_as_the_short_one() -> None:
    short = forecast(SeasonalNaive(), window(), 96)
    long = forecast(SeasonalNaive(), window(), 200)
    assert np.array_equal(long.quantiles[:96], short.quantiles)
    assert short.start_s == window().end_s + 900.0
