"""Every figure that a source works out, reproduced: `tests/vectors/agronomy` names the sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.agronomy import air_quality, evapotranspiration, sun, vapour
from gateway.agronomy.evapotranspiration import Day, Hour
from gateway.agronomy.soil_water import Soil, root_zone
from gateway.agronomy.trend import mann_kendall
from gateway.types import Json

VECTORS = Path(__file__).parents[1] / "vectors" / "agronomy"


def vector(name: str) -> Json:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def cases(name: str) -> list[Any]:
    return list(vector(name)["cases"])


def named(case: dict[str, Any]) -> str:
    return f"{case['where']}: {case.get('formula', case.get('index', ''))}"


@pytest.mark.parametrize("case", cases("fao56"), ids=named)
def test_fao_56_comes_out_as_printed(case: dict[str, Any]) -> None:
    formula = next(
        getattr(module, case["formula"])
        for module in (vapour, sun, evapotranspiration)
        if hasattr(module, case["formula"])
    )
    weather = {"penman_monteith": Day, "penman_monteith_hourly": Hour}.get(case["formula"])
    args = [weather(**one) if weather and isinstance(one, dict) else one for one in case["args"]]
    assert formula(*args) == pytest.approx(case["expected"], abs=case["within"])


@pytest.mark.parametrize("case", cases("psychrometer"), ids=lambda case: f"{case['dry_c']}")
def test_the_wet_bulb_is_the_psychrometers(case: dict[str, Any]) -> None:
    dry, wet, air = case["dry_c"], case["wet_c"], case["air_kpa"]
    humidity = 100 * vapour.psychrometer_kpa(dry, wet, air) / vapour.saturation_kpa(dry)
    assert vapour.wet_bulb_c(dry, humidity, air) == pytest.approx(wet, abs=0.001)
    if "humidity" in case:
        assert humidity == pytest.approx(case["humidity"], abs=0.7)
        assert vapour.wet_bulb_c(dry, case["humidity"], air) == pytest.approx(wet, abs=0.15)
    else:
        expected = 100 * case["vapour_kpa"] / vapour.saturation_kpa(dry)
        assert humidity == pytest.approx(expected, abs=0.2)


def test_stulls_own_example_comes_out() -> None:
    assert vapour.wet_bulb_stull_c(20.0, 50.0) == pytest.approx(13.7, abs=0.05)


@pytest.mark.parametrize(
    "case", cases("heat_index"), ids=lambda case: f"{case['fahrenheit']}F {case['humidity']}%"
)
def test_the_heat_index_is_the_charts(case: dict[str, Any]) -> None:
    found = vapour.heat_index_c((case["fahrenheit"] - 32) * 5 / 9, case["humidity"])
    assert found * 9 / 5 + 32 == pytest.approx(case["index"], abs=1.0)


@pytest.mark.parametrize("case", cases("air_quality"), ids=named)
def test_an_index_is_its_tables(case: dict[str, Any]) -> None:
    index = getattr(air_quality, case["index"])(case["concentrations"])
    assert index.value == case["value"]
    assert index.leading == case["leading"]


def test_mann_kendall_is_as_by_hand() -> None:
    known = vector("trend")
    trend = mann_kendall(range(len(known["values"])), known["values"])
    assert trend.s == known["s"]
    assert trend.variance == pytest.approx(known["variance_18"] / 18)
    assert trend.z == pytest.approx(known["z"], abs=5e-5)
    assert trend.p / 2 == pytest.approx(known["one_sided_p"], abs=5e-5)


@pytest.mark.parametrize("name", ["loamy sand", "silt", "silty clay"])
def test_the_easy_water_of_example_36_comes_out(name: str) -> None:
    known = vector("soil_water")
    soil = Soil(known["soils"][name] / 1000 + 0.1, 0.1)
    for (root_m, p), ready in zip(known["crops"].values(), known["ready_mm"][name], strict=True):
        assert round(root_zone(soil, root_m, p).ready_mm) == ready
