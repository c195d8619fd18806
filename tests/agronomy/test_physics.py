"""What must hold for any air, any place and any day: bounds, order, and refusal of nonsense."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agronomy import sun
from gateway.agronomy.evapotranspiration import (
    Day,
    Hour,
    clear_sky,
    hargreaves,
    penman_monteith,
    penman_monteith_hourly,
)
from gateway.agronomy.vapour import (
    deficit_kpa,
    dew_point_c,
    dew_point_of_c,
    heat_index_c,
    pressure_kpa,
    saturation_kpa,
    vapour_pressure_kpa,
    wet_bulb_c,
    wet_bulb_stull_c,
)
from gateway.errors import BadInput

temperatures = st.floats(-60, 70)
humidities = st.floats(0, 100)
latitudes = st.floats(-90, 90)
days = st.integers(1, 366)


@given(temperatures, humidities)
def test_dew_point_and_wet_bulb_lie_in_order_below_the_temperature(t: float, rh: float) -> None:
    dew, wet = dew_point_c(t, rh), wet_bulb_c(t, rh)
    assert dew <= wet + 1e-6
    assert wet <= t
    assert 0 <= deficit_kpa(t, rh) <= saturation_kpa(t)
    assert math.isfinite(heat_index_c(t, rh))


@given(temperatures, st.floats(0, 99), st.floats(0.1, 1))
def test_wetter_air_has_a_higher_dew_point_and_wet_bulb(t: float, rh: float, more: float) -> None:
    assert dew_point_c(t, rh + more) >= dew_point_c(t, rh)
    assert wet_bulb_c(t, rh + more) >= wet_bulb_c(t, rh) - 1e-3
    assert deficit_kpa(t, rh + more) <= deficit_kpa(t, rh)


@given(st.floats(-60, 69), st.floats(0.1, 1))
def test_warmer_air_holds_more_water(t: float, warmer: float) -> None:
    assert saturation_kpa(t + warmer) > saturation_kpa(t)


@given(st.floats(-20, 70), st.floats(0.1, 100))
def test_air_is_saturated_at_its_dew_point(t: float, rh: float) -> None:
    assert saturation_kpa(dew_point_c(t, rh)) == pytest.approx(vapour_pressure_kpa(t, rh))
    assert dew_point_of_c(saturation_kpa(t)) == pytest.approx(t, abs=1e-6)


@given(temperatures)
def test_saturated_air_has_one_temperature(t: float) -> None:
    assert dew_point_c(t, 100.0) == pytest.approx(t, abs=1e-6)
    assert wet_bulb_c(t, 100.0) == pytest.approx(t, abs=1e-3)
    assert deficit_kpa(t, 104.0) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(0, 40), st.floats(20, 95))
def test_stulls_fit_is_within_a_degree_of_the_psychrometer(t: float, rh: float) -> None:
    assert wet_bulb_stull_c(t, rh) == pytest.approx(wet_bulb_c(t, rh), abs=1.1)


@given(st.floats(30, 50), st.floats(0, 90), st.floats(5, 10))
def test_it_feels_no_cooler_in_much_wetter_heat(t: float, rh: float, more: float) -> None:
    assert heat_index_c(t, rh + more) >= heat_index_c(t, rh) - 0.3


@given(latitudes, days)
def test_the_sun_gives_what_it_can(latitude: float, day: int) -> None:
    assert 0 <= sun.extraterrestrial(latitude, day) <= 50
    assert 0 <= sun.daylight_hours(latitude, day) <= 24


@given(latitudes, days)
def test_the_hours_of_a_day_add_up_to_it(latitude: float, day: int) -> None:
    hours = math.fsum(sun.extraterrestrial_hour(latitude, day, hour + 0.5) for hour in range(24))
    assert hours == pytest.approx(sun.extraterrestrial(latitude, day), abs=0.02)


@given(
    latitude=latitudes, day=days, low=st.floats(-40, 45), spread=st.floats(0, 25), rh=humidities,
    wind=st.floats(0, 25), bright=st.floats(0, 1), elevation=st.floats(-400, 6000),
)  # fmt: skip
def test_evapotranspiration_is_what_a_lawn_can_lose(
    *, latitude: float, day: int, low: float, spread: float, rh: float, wind: float, bright: float,
    elevation: float,
) -> None:  # fmt: skip
    radiation = bright * clear_sky(elevation, sun.extraterrestrial(latitude, day))
    vapour = vapour_pressure_kpa(low, rh)
    weather = Day(day, low, low + spread, vapour, wind, radiation)
    assert 0 <= penman_monteith(weather, latitude, elevation) < 60
    assert 0 <= penman_monteith(Day(day, low, low + spread), latitude, elevation) < 25
    assert 0 <= hargreaves(low, low + spread, sun.extraterrestrial(latitude, day)) < 25


@given(st.floats(10, 40), st.floats(1, 10))
def test_brighter_hours_evaporate_more(t: float, wind: float) -> None:
    dim, bright = (
        penman_monteith_hourly(Hour(t, 50.0, wind, radiation, 0.8, daytime=True), 0.0)
        for radiation in (0.5, 3.0)
    )
    assert bright > dim


def test_the_sun_rises_when_the_almanac_says() -> None:
    # Greenwich, 21 June 2024: sunrise 03:43 UTC (HM Nautical Almanac Office).
    noon_before = 1_718_884_800.0
    rises = sun.next_sunrise_s(noon_before, 51.48, 0.0)
    assert rises == pytest.approx(1_718_941_380.0, abs=300)
    assert sun.next_sunrise_s(noon_before, 80.0, 0.0) is None


@given(st.floats(0, 2_000_000_000), st.floats(-60, 60), st.floats(-180, 180))
def test_the_next_sunrise_is_within_a_day_and_a_little(t: float, lat: float, lon: float) -> None:
    rises = sun.next_sunrise_s(t, lat, lon)
    assert rises is not None
    assert t < rises <= t + 86400 + 600


@pytest.mark.parametrize("t", [math.nan, math.inf, -274.0, 327.67])
def test_what_is_no_weather_is_refused(t: float) -> None:
    with pytest.raises(BadInput, match="nonphysical"):
        saturation_kpa(t)
    for pair in (dew_point_c, wet_bulb_c, deficit_kpa, heat_index_c, wet_bulb_stull_c):
        with pytest.raises(BadInput, match="nonphysical"):
            pair(t, 50.0)
        with pytest.raises(BadInput, match="nonphysical"):
            pair(20.0, -t)
    with pytest.raises(BadInput, match="nonphysical"):
        penman_monteith(Day(180, 10.0, t), 50.0, 0.0)
    with pytest.raises(BadInput, match="nonphysical"):
        pressure_kpa(t * 100)
