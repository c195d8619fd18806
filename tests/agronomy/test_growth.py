"""Degree days, chill, crops and their stages."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agronomy.crops import crops
from gateway.agronomy.degree_days import (
    Chill,
    average,
    chill_hour,
    chill_portions,
    single_sine,
    utah_unit,
)
from gateway.errors import BadInput


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(12.0, 26.0, 9.0), (4.0, 20.0, 5.0), (15.0, 36.0, 12.5), (-5.0, 8.0, 0.0)],
    ids=["within", "night too cold", "noon too hot", "too cold"],
)
def test_the_average_draws_extremes_into_base_and_cap(
    low: float, high: float, expected: float
) -> None:
    assert average(low, high, 10.0, 30.0) == pytest.approx(expected)


@given(st.floats(-20, 30), st.floats(0, 25))
def test_the_sine_is_the_area_under_the_curve(low: float, spread: float) -> None:
    high, base, cap = low + spread, 10.0, 25.0
    steps = 4000
    area = math.fsum(
        min(max((low + high) / 2 + spread / 2 * math.sin(2 * math.pi * (i + 0.5) / steps), base),
            cap) - base
        for i in range(steps)
    ) / steps  # fmt: skip
    assert single_sine(low, high, base, cap) == pytest.approx(area, abs=1e-3)


@given(st.floats(-40, 40), st.floats(0, 30), st.floats(0, 5))
def test_a_warmer_day_never_adds_less(low: float, spread: float, warmer: float) -> None:
    for formula in (average, single_sine):
        first = formula(low, low + spread, 8.0, 30.0)
        assert 0 <= first <= 22
        assert formula(low + warmer, low + spread + warmer, 8.0, 30.0) >= first - 1e-9


def test_a_night_warmer_than_its_day_is_refused() -> None:
    with pytest.raises(BadInput, match="nonphysical"):
        average(20.0, 10.0, 8.0, 30.0)


def test_chill_units_are_richardsons_table() -> None:
    # Richardson, Seeley and Walker (1974), table 1
    table = {1.0: 0, 2.0: 0.5, 6.0: 1, 11.0: 0.5, 14.0: 0, 17.0: -0.5, 20.0: -1}
    assert {t: utah_unit(t) for t in table} == table
    assert [chill_hour(t) for t in (-1.0, 0.0, 0.1, 7.2, 7.3)] == [0, 0, 1, 1, 0]


def test_a_chill_portion_takes_about_a_day_of_the_best_cold() -> None:
    # Fishman et al. (1987): about 28 hours at 6 °C, and none in steady warmth or hard frost
    assert chill_portions([6.0] * 27).portions == 0.0
    assert chill_portions([6.0] * 30).portions == pytest.approx(1.0, abs=0.05)
    assert chill_portions([6.0] * 300).portions > chill_portions([1.0] * 300).portions
    assert chill_portions([22.0] * 500).portions == 0.0
    assert chill_portions([-10.0] * 500).portions < 1e-6


def test_chill_can_be_counted_in_parts() -> None:
    hours = [6 + 5 * math.sin(hour / 4) for hour in range(400)]
    parts = Chill()
    for begin in range(0, 400, 50):
        parts = chill_portions(hours[begin : begin + 50], parts)
    assert parts.portions == pytest.approx(chill_portions(hours).portions)
    assert parts.portions > 5


@pytest.mark.parametrize("name", crops())
def test_a_crop_grows_through_its_stages_in_order(name: str) -> None:
    crop = crops()[name]
    begins = [at for _, at in crop.stages]
    assert begins == sorted(begins)
    assert crop.base_c < crop.cap_c
    assert 0 < crop.depletion < 1
    for at, (stage, begin) in enumerate(crop.stages):
        assert crop.stage(begin) == stage
        assert crop.next_stage(begin - 1) == (stage, 1)
        assert crop.stage(begin - 1) == (crop.stages[at - 1][0] if at else "sown")
    assert crop.next_stage(10_000) is None


@pytest.mark.parametrize("name", crops())
def test_a_crops_coefficient_goes_from_initial_over_middle_to_end(name: str) -> None:
    crop = crops()[name]
    if not crop.stages:
        assert crop.coefficient(0.0) == crop.kc[1]
        return
    first, second, third, last = (at for _, at in crop.stages)
    told = [crop.coefficient(at) for at in (0, first, second, third, last, last + 500)]
    assert told == pytest.approx([crop.kc[i] for i in (0, 0, 1, 1, 2, 2)])
    assert min(crop.kc) <= crop.coefficient((first + second) / 2) <= max(crop.kc)
