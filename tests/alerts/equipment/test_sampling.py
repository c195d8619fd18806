from __future__ import annotations

import numpy as np
import pytest

from gateway.alerts.equipment.sampling import (
    Sampling,
    advise_sampling,
    holds_s,
    resolution_of,
)
from gateway.speech import speaking
from gateway.types import QUANTILES, Channel, DevEui, Forecast

AIR = Channel("air.temperature")
SOIL = Channel("soil.moisture")


def forecast(half_width: list[float], swing: float = 0.0) -> Forecast:
    """Return a forecast of so wide an 80 % band at each quarter of an hour."""
    levels = np.array(QUANTILES)
    steps = len(half_width)
    middle = swing * np.sin(np.linspace(0.0, np.pi, steps))[:, None]
    spread = np.array(half_width)[:, None] * np.sign(levels - 0.5)[None, :]
    return Forecast(DevEui("0" * 16), AIR, 0.0, 900.0, (middle + spread).astype(np.float32))


@pytest.mark.parametrize(
    ("half_width", "swing", "resolution", "hold_s"),
    [
        ([0.1] * 8, 0.0, 0.1, 7200.0),  # nothing is going to happen: as far as it reaches
        ([0.1, 0.2, 0.5, 1.0], 0.0, 0.1, 1800.0),  # two steps within twice the resolution
        ([0.4, 0.5, 0.6, 3.0], 10.0, 0.0, 2700.0),  # a tenth of the day's range matters
        ([2.0, 2.0, 2.0, 2.0], 0.0, 0.5, 450.0),  # too wide at once: less than a step
    ],
)
def test_a_forecast_holds_until_its_band_is_wider_than_what_matters(
    half_width: list[float], swing: float, resolution: float, hold_s: float
) -> None:
    assert holds_s(forecast(half_width, swing), resolution) == pytest.approx(hold_s, rel=0.01)


def test_the_resolution_is_the_smallest_step_of_a_sensor() -> None:
    assert resolution_of([20.0, 20.5, 20.5, 22.0]) == pytest.approx(0.5)
    assert resolution_of([7.0, 7.0]) == 0.0
    assert resolution_of([]) == 0.0


def advised(every_s: float, holds: dict[Channel, float], **facts: object) -> Sampling | None:
    plain: dict[str, object] = {"disturbed": False, "battery_days": None}
    return advise_sampling(every_s, holds, **{**plain, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("every_s", "holds", "facts", "case", "wanted_s"),
    [
        (900.0, {AIR: 8000.0, SOIL: 80000.0}, {}, "calm", 7200.0),
        (3600.0, {AIR: 700.0, SOIL: 80000.0}, {}, "restless", 600.0),
        (900.0, {AIR: 1000.0}, {"disturbed": True}, "alert", 300.0),
        (900.0, {AIR: 1000.0}, {"battery_days": 20.0}, "battery", 1800.0),
        (900.0, {AIR: 8000.0}, {"disturbed": True, "battery_days": 20.0}, "alert", 300.0),
        (900.0, {AIR: 86400.0}, {"most_s": 3600.0}, "calm", 3600.0),
        (3600.0, {AIR: 60.0}, {"least_s": 1200.0}, "restless", 1200.0),
    ],
)
def test_the_most_restless_channel_decides_within_what_the_device_allows(
    every_s: float, holds: dict[Channel, float], facts: dict[str, object], case: str,
    wanted_s: float,
) -> None:  # fmt: skip
    found = advised(every_s, holds, **facts)

    assert found is not None
    assert (found.case, found.wanted_s) == (case, wanted_s)


@pytest.mark.parametrize(
    ("every_s", "holds", "facts"),
    [
        (900.0, {}, {}),
        (900.0, {AIR: 1500.0}, {}),  # not worth a command
        (900.0, {AIR: 600.0}, {}),
        (60.0, {AIR: 900.0}, {"disturbed": True}),  # cannot go faster
        (900.0, {AIR: 100.0}, {"least_s": 3600.0}),  # would only be slower
    ],
)
def test_nothing_is_advised_where_the_interval_does(
    every_s: float, holds: dict[Channel, float], facts: dict[str, object]
) -> None:
    assert advised(every_s, holds, **facts) is None


def test_advice_says_both_intervals_in_the_language_of_the_site() -> None:
    found = advised(3600.0, {AIR: 700.0})
    assert found is not None
    assert found.text == (
        "Air temperature changes too much between two messages: measure every 10 min instead of "
        "every 1 h."
    )
    with speaking("zh_CN"):
        assert (
            found.text
            == "气温在两次上报之间变化过大，请改为每 10 分钟测量一次（目前为每 1 小时）。"
        )
