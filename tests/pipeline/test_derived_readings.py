"""Derived readings in the pipeline: stored, counted, told, usable in rules, never judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, Topical, bench, settings
from jsonschema import Draft202012Validator

from gateway.publishers import contract, payloads
from gateway.publishers.entities import traits
from gateway.types import DERIVED, Channel, Reading, ReadingKind

PROBE = eui(1)
HOUR_S = 3600.0
FIELD: dict[str, Any] = {"name": "North", "devices": [PROBE], "crop": "maize", "soil": "loam",
                         "irrigation_mm_h": 5.0}  # fmt: skip
PLACE: dict[str, Any] = {"latitude": 50.8, "longitude": 4.3, "field": [FIELD]}
COMFORT = {"air.dewPoint", "air.vpd", "air.wetBulb", "air.heatIndex"}


def frame(f_cnt: int, at_s: float = NOW_S, **values: object) -> Topical:
    return up(PROBE, f_cnt, at_s, {"TempC_SHT": 20.5, "Hum_SHT": 55.5} | values)


async def live(gateway: Bench, hours: range, step_s: float = HOUR_S) -> None:
    for hour in hours:
        at_s = NOW_S + hour * step_s
        warm = 20.0 + hour % 7
        await gateway.hear(
            frame(hour, at_s, TempC_SHT=warm, rain_total=hour * 0.2), received_s=at_s
        )


def derived(gateway: Bench) -> list[Reading]:
    return [
        reading
        for row in gateway.stored()
        for reading in row.record.readings
        if reading.key.startswith(DERIVED)
    ]


async def test_they_are_stored_and_counted_with_the_uplink() -> None:
    async with bench(settings()) as gateway:
        await gateway.hear(frame(1))
        (row,) = gateway.stored()
        assert {str(one.channel) for one in derived(gateway)} == COMFORT
        assert gateway.telemetry.counts["readings"] == len(row.record.readings)


async def test_they_are_shown_in_the_state_by_its_schema() -> None:
    async with bench(settings(agronomy=PLACE)) as gateway:
        await live(gateway, range(49))
        (device,) = gateway.assembly.stages.devices
        tree = payloads.state(
            device.info, device.readings.values(), time_s=NOW_S, received_s=NOW_S, f_cnt=1,
            uplink_id="x",
        )  # fmt: skip
        Draft202012Validator(contract.schema("state")).validate(tree)
        assert tree["air"]["dewPoint"] == pytest.approx(12, abs=6)
        assert tree["field"]["north"]["et0"] > 0
        assert tree["field"]["north"]["irrigationReason"] == "wet"


async def test_a_users_rule_may_watch_one() -> None:
    dry = {"name": "dry-air", "channel": "air.vpd", "above": 1.0}
    async with bench(settings(alerts={"threshold": [dry]})) as gateway:
        outcome = await gateway.hear(frame(1))
        assert [event.alert.rule for event in outcome.alerts] == ["dry-air"]


async def test_no_model_judges_one_and_its_forecast_tells_of_frost() -> None:
    async with bench(settings(inference={"enabled": True}, agronomy=PLACE)) as gateway:
        await live(gateway, range(80))
        (device,) = gateway.assembly.stages.devices
        assert "air.temperature" in device.verdicts
        judged = {reading.channel for reading in derived(gateway)} & set(device.verdicts)
        assert not judged
        chance = device.readings[Channel("frost.probability")]
        assert (chance.value, chance.unit) == (pytest.approx(0.5, abs=2.0), "%")


@pytest.mark.parametrize(
    ("stop", "last", "step_s"), [(5, 80, 3600.0), (24, 80, 3600.0), (40, 80, 3600.0),
                                 (190, 320, 900.0)],
)  # fmt: skip
async def test_a_restart_changes_nothing_that_follows(
    tmp_path: Path, stop: int, last: int, step_s: float
) -> None:
    trend = {"device": PROBE, "channel": "air.temperature"}
    config = settings(agronomy=PLACE | {"trend": [trend]})
    async with bench(config) as gateway:
        await live(gateway, range(last), step_s)
        whole = derived(gateway)
    path = tmp_path / "gateway.db"
    async with bench(config, path) as gateway:
        await live(gateway, range(stop), step_s)
    async with bench(config, path, start_s=NOW_S + stop * step_s) as gateway:
        await live(gateway, range(stop, last), step_s)
        assert derived(gateway) == whole


@pytest.mark.parametrize(
    ("channel", "unit", "device_class", "shown"),
    [
        ("air.vpd", "kPa", "pressure", "kPa"),
        ("air.dewPoint", "°C", "temperature", "°C"),
        ("air.aqi.epa", "", "aqi", None),
        ("air.aqi.europe", "", None, None),
        ("air.noise.lden", "dB", "sound_pressure", "dB"),
        ("field.north.gdd", "°C·d", None, "°C·d"),
        ("field.north.nextStageDays", "d", "duration", "d"),
        ("field.north.chillHours", "h", "duration", "h"),
        ("field.north.et0", "mm", None, "mm"),
        ("frost.lowest", "°C", "temperature", "°C"),
    ],
)
def test_home_assistant_shows_each_as_what_it_is(
    channel: str, unit: str, device_class: str | None, shown: str | None
) -> None:
    found = traits(Channel(channel), unit, ReadingKind.NUMERIC)
    assert found.get("device_class") == device_class
    assert found.get("unit_of_measurement") == shown
    assert found["state_class"] == "measurement"
