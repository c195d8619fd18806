"""Soil water, air quality, noise and trends beyond their worked examples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agronomy.air_quality import CHINA, EPA, EUROPE, china, epa, europe, nowcast
from gateway.agronomy.noise import day_evening_night, equivalent_level, period_of
from gateway.agronomy.soil_water import (
    SOILS,
    RootZone,
    Soil,
    advise,
    depletion_of,
    next_depletion,
    root_zone,
)
from gateway.agronomy.trend import mann_kendall, seasonal_mann_kendall
from gateway.errors import BadInput

LOAM = SOILS["loam"]

# --- soil water ---------------------------------------------------------------------------------


@given(st.floats(0, 200), st.floats(0, 15), st.floats(0, 300), st.floats(0, 300))
def test_depletion_stays_between_nothing_and_everything(
    before: float, crop_mm: float, rain: float, water: float
) -> None:
    zone = root_zone(LOAM, 0.8, 0.5)
    after = next_depletion(
        zone, min(before, zone.total_mm), crop_mm=crop_mm, rain_mm=rain, irrigation_mm=water
    )
    assert 0 <= after <= zone.total_mm


def test_the_easy_water_goes_at_the_full_rate_and_the_rest_ever_slower() -> None:
    zone, depletion, steps = RootZone(100.0, 50.0), 0.0, []
    for _ in range(60):
        after = next_depletion(zone, depletion, crop_mm=5.0, rain_mm=0.0, irrigation_mm=0.0)
        steps.append(after - depletion)
        depletion = after
    assert steps[:10] == pytest.approx([5.0] * 10)
    assert all(a > b > 0 for a, b in itertools.pairwise(steps[11:]))
    assert depletion < 100


def test_what_rain_brings_too_much_drains() -> None:
    zone = RootZone(100.0, 50.0)
    assert next_depletion(zone, 20.0, crop_mm=4.0, rain_mm=80.0, irrigation_mm=0.0) == 4.0


def test_a_thirstier_day_leaves_less_water_easy() -> None:
    # FAO-56, Table 22, footnote 2
    assert root_zone(LOAM, 1.0, 0.5, 8.0).ready_mm == pytest.approx(130 * 0.38)
    assert root_zone(LOAM, 1.0, 0.5, 30.0).ready_mm == pytest.approx(130 * 0.1)


@pytest.mark.parametrize(
    ("depletion", "reason", "apply_mm", "days"),
    [(10.0, "wet", 0.0, 8.0), (42.0, "soon", 0.0, 1.6), (51.0, "due", 68.0, 0.0),
     (70.0, "stress", 70 / 0.75, 0.0)],
)  # fmt: skip
def test_advice_says_how_much_when_and_why(
    depletion: float, reason: str, apply_mm: float, days: float
) -> None:
    advice = advise(RootZone(100.0, 50.0), depletion, 5.0, 0.75)
    assert (advice.reason, advice.apply_mm) == (reason, pytest.approx(apply_mm))
    assert advice.in_days == pytest.approx(days)


def test_a_field_that_takes_nothing_has_no_day() -> None:
    assert advise(RootZone(100.0, 50.0), 10.0, 0.0, 0.75).in_days is None


@given(st.floats(0, 1))
def test_a_probe_is_read_within_the_soil(moisture: float) -> None:
    assert 0 <= depletion_of(LOAM, moisture, 0.8) <= 1000 * 0.13 * 0.8 + 1e-9


@pytest.mark.parametrize(
    ("soil", "root_m"), [(Soil(0.1, 0.2), 1.0), (LOAM, 0.0), (LOAM, math.nan), (Soil(3.0, 0.1), 1)]
)
def test_what_is_no_soil_is_refused(soil: Soil, root_m: float) -> None:
    with pytest.raises(BadInput, match="nonphysical"):
        root_zone(soil, root_m, 0.5)


# --- air quality --------------------------------------------------------------------------------


@given(st.sampled_from(sorted(CHINA)), st.floats(0, 1), st.floats(0, 1))
def test_more_is_never_better_in_china(key: str, one: float, other: float) -> None:
    low, high = (share * CHINA[key][-1] for share in sorted((one, other)))
    assert 0 <= china({key: low}).value <= china({key: high}).value <= 500


@pytest.mark.parametrize(("key", "beyond"), [("so2_1h", 801.0), ("o3_8h", 801.0)])
def test_beyond_its_table_another_mean_goes_on(key: str, beyond: float) -> None:
    # HJ 633-2012, table 1, notes 2 and 3
    with pytest.raises(BadInput, match="no_pollutant"):
        china({key: beyond})


@given(
    st.sampled_from(("pm2_5", "pm10", "no2_1h", "so2_1h")), st.floats(0, 3000), st.floats(0, 100)
)
def test_more_is_never_better_in_america(key: str, low: float, more: float) -> None:
    assert 0 <= epa({key: low}).value <= epa({key: low + more}).value <= 500


@given(st.sampled_from(sorted(EUROPE)), st.floats(0, 3000), st.floats(0, 100))
def test_more_is_never_better_in_europe(key: str, low: float, more: float) -> None:
    assert 1 <= europe({key: low}).value <= europe({key: low + more}).value <= 6


def test_no_concentration_falls_between_two_rows_of_the_us_tables() -> None:
    for scale in EPA.values():
        for before, after in itertools.pairwise(scale.rows):
            assert after[0] - before[1] == pytest.approx(10**-scale.decimals)


def test_an_hour_of_sulphur_dioxide_says_no_more_than_200() -> None:
    # 40 CFR 58, Appendix G, Table 1, note 4
    assert [epa({"so2_1h": ppb}).value for ppb in (75, 185, 304, 305, 900)] == [
        100, 150, 200, 200, 200,
    ]  # fmt: skip
    assert epa({"so2_1h": 900.0, "so2_24h": 604.0}).value == 300
    assert epa({"so2_1h": 400.0, "so2_24h": 100.0}).value == 200


def test_the_worst_pollutant_leads() -> None:
    index = china({"pm2_5": 40.0, "pm10": 200.0, "no2_1h": 20.0})
    assert (index.value, index.leading) == (125, "pm10")


def test_an_index_of_nothing_known_is_refused() -> None:
    for index in (epa, europe, china):
        with pytest.raises(BadInput, match="no_pollutant"):
            index({"radon": 1.0})
        with pytest.raises(BadInput, match="nonphysical"):
            index({"pm2_5": math.nan})


@given(st.lists(st.floats(0, 500), min_size=3, max_size=14))
def test_nowcast_lies_within_its_hours(hours: list[float]) -> None:
    told = nowcast(hours)
    assert told is not None
    assert min(hours[:12]) - 1e-6 <= told <= max(hours[:12]) + 1e-6


def test_nowcast_weighs_by_how_fast_the_air_changes() -> None:
    # the weight is 20/40 = 1/2: (40 + 20/2 + 20/4) / (1 + 1/2 + 1/4)
    assert nowcast([40.0, 20.0, 20.0]) == pytest.approx(55 / 1.75)
    assert nowcast([30.0, None, 30.0, 30.0]) == pytest.approx(30.0)
    assert nowcast([30.0, None, None, 30.0]) is None
    assert nowcast([0.0, 0.0, 0.0]) == 0.0


# --- noise --------------------------------------------------------------------------------------


def test_twice_the_energy_is_three_decibels() -> None:
    assert equivalent_level([60.0, 60.0]) == pytest.approx(60.0)
    assert equivalent_level([60.0, 0.0]) == pytest.approx(57.0, abs=0.02)


@given(st.floats(0, 120))
def test_a_steady_level_counts_six_decibels_more_over_the_whole_day(level: float) -> None:
    # Directive 2002/49/EC, Annex I: 10 lg((12 + 4 * 10^0.5 + 8 * 10) / 24) = 6.39
    assert day_evening_night(level, level, level) == pytest.approx(level + 6.39, abs=0.01)


@given(st.lists(st.floats(-10, 150), min_size=1, max_size=50))
def test_the_equivalent_level_lies_between_mean_and_loudest(levels: list[float]) -> None:
    told = equivalent_level(levels)
    assert sum(levels) / len(levels) - 1e-6 <= told <= max(levels) + 1e-6


def test_the_day_has_the_directives_hours() -> None:
    hours = [period_of(hour) for hour in range(24)]
    assert [hours.count(period) for period in ("day", "evening", "night")] == [12, 4, 8]
    assert (hours[7], hours[19], hours[23], hours[6]) == ("day", "evening", "night", "night")


# --- trend --------------------------------------------------------------------------------------

series = st.lists(st.floats(-1e3, 1e3, width=16), min_size=4, max_size=40)


@given(series)
def test_kendalls_s_is_rises_less_falls(values: list[float]) -> None:
    pairs = [(a, b) for i, a in enumerate(values) for b in values[i + 1 :]]
    expected = sum(b > a for a, b in pairs) - sum(b < a for a, b in pairs)
    trend = mann_kendall(range(len(values)), values)
    assert trend.s == expected
    assert 0 <= trend.p <= 1


@given(series)
def test_a_series_turned_over_has_the_opposite_trend(values: list[float]) -> None:
    there, back = (
        mann_kendall(range(len(values)), [sign * value for value in values]) for sign in (1, -1)
    )
    assert (there.s, there.z, there.slope) == pytest.approx((-back.s, -back.z, -back.slope))
    assert there.p == pytest.approx(back.p)


def test_one_wild_value_does_not_turn_the_line() -> None:
    times = np.arange(20.0)
    values = 3.0 + 0.5 * times
    values[7] = 1e6
    trend = mann_kendall(times.tolist(), values.tolist())
    assert trend.slope == pytest.approx(0.5)
    assert trend.level == pytest.approx(3.0)
    assert trend.p < 1e-4
    assert trend.crosses_at(20.0, now=19.0) == pytest.approx(34.0)
    assert trend.crosses_at(0.0, now=19.0) is None


def test_seasons_hide_no_trend_and_make_none() -> None:
    times = list(range(48))
    summer = [20.0 * math.sin(2 * math.pi * (t % 12) / 12) for t in times]
    months = [t % 12 for t in times]
    rising = [s + 0.1 * t for s, t in zip(summer, times, strict=True)]
    assert seasonal_mann_kendall(times, summer, months).s == 0
    trend = seasonal_mann_kendall(times, rising, months)
    assert trend.slope == pytest.approx(0.1)
    assert trend.p < 1e-6


@pytest.mark.parametrize(
    ("times", "values", "reason"),
    [
        ([0, 1, 2], [1.0, 2.0, 3.0], "too_short"),
        ([0, 1, 2, 2], [1.0, 2.0, 3.0, 4.0], "nonphysical"),
        ([0, 1, 2, 3], [1.0, 2.0, math.nan, 4.0], "nonphysical"),
    ],
)
def test_a_trend_needs_enough_finite_samples_in_order(
    times: list[float], values: list[float], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        mann_kendall(times, values)


def test_a_trend_within_seasons_needs_two_samples_in_one() -> None:
    with pytest.raises(BadInput, match="too_short"):
        seasonal_mann_kendall([0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0], [0, 1, 2, 3])
