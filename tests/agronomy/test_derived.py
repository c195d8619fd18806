"""What follows from uplinks: comfort, indices, noise, frost; late ones, restarts, nonsense."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.agronomy import Derivation
from gateway.agronomy.field import FieldSeason
from gateway.config import AgronomyConfig
from gateway.errors import ConfigError
from gateway.types import (
    DERIVED,
    QUANTILES,
    Channel,
    DevEui,
    DeviceInfo,
    Forecast,
    Reading,
    ReadingKind,
    Scalar,
    Status,
    Verdict,
)

EUI = DevEui("a84041000181c061")
STATION = DeviceInfo(EUI, "Station")
PROBE = DeviceInfo(DevEui("a84041000181c062"), "Probe")
HOUR_S = 3600.0
MIDNIGHT_S = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
UNITS = {"air.temperature": "°C", "air.relativeHumidity": "%", "air.pm2_5": "µg/m³",
         "air.pm10": "µg/m³", "air.no2": "ppm", "air.noiseLevel": "dB", "soil.moisture": "%",
         "light.solarRadiation": "W/m²", "wind.speed": "m/s", "rain.cumulative": "mm"}  # fmt: skip
FIELD: dict[str, Any] = {"name": "North field", "devices": ["Station", "Probe"], "crop": "maize",
                         "planted": "2026-05-01", "soil": "loam"}  # fmt: skip
PLACE: dict[str, Any] = {"latitude": 50.8, "longitude": 4.3, "elevation_m": 100.0}


def reading(
    channel: str,
    value: Scalar,
    time_s: float = MIDNIGHT_S,
    device: DeviceInfo = STATION,
    **more: str,
) -> Reading:
    family = channel.removesuffix(".2")
    kind = ReadingKind.COUNTER if channel == "rain.cumulative" else ReadingKind.NUMERIC
    unit = more.get("unit", UNITS.get(family, ""))
    return Reading(device.dev_eui, Channel(channel), value, unit, kind, time_s, channel)


def uplink(
    time_s: float = MIDNIGHT_S, device: DeviceInfo = STATION, **values: Scalar
) -> list[Reading]:
    return [
        reading(name.replace("__", "."), value, time_s, device) for name, value in values.items()
    ]


def values(readings: Iterable[Reading]) -> dict[str, Scalar]:
    return {str(one.channel): one.value for one in readings}


def derivation(**settings: Any) -> Derivation:  # noqa: ANN401 - settings are of any type
    return Derivation(AgronomyConfig.model_validate(settings))


# --- from one uplink ----------------------------------------------------------------------------


def test_temperature_and_humidity_become_comfort_without_any_settings() -> None:
    readings = uplink(air__temperature=20.0, air__relativeHumidity=50.0)
    told = derivation().readings(STATION, readings)
    assert values(told) == {
        "air.dewPoint": pytest.approx(9.27, abs=0.01),
        "air.vpd": pytest.approx(1.169, abs=0.001),
        "air.wetBulb": pytest.approx(13.84, abs=0.01),
        "air.heatIndex": pytest.approx(19.68, abs=0.01),
    }
    assert {one.unit for one in told} == {"°C", "kPa"}
    assert all(one.key.startswith(DERIVED) and one.time_s == MIDNIGHT_S for one in told)


def test_a_second_probe_has_its_own() -> None:
    readings = [reading("air.temperature.2", 20.0), reading("air.relativeHumidity.2", 100.0)]
    told = values(derivation().readings(STATION, readings))
    assert told["air.dewPoint.2"] == pytest.approx(20.0, abs=1e-3)
    assert "air.dewPoint" not in told


def test_a_maximum_is_not_paired_with_a_humidity() -> None:
    readings = [reading("air.temperature.max", 20.0), reading("air.relativeHumidity.max", 90.0)]
    assert derivation().readings(STATION, readings) == []


def test_what_the_device_measures_itself_is_not_derived_again() -> None:
    readings = [*uplink(air__temperature=20.0, air__relativeHumidity=50.0),
                reading("air.dewPoint", 9.0, unit="°C")]  # fmt: skip
    assert "air.dewPoint" not in values(derivation().readings(STATION, readings))


@pytest.mark.parametrize(
    ("t", "rh"), [(math.nan, 50.0), (20.0, math.inf), (-327.68, 50.0), (20.0, 655.35), ("x", 50.0)]
)
def test_a_broken_probe_gives_nothing(t: Scalar, rh: Scalar) -> None:
    readings = uplink(air__temperature=t, air__relativeHumidity=rh)
    assert derivation().readings(STATION, readings) == []


def test_another_unit_gives_nothing() -> None:
    readings = [reading("air.temperature", 68.0, unit="°F"), reading("air.relativeHumidity", 50.0)]
    assert derivation().readings(STATION, readings) == []


def test_nothing_is_derived_when_switched_off() -> None:
    readings = uplink(air__temperature=20.0, air__relativeHumidity=50.0, air__pm2_5=10.0)
    assert derivation(enabled=False).readings(STATION, readings) == []


scalars = st.one_of(
    st.floats(), st.integers(-(10**400), 10**400), st.booleans(), st.text(max_size=5)
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*UNITS, "rain.amount", "valve.state", "metering.water.total"]),
            scalars,
            st.floats(-1e15, 1e15),
            st.sampled_from(list(ReadingKind)),
        ),
        max_size=12,
    )
)
def test_whatever_devices_say_only_finite_figures_follow(
    rows: list[tuple[str, Any, float, ReadingKind]],
) -> None:
    made = derivation(
        **PLACE, field=[FIELD | {"irrigation_mm_h": 5.0}],
        trend=[{"device": "Station", "channel": channel, "limit": 1.0, "days": 8}
               for channel in UNITS],
    )  # fmt: skip
    for channel, value, time_s, kind in rows:
        one = Reading(EUI, Channel(channel), value, UNITS.get(channel, ""), kind, time_s, channel)
        judged = [verdict([1.0] * 96, start_s=time_s)]
        for told in made.readings(STATION, [one], judged):
            assert isinstance(told.value, str) or math.isfinite(told.value)


# --- the air over hours -------------------------------------------------------------------------


def test_air_quality_follows_from_hours_of_particles() -> None:
    made = derivation()
    told: dict[str, Scalar] = {}
    for hour in range(24):
        rows = uplink(MIDNIGHT_S + hour * HOUR_S, air__pm2_5=60.0)
        told = values(made.readings(STATION, rows))
        if hour == 0:  # the US index wants two hours of three, the Chinese most of a day
            assert told == {"air.aqi.europe": 4.0, "air.aqi.leading": "pm2_5"}
    assert told["air.aqi.china"] == 82.0
    assert told["air.aqi.epa"] == pytest.approx(154.0, abs=1)
    assert told["air.aqi.leading"] == "pm2_5"


def test_only_the_wanted_indices_are_told() -> None:
    told = derivation(air_quality=["europe"]).readings(STATION, uplink(air__no2=0.02))
    assert values(told) == {"air.aqi.europe": 3.0, "air.aqi.leading": "no2"}


def test_the_hours_are_there_again_after_a_restart() -> None:
    rows = [uplink(MIDNIGHT_S + hour * HOUR_S, air__pm2_5=60.0) for hour in range(24)]
    before, after = derivation(), derivation()
    for row in rows[:23]:
        before.readings(STATION, row)
    after.recall(STATION, rows[:23])
    after.recall(STATION, rows[:5])  # the first call alone counts
    assert after.readings(STATION, rows[23]) == before.readings(STATION, rows[23])


# --- noise --------------------------------------------------------------------------------------


def loud(made: Derivation, hours: Iterable[int]) -> dict[str, Scalar]:
    told: dict[str, Scalar] = {}
    for hour in hours:
        level = {True: 60.0, False: 40.0}[7 <= hour % 24 < 19]
        told |= values(made.readings(STATION, uplink(MIDNIGHT_S + hour * HOUR_S,
                                                     air__noiseLevel=level)))  # fmt: skip
    return told


def test_a_noise_day_is_told_once_when_it_is_over() -> None:
    made = derivation()
    assert loud(made, range(7, 31)) == {}
    told = loud(made, [31])
    assert told == {
        "air.noise.day": 60.0,
        "air.noise.evening": 40.0,
        "air.noise.night": 40.0,
        "air.noise.lden": pytest.approx(57.31, abs=0.01),
    }
    assert loud(made, range(32, 54)) == {}


def test_a_noise_day_with_hours_missing_is_not_told() -> None:
    made = derivation()
    assert loud(made, [*range(7, 20), *range(23, 34)]) == {}


def test_a_noise_day_is_not_told_again_after_a_restart() -> None:
    made, again = derivation(), derivation()
    rows = [uplink(MIDNIGHT_S + hour * HOUR_S, air__noiseLevel=50.0) for hour in range(7, 32)]
    stored = [[*row, *made.readings(STATION, row)] for row in rows]
    again.recall(STATION, stored)
    assert again.readings(STATION, uplink(MIDNIGHT_S + 32 * HOUR_S, air__noiseLevel=50.0)) == []


# --- frost --------------------------------------------------------------------------------------


def verdict(middle: list[float], spread: float = 1.0, start_s: float = MIDNIGHT_S) -> Verdict:
    levels = (np.array(QUANTILES) - 0.5) * 2 * spread
    quantiles = (np.array(middle)[:, None] + levels[None, :]).astype(np.float32)
    forecast = Forecast(EUI, Channel("air.temperature"), start_s, 900.0, quantiles)
    return Verdict(EUI, Channel("air.temperature"), start_s, middle[0], Status.OK,
                   forecast=forecast)  # fmt: skip


def frost(middle: list[float], rh: float = 90.0) -> dict[str, Scalar]:
    made = derivation(**PLACE, field=[FIELD])
    readings = uplink(air__temperature=4.0, air__relativeHumidity=rh)
    told = values(made.readings(STATION, readings, [verdict(middle)]))
    return {key: value for key, value in told.items() if key.startswith("frost")}


def test_a_night_that_is_to_freeze_is_likely_to() -> None:
    told = frost(np.linspace(4, -4, 20).tolist())
    assert told["frost.lowest"] == pytest.approx(-3.6, abs=0.5)
    assert isinstance(told["frost.probability"], float)
    assert told["frost.probability"] > 95
    assert told["frost.wetBulb"] <= told["frost.lowest"]


def test_a_mild_night_is_not() -> None:
    told = frost([8.0] * 24)
    assert told["frost.probability"] == 0.5
    assert told["frost.lowest"] == 8.0


def test_frost_after_sunrise_is_of_another_night() -> None:
    # Sunrise at about 03:35 UTC: what comes after 04:35 does not count.
    told = frost([5.0] * 20 + [-9.0] * 60)
    assert told["frost.lowest"] == 5.0


def test_dry_air_makes_wet_leaves_colder_than_the_air() -> None:
    dry, damp = (frost([3.0] * 24, rh) for rh in (40.0, 90.0))
    assert dry["frost.wetBulb"] < damp["frost.wetBulb"] <= 3.0


def test_a_thermometer_of_no_field_has_no_frost() -> None:
    readings = uplink(air__temperature=-20.0)
    made = derivation(**PLACE, field=[FIELD | {"devices": ["Other"]}])
    assert made.readings(STATION, readings, [verdict([-20.0] * 24)]) == []


# --- fields -------------------------------------------------------------------------------------


def weather(time_s: float, **more: float) -> list[Reading]:
    """Return the weather of a day like FAO-56, Example 18, with a swing."""
    swing = math.cos((time_s - MIDNIGHT_S) / HOUR_S * math.pi / 12)
    return uplink(
        time_s, air__temperature=16.9 - 4.6 * swing, air__relativeHumidity=73.5 + 10.5 * swing,
        wind__speed=2.078, light__solarRadiation=22.07 / 0.0864, **more,
    )  # fmt: skip


def live(made: Derivation, hours: Iterable[int], **more: float) -> dict[str, Scalar]:
    told: dict[str, Scalar] = {}
    for hour in hours:
        found = made.readings(STATION, weather(MIDNIGHT_S + hour * HOUR_S, **more))
        told |= values(one for one in found if one.channel.startswith("field."))
    return told


def farm(**more: Any) -> Derivation:  # noqa: ANN401
    return derivation(**PLACE, time_zone="UTC", field=[FIELD | more])


def test_a_day_is_told_when_it_is_over() -> None:
    made = farm()
    assert live(made, range(24)) == {}
    told = live(made, [24])
    # 1 June, not 6 July as in the example: the radiation of a clear sky is a little higher.
    assert told["field.north_field.et0"] == pytest.approx(3.88, abs=0.06)
    assert told["field.north_field.gddDay"] == pytest.approx(16.9 - 8)
    assert told["field.north_field.stage"] == "sown"
    assert told["field.north_field.nextStage"] == "emergence"
    assert told["field.north_field.nextStageDays"] == pytest.approx((80 - 8.9) / 8.9, abs=1e-3)
    assert live(made, range(25, 48)) == {}


def test_a_days_figures_carry_the_time_of_its_end() -> None:
    made = farm()
    live(made, range(24))
    told = made.readings(STATION, weather(MIDNIGHT_S + 24.4 * HOUR_S))
    ends = {one.time_s for one in told if one.channel.startswith("field.")}
    assert ends == {MIDNIGHT_S + 24 * HOUR_S}


def test_the_local_day_counts() -> None:
    made = derivation(**PLACE, time_zone="Asia/Shanghai", field=[FIELD])
    assert live(made, range(-8, 16)) == {}
    assert "field.north_field.et0" in live(made, [16])


def test_half_a_day_is_not_taken_for_a_whole() -> None:
    assert live(farm(), [*range(8, 24), 24, 25]) == {}


def test_warmth_adds_up_until_stages_are_reached() -> None:
    told = live(farm(), range(24 * 11))
    assert told["field.north_field.gdd"] == pytest.approx(89.0)
    assert told["field.north_field.stage"] == "emergence"


def test_temperature_alone_gives_hargreaves() -> None:
    made = farm()
    for hour in range(25):
        only = weather(MIDNIGHT_S + hour * HOUR_S)[:1]
        told = {str(one.channel): one for one in made.readings(STATION, only)}
    assert told["field.north_field.et0"].value == pytest.approx(4.3, abs=0.3)


def test_a_probe_says_how_much_water_is_missing() -> None:
    made = farm(root_depth=0.8)
    live(made, range(24))
    made.readings(PROBE, uplink(MIDNIGHT_S + 23.5 * HOUR_S, PROBE, soil__moisture=15.0))
    told = live(made, [24])
    assert told["field.north_field.depletion"] == pytest.approx(80.0)
    assert told["field.north_field.irrigation"] == pytest.approx(80 / 0.75, abs=1e-3)
    assert told["field.north_field.irrigationReason"] == "stress"
    assert told["field.north_field.irrigationDays"] == 0.0


def test_without_a_probe_rain_and_valves_make_a_balance() -> None:
    made = farm(irrigation_mm_h=4.0)
    told = live(made, range(49), rain__cumulative=100.0)
    crop = 2 * told["field.north_field.et0"] * 0.3  # type: ignore[operator]
    assert told["field.north_field.depletion"] == pytest.approx(crop, abs=0.01)
    for hour, state in ((50, "open"), (51, "closed")):
        valve = Reading(PROBE.dev_eui, Channel("valve.state"), state, "", ReadingKind.ENUM,
                        MIDNIGHT_S + hour * HOUR_S, "valve")  # fmt: skip
        made.readings(PROBE, [valve])
    told = live(made, range(49, 73), rain__cumulative=100.0)
    assert told["field.north_field.depletion"] == pytest.approx(crop / 2, abs=0.01)


def test_without_any_measure_of_irrigation_no_depletion_is_claimed() -> None:
    told = live(farm(), range(49), rain__cumulative=100.0)
    assert "field.north_field.depletion" not in told


def test_a_late_uplink_fills_its_day_and_tells_nothing_of_it() -> None:
    made = farm()
    for hour in range(24):
        late = made.readings(STATION, weather(MIDNIGHT_S + hour * HOUR_S), late=True)
        assert not any(one.channel.startswith("field.") for one in late)
    made.readings(STATION, weather(MIDNIGHT_S + 25 * HOUR_S), late=True)
    assert "field.north_field.et0" in live(made, [26])


def weeks(hours: int) -> list[list[Reading]]:
    """Return the weather of days of which no two are alike."""
    return [
        uplink(
            MIDNIGHT_S + hour * HOUR_S,
            air__temperature=15 + 5 * math.sin(hour / 4) + 3 * math.sin(hour / 17),
            air__relativeHumidity=60 + 20 * math.cos(hour / 5), rain__cumulative=0.01 * hour,
        )
        for hour in range(hours)
    ]  # fmt: skip


@pytest.mark.parametrize("at_hour", [30, 47, 48, 300])
def test_a_field_goes_on_after_a_restart_as_if_nothing_had_been(at_hour: int) -> None:
    rows = weeks(at_hour + 100)
    one, other = farm(irrigation_mm_h=4.0), farm(irrigation_mm_h=4.0)
    stored = [[*row, *one.readings(STATION, row)] for row in rows[:at_hour]]
    back_h = int(other.lookback_s(STATION) / HOUR_S)
    other.recall(STATION, stored[max(at_hour - back_h, 0) :])
    for row in rows[at_hour:]:
        assert other.readings(STATION, row) == one.readings(STATION, row)


def test_what_is_ripe_or_not_yet_sown_is_not_irrigated() -> None:
    for change in ({"gdd_before": 1700.0}, {"planted": "2026-07-01"}):
        made = farm(root_depth=0.8, **change)
        live(made, range(24))
        made.readings(PROBE, uplink(MIDNIGHT_S + 23.5 * HOUR_S, PROBE, soil__moisture=13.0))
        told = live(made, [24])
        assert told["field.north_field.irrigation"] == 0.0
        assert told["field.north_field.irrigationReason"] == "idle"


def test_a_day_that_is_whole_is_told_though_the_next_was_not() -> None:
    silent = farm()
    for hour in range(30):
        silent.readings(STATION, weather(MIDNIGHT_S + hour * HOUR_S), late=True)
    assert live(silent, [50]) == live(farm(), range(25))
    assert silent.lookback_s(STATION) > silent.lookback_s(PROBE) > 24 * HOUR_S
    assert silent.lookback_s(DeviceInfo(DevEui("ff"), "Other")) == 0.0


def test_a_new_planting_begins_with_nothing() -> None:
    rows = [weather(MIDNIGHT_S + hour * HOUR_S) for hour in range(25)]
    one, other = farm(), farm(planted="2026-06-02")
    other.recall(STATION, [[*row, *one.readings(STATION, row)] for row in rows])
    assert live(other, range(25, 49))["field.north_field.gdd"] == pytest.approx(8.9)


def test_winter_cold_counts_for_trees() -> None:
    made = derivation(time_zone="UTC", field=[FIELD | {"crop": "apple", "planted": None}])
    told: dict[str, Scalar] = {}
    for hour in range(25):
        one = uplink(MIDNIGHT_S + hour * HOUR_S, air__temperature=4.0 + hour % 24)
        told |= values(made.readings(STATION, one))
    assert told["field.north_field.chillHours"] == 4.0


@pytest.mark.parametrize(
    ("change", "said"),
    [({"crop": "triffid"}, "triffid"), ({"soil": "cheese"}, "cheese")],
)
def test_an_unknown_crop_or_soil_is_named(change: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        farm(**change)


def test_two_fields_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="north-FIELD"):
        derivation(field=[FIELD, FIELD | {"name": "north-FIELD"}])


def test_days_that_nobody_closes_are_bounded() -> None:
    season = farm()._fields[0]
    assert isinstance(season, FieldSeason)
    for day in range(100):
        season.take(1, weather(MIDNIGHT_S + day * 24 * HOUR_S))
    assert len(season._days) <= 6
