"""The Things Network's normalized payload (lorawan-devices, lib/payload.json, `measurement`)."""

import pytest

from gateway.codecs import ReadingMapper
from gateway.codecs.flatten import leaves
from gateway.codecs.normalized import normalized_object
from gateway.config import Config
from gateway.types import DevEui, DeviceInfo, Json, Reading, ReadingKind, Uplink

MAPPER = ReadingMapper(Config())
MEASUREMENT: dict[str, Json] = {
    "time": "2025-06-01T12:00:00Z",
    "battery": 3.6,
    "soil": {
        "depth": 30, "moisture": 31.2, "temperature": 11.5, "ec": 0.42, "pH": 6.8,
        "n": 20, "p": 13, "k": 9,
    },
    "air": {
        "location": "outdoor", "temperature": 12.5, "relativeHumidity": 80, "pressure": 1013.2,
        "co2": 420, "lightIntensity": 1200,
    },
    "wind": {"speed": 3.2, "direction": 270},
    "rain": {"intensity": 0.4, "cumulative": 12.6},
    "water": {"leak": True, "temperature": {"min": 8.1, "max": 9.7, "avg": 8.8}},
    "metering": {"water": {"total": 1234.5}},
    "action": {"motion": {"detected": True, "count": 3}, "contactState": "open"},
    "position": {"latitude": 52.1, "longitude": 5.2},
}  # fmt: skip
UNITS = {
    "soil.depth": "cm", "soil.moisture": "%", "soil.temperature": "°C", "soil.ec": "dS/m",
    "soil.pH": "pH", "soil.n": "ppm", "soil.p": "ppm", "soil.k": "ppm",
    "air.location": "", "air.temperature": "°C", "air.relativeHumidity": "%",
    "air.pressure": "hPa", "air.co2": "ppm", "air.lightIntensity": "lux",
    "wind.speed": "m/s", "wind.direction": "°", "rain.intensity": "mm/h", "rain.cumulative": "mm",
    "water.leak": "", "water.temperature.min": "°C", "water.temperature.max": "°C",
    "water.temperature.avg": "°C", "metering.water.total": "L",
    "action.motion.detected": "", "action.motion.count": "", "action.contactState": "",
    "position.latitude": "°", "position.longitude": "°",
}  # fmt: skip


def readings(tree: dict[str, Json]) -> dict[str, Reading]:
    uplink = Uplink(
        id="u", device=DeviceInfo(DevEui("0101010101010101"), profile="", profile_id="p"),
        time_s=1e9, received_s=1e9, dev_addr="00", f_cnt=1, f_port=1, data=b"", object=tree,
    )  # fmt: skip
    found, rejects = MAPPER.readings(uplink)
    assert rejects == []
    return {reading.channel: reading for reading in found}


def test_every_normalized_name_is_its_own_channel_in_its_own_unit() -> None:
    found = readings(normalized_object(MEASUREMENT))
    assert {c: r.unit for c, r in found.items() if c != "device.battery_v"} == UNITS
    values = dict(leaves({k: v for k, v in MEASUREMENT.items() if isinstance(v, dict)}))
    assert {c: r.value for c, r in found.items() if c != "device.battery_v"} == values


def test_a_normalized_battery_is_volts_and_the_time_is_no_reading() -> None:
    found = readings(normalized_object(MEASUREMENT))
    assert (found["device.battery_v"].value, found["device.battery_v"].unit) == (3.6, "V")
    assert "device.timestamp" not in found
    assert "device" not in normalized_object({"air": {"temperature": 1}})


def test_a_current_water_temperature_is_the_water_temperature() -> None:
    found = readings(normalized_object({"water": {"temperature": {"current": 9.1, "min": 8}}}))
    assert found["water.temperature"].value == 9.1
    assert found["water.temperature.min"].value == 8


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("water.leak", ReadingKind.BOOLEAN),
        ("action.motion.detected", ReadingKind.BOOLEAN),
        ("action.contactState", ReadingKind.ENUM),
        ("air.location", ReadingKind.ENUM),
        ("metering.water.total", ReadingKind.COUNTER),
        ("soil.moisture", ReadingKind.NUMERIC),
    ],
)
def test_normalized_states_and_counters_are_no_measurements(
    channel: str, kind: ReadingKind
) -> None:
    assert readings(normalized_object(MEASUREMENT))[channel].kind is kind
