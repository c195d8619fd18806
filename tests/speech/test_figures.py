from __future__ import annotations

import pytest

from gateway.speech import difference, duration, figure, interval, moment, speaking
from gateway.speech.units import IMPERIAL, imperial

# NIST Special Publication 811 (2008), appendix B.8: so many of the metric unit in one of the other.
SP_811 = {
    ("in", "mm"): 25.4,
    ("ft", "m"): 0.3048,
    ("mi", "km"): 1.609344,
    ("mph", "m/s"): 0.44704,
    ("mph", "km/h"): 1.609344,
    ("gal", "L"): 3.785412,
    ("acre", "ha"): 0.4046873,
    ("lb", "kg"): 0.45359237,
    ("psi", "bar"): 0.06894757,
    ("inHg", "hPa"): 33.86389,
    ("ft²", "m²"): 0.09290304,
    ("gpm", "L/min"): 3.785412,
}


@pytest.mark.parametrize(("units", "metric"), SP_811.items())
def test_a_conversion_is_that_of_its_source(units: tuple[str, str], metric: float) -> None:
    said, unit = units
    found = imperial(unit)

    assert found is not None
    assert found.unit == said
    assert found.factor * metric == pytest.approx(1.0, rel=1e-6)


def test_only_a_temperature_has_an_offset() -> None:
    assert [unit for unit, found in IMPERIAL.items() if found.offset] == ["°C"]


@pytest.mark.parametrize(
    ("value", "unit", "metric", "us"),
    [
        (0.0, "°C", "0 °C", "32 °F"),
        (-40.0, "°C", "-40 °C", "-40 °F"),
        (-0.004, "°C", "0 °C", "32 °F"),
        (21.5, "°C", "21.5 °C", "70.7 °F"),
        (12.0, "mm", "12 mm", "0.47 in"),
        (0.2, "mm", "0.2 mm", "0.01 in"),
        (4.1, "mm/d", "4.1 mm/d", "0.16 in/d"),
        (0.5, "°C/d", "0.5 °C/d", "0.9 °F/d"),
        (5.0, "m/s", "5 m/s", "11.2 mph"),
        (1013.2, "hPa", "1013 hPa", "29.92 inHg"),
        (3.2, "bar", "3.2 bar", "46.4 psi"),
        (1500.0, "L", "1500 L", "396.3 gal"),
        (2.0, "m³", "2 m³", "528 gal"),
        (40.0, "L/min", "40 L/min", "10.6 gpm"),
        (1.5, "ha", "1.5 ha", "3.71 acre"),
        (120.0, "°C·d", "120 °C·d", "216 °F·d"),
        (1.2, "kPa", "1.2 kPa", "1.2 kPa"),
        (2.1, "dS/m", "2.1 dS/m", "2.1 dS/m"),
        (41.8, "%", "41.8 %", "41.8 %"),
        (3.412, "V", "3.41 V", "3.41 V"),
        (7200.0, "s", "2 h", "2 h"),
        (1.0, "d", "1 day", "1 day"),
        (True, "", "yes", "yes"),
        ("open", "", "open", "open"),
    ],
)
def test_a_figure_is_told_in_the_units_of_the_site(
    value: float | str, unit: str, metric: str, us: str
) -> None:
    assert figure(value, unit) == metric
    with speaking(units="imperial"):
        assert figure(value, unit) == us


def test_a_difference_of_temperatures_is_no_temperature() -> None:
    with speaking(units="imperial"):
        assert difference(5.0, "°C") == "9 °F"
        assert figure(5.0, "°C") == "41 °F"
    assert difference(5.0, "°C") == "5 °C"


def test_an_interval_says_its_unit_once() -> None:
    assert interval(-2.0, 4.5, "°C") == "-2 to 4.5 °C"
    assert interval(60.0, 7200.0, "s") == "60 s to 2 h"
    with speaking("zh_CN", "imperial"):
        assert interval(-2.0, 4.5, "°C") == "28.4～40.1 °F"
        assert interval(28.0, 33.5, "%") == "28～33.5%"


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (45.0, "45 s", "45 秒"),
        (2700.0, "45 min", "45 分钟"),
        (3600.0, "1 h", "1 小时"),
        (5400.0, "90 min", "90 分钟"),
        (10800.0, "3 h", "3 小时"),
        (3456000.0, "40 days", "40 天"),
    ],
)
def test_a_span_is_told_as_people_count(seconds: float, english: str, chinese: str) -> None:
    assert duration(seconds) == english
    with speaking("zh_CN"):
        assert duration(seconds) == chinese


def test_a_moment_is_told_in_the_sites_own_time() -> None:
    with speaking(time_zone="Asia/Shanghai"):
        assert moment(1_776_643_200.0) == "2026-04-20 08:00"
    with speaking(time_zone="UTC"):
        assert moment(1_776_643_200.0) == "2026-04-20 00:00"
