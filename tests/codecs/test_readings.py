import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs import ReadingMapper
from gateway.codecs.key_plan import MAX_CHANNEL, channel_name
from gateway.config import Config
from gateway.errors import BadInput
from gateway.types import (
    DevEui,
    DeviceInfo,
    DeviceLocation,
    DeviceStatus,
    Reading,
    ReadingKind,
    Reception,
    Uplink,
)

CASES = json.loads(
    (Path(__file__).parent.parent / "vectors" / "codecs" / "objects.json").read_text("utf-8")
)
EUI = "0101010101010101"
MAPPER = ReadingMapper(Config())


def uplink(tree: dict[str, Any] | None, *, profile: str = "", **fields: object) -> Uplink:
    device = DeviceInfo(DevEui(EUI), profile=profile, profile_id="id-of-profile")
    known: dict[str, Any] = {
        "id": "u", "device": device, "time_s": 1e9, "received_s": 1e9, "dev_addr": "00",
        "f_cnt": 1, "f_port": 1, "data": b"", "object": tree,
    }  # fmt: skip
    return Uplink(**(known | fields))


def read(
    tree: dict[str, Any], config: dict[str, Any] | None = None, *, profile: str = ""
) -> dict[str, Reading]:
    mapper = ReadingMapper(Config.model_validate(config)) if config else MAPPER
    readings, rejects = mapper.readings(uplink(tree, profile=profile))
    assert rejects == []
    return {reading.channel: reading for reading in readings}


@pytest.mark.parametrize("case", CASES, ids=[case["maker"] for case in CASES])
def test_makers_spellings_become_channels_with_units(case: dict[str, Any]) -> None:
    found = read(case["object"], profile=case["profile"])
    shown = {channel: [reading.value, reading.unit] for channel, reading in found.items()}
    assert shown == case["channels"]


def test_a_reading_keeps_its_payload_key_device_and_time() -> None:
    reading = read({"soil": {"temp_SOIL": 1}})["soil.temp_SOIL"]
    assert (reading.key, reading.dev_eui, reading.time_s) == ("soil.temp_SOIL", EUI, 1e9)
    assert reading.unit == "°C"


@pytest.mark.parametrize(
    ("key", "value", "channel", "kind"),
    [
        ("leak", True, "water.leak", ReadingKind.BOOLEAN),
        ("leak", 1, "water.leak", ReadingKind.BOOLEAN),
        ("leak", "dry", "water.leak", ReadingKind.ENUM),
        ("leak", 37, "leak", ReadingKind.NUMERIC),
        ("valve", "open", "valve.state", ReadingKind.ENUM),
        ("valve", 2, "valve.state", ReadingKind.ENUM),
        ("valve", 2.5, "valve", ReadingKind.NUMERIC),
        ("pulse_count", 7, "metering.pulses", ReadingKind.COUNTER),
        ("firmware", "1.0.0", "device.firmware", ReadingKind.TEXT),
        ("temperature", "12.5", "air.temperature", ReadingKind.NUMERIC),
        ("temperature", "12.5 °C", "air.temperature", ReadingKind.NUMERIC),
        ("temperature", "12.5V", "temperature", ReadingKind.TEXT),
        ("temperature", "NULL", "temperature", ReadingKind.TEXT),
        ("temperature", "nan", "temperature", ReadingKind.TEXT),
        ("temperature", "1e999", "temperature", ReadingKind.TEXT),
        ("temperature", False, "temperature", ReadingKind.BOOLEAN),
        ("anything", 3, "anything", ReadingKind.NUMERIC),
        ("anything", "12.5", "anything", ReadingKind.TEXT),
        ("anything", True, "anything", ReadingKind.BOOLEAN),
        ("door_alarm", 1, "door_alarm", ReadingKind.BOOLEAN),
        ("door_alarm", 9, "door_alarm", ReadingKind.NUMERIC),
        ("boot_count", 9, "boot_count", ReadingKind.COUNTER),
        ("heater_mode", "eco", "heater_mode", ReadingKind.ENUM),
        ("heater_mode", 2, "heater_mode", ReadingKind.ENUM),
    ],
)
def test_values_stay_what_they_are(
    key: str, value: object, channel: str, kind: ReadingKind
) -> None:
    (reading,) = read({key: value}).values()
    assert (reading.channel, reading.kind) == (channel, kind)
    if kind is not ReadingKind.NUMERIC or isinstance(value, int):
        assert reading.value == value
        assert type(reading.value) is type(value)


def test_two_keys_of_one_channel_are_both_kept_whatever_their_order() -> None:
    one = read({"TempC_SHT": 20.0, "temperature": 21.0})
    other = read({"temperature": 21.0, "TempC_SHT": 20.0})
    assert one == other
    assert one["air.temperature"].value == 21.0
    assert (one["TempC_SHT"].value, one["TempC_SHT"].unit) == (20.0, "°C")


def test_names_that_only_become_equal_when_made_safe_are_all_kept() -> None:
    found = read({"a+b": 1, "a#b": 2, "a": {"b": 3}, "a.b": 4})
    assert sorted(reading.value for reading in found.values()) == [1, 2, 3, 4]
    assert set(found) == {"a_b", "a_b_2", "a.b", "a.b_2"}


def test_a_payload_cannot_take_the_link_qualitys_channels() -> None:
    event = uplink({"radio.rssi": -1}, receptions=(Reception("g", -90.0, 5.0),))
    readings, _ = MAPPER.readings(event)
    assert {r.channel: r.value for r in readings} == {
        "radio.rssi": -90.0, "radio.snr": 5.0, "radio.rssi_2": -1,
    }  # fmt: skip


def test_link_quality_is_that_of_the_best_reception() -> None:
    receptions = (
        Reception("a", -60.0, 2.0),
        Reception("b", -90.0, 9.0),
        Reception("c", -95.0, 9.0),
    )
    readings, _ = MAPPER.readings(uplink(None, receptions=receptions, spreading_factor=7))
    assert [(r.channel, r.value, r.unit, r.key) for r in readings] == [
        ("radio.rssi", -90.0, "dBm", "rxInfo.rssi"),
        ("radio.snr", 9.0, "dB", "rxInfo.snr"),
        ("radio.spreadingFactor", 7, "", "txInfo.spreadingFactor"),
    ]


def test_a_status_is_margin_power_and_battery() -> None:
    device = DeviceInfo(DevEui(EUI))
    readings, _ = MAPPER.readings(DeviceStatus("s", device, 1.0, 1.0, 10.0, False, 88.3))
    assert [(r.channel, r.value, r.kind) for r in readings] == [
        ("radio.margin", 10.0, ReadingKind.NUMERIC),
        ("device.external_power", False, ReadingKind.BOOLEAN),
        ("device.battery_percent", 88.3, ReadingKind.NUMERIC),
    ]
    readings, _ = MAPPER.readings(DeviceStatus("s", device, 1.0, 1.0, 10.0, True, None))
    assert "device.battery_percent" not in {r.channel for r in readings}


def test_a_location_is_three_channels() -> None:
    device = DeviceInfo(DevEui(EUI))
    readings, _ = MAPPER.readings(DeviceLocation("l", device, 1.0, 1.0, 47.0, 8.5, 400.0))
    assert [(r.channel, r.value, r.unit) for r in readings] == [
        ("location.latitude", 47.0, "°"),
        ("location.longitude", 8.5, "°"),
        ("location.altitude", 400.0, "m"),
    ]


# --- configuration ---------------------------------------------------------------------------


def settings_for(channels: dict[str, Any], profile: dict[str, Any] | None = None) -> dict[str, Any]:
    tree: dict[str, Any] = {"devices": {EUI: {"channels": channels}}}
    if profile is not None:
        tree["profiles"] = {"Probe": {"channels": profile}}
    return tree


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"offset": -0.5}, ("soil.ec", 0.318 - 0.5, "dS/m")),
        ({"unit": "µS/cm"}, ("soil.ec", 318, "µS/cm")),
        ({"unit": "mS/cm", "scale": 0.002}, ("soil.ec", 0.636, "mS/cm")),
        ({"channel": "water.ec"}, ("water.ec", 318, "µS/cm")),
        ({"channel": "bed.ec"}, ("bed.ec", 0.318, "dS/m")),
    ],
)
def test_what_a_setting_leaves_out_stays_as_the_dictionary_has_it(
    setting: dict[str, Any], expected: tuple[str, float, str]
) -> None:
    (reading,) = read({"conduct_SOIL": 318}, settings_for({"conduct_SOIL": setting})).values()
    assert (reading.channel, reading.unit) == (expected[0], expected[2])
    assert reading.value == pytest.approx(expected[1])


def test_the_device_goes_before_its_profile_and_that_before_the_dictionary() -> None:
    config = settings_for(
        {"temperature": {"channel": "bed.temperature"}},
        {"temperature": {"channel": "probe.temperature", "scale": 0.1},
         "humidity": {"channel": "soil.moisture"}},
    )  # fmt: skip
    found = read({"temperature": 215, "humidity": 30, "co2": 400}, config, profile="Probe")
    assert {channel: (r.value, r.unit) for channel, r in found.items()} == {
        "bed.temperature": (21.5, "°C"),
        "soil.moisture": (30, "%"),
        "air.co2": (400, "ppm"),
    }


def test_a_profile_is_found_by_its_id_too() -> None:
    config = {"profiles": {"id-of-profile": {"channels": {"x": {"channel": "tank.level"}}}}}
    reading = read({"x": "55%"}, config)["tank.level"]
    assert (reading.value, reading.unit, reading.kind) == (55.0, "%", ReadingKind.NUMERIC)


def test_a_setting_goes_before_a_spelling_of_the_same_channel() -> None:
    config = settings_for({"t9": {"channel": "air.temperature"}})
    found = read({"temperature": 1.0, "t9": 2.0}, config)
    assert (found["air.temperature"].value, found["temperature"].value) == (2.0, 1.0)


def test_a_setting_goes_before_the_unit_a_payload_states() -> None:
    config = settings_for({"t.value": {"channel": "air.temperature", "scale": 0.1}})
    found = read({"t": {"value": 215, "unit": "°F"}}, config)
    assert (found["air.temperature"].value, found["air.temperature"].unit) == (21.5, "°C")


def test_the_kind_can_be_set() -> None:
    config = settings_for({"x": {"kind": "counter"}, "y": {"kind": "text"}})
    found = read({"x": 3, "y": "12"}, config)
    assert (found["x"].kind, found["y"].kind) == (ReadingKind.COUNTER, ReadingKind.TEXT)


def test_link_quality_is_not_renamed_by_settings_for_payload_keys() -> None:
    config = Config.model_validate(settings_for({"batteryLevel": {"channel": "device.battery_v"}}))
    status = DeviceStatus("s", DeviceInfo(DevEui(EUI)), 1.0, 1.0, 10.0, False, 88.0)
    readings, _ = ReadingMapper(config).readings(status)
    assert "device.battery_percent" in {r.channel for r in readings}


# --- what cannot be a reading ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "not_finite"),
        (math.inf, "not_finite"),
        (-math.inf, "not_finite"),
        (10**400, "not_finite"),
        ("x" * 257, "text_too_long"),
        (b"raw", "wrong_type"),
    ],
)
def test_a_leaf_that_cannot_be_a_reading_costs_no_other(value: object, reason: str) -> None:
    readings, rejects = MAPPER.readings(uplink({"bad": value, "temperature": 3.0}))
    assert rejects == [(reason, "bad")]
    assert [r.channel for r in readings] == ["air.temperature"]


def test_a_null_is_no_value_and_no_fault() -> None:
    readings, rejects = MAPPER.readings(uplink({"temperature": None, "list": [], "table": {}}))
    assert (readings, rejects) == ([], [])


def test_an_integer_beyond_64_bits_becomes_a_float() -> None:
    assert read({"big": 2**63})["big"].value == float(2**63)
    assert read({"big": 2**63 - 1})["big"].value == 2**63 - 1


def test_keys_past_the_limit_are_reported_once() -> None:
    mapper = ReadingMapper(Config.model_validate({"limits": {"object_keys": 3}}))
    readings, rejects = mapper.readings(uplink({f"k{i}": i for i in range(9)}))
    assert len(readings) == 3
    assert rejects == [("too_many_keys", "k3")]


def test_an_endless_key_is_refused_and_a_long_one_cut() -> None:
    readings, rejects = MAPPER.readings(uplink({"k" * 201: 1, "k" * 200: 2, "k" * 199 + "j": 3}))
    assert rejects == [("key_too_long", "k" * 200)]
    assert len({r.channel for r in readings}) == 2
    assert all(len(r.channel) <= MAX_CHANNEL for r in readings)


def test_a_nesting_bomb_is_bad_input() -> None:
    tree: dict[str, Any] = {}
    for _ in range(50):
        tree = {"a": tree}
    with pytest.raises(BadInput, match="too_deep"):
        MAPPER.readings(uplink(tree))


def test_plans_for_ever_new_keys_are_not_hoarded() -> None:
    mapper = ReadingMapper(Config())
    for index in range(300):
        mapper.readings(uplink({f"key{index}.{inner}": 1 for inner in range(40)}))
    plans = mapper._planner._plans
    assert 0 < sum(len(plan) for plan in plans.values()) <= 8192 + 40


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
    | st.sampled_from(["12.5", "3 V", "-1e5", "OPEN", "x" * 257, 10**400])
)  # fmt: skip
KEYS = st.text(max_size=12) | st.sampled_from(
    ["temperature", "temp", "TempC1", "soil_moisture_2", "ec", "BatV", "leak", "a.b", "value", "1"]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, TREES, max_size=6)


@settings(max_examples=200, deadline=None)
@given(tree=OBJECTS)
def test_every_leaf_is_a_reading_or_a_reject_and_every_channel_is_safe(
    tree: dict[str, Any],
) -> None:
    try:
        readings, rejects = MAPPER.readings(uplink(tree))
    except BadInput as refusal:
        assert refusal.reason == "too_deep"  # noqa: PT017 - either outcome is right
        return
    assert len(readings) + len(rejects) == sum(1 for _ in filled(tree))
    channels = [reading.channel for reading in readings]
    assert len(set(channels)) == len(channels)
    for channel in channels:
        assert 0 < len(channel) <= MAX_CHANNEL
        assert not set(channel) & set("+#/ \x00\n")
        assert ".." not in channel


def filled(tree: object) -> Iterator[object]:
    if isinstance(tree, dict):
        for inner in tree.values():
            yield from filled(inner)
    elif isinstance(tree, list):
        for inner in tree:
            yield from filled(inner)
    elif tree is not None:
        yield tree


@pytest.mark.parametrize(
    ("key", "name"),
    [("a b", "a_b"), ("..", "value"), ("", "value"), ("a..b.", "a.b"), ("µg/m³", "µg_m³")],
)
def test_channel_names_are_safe(key: str, name: str) -> None:
    assert channel_name(key) == name
