"""Discovery as Home Assistant reads it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from jsonschema import Draft202012Validator

from gateway.handling import AlertRequest
from gateway.publishers import Discovery, Topics, contract
from gateway.publishers.entities import title, traits
from gateway.speech import speaking
from gateway.types import Channel, DevEui, DeviceInfo, Json, Message, Reading, ReadingKind, Scalar

EUI = DevEui("a84041c3d185ee46")
INFO = DeviceInfo(EUI, name="North field soil", profile="LSE01")


def reading(channel: str, value: Scalar, unit: str = "", kind: str = "numeric") -> Reading:
    return Reading(EUI, Channel(channel), value, unit, ReadingKind(kind), 0.0, channel)


READINGS = [
    reading("soil.moisture", 41.8, "%"),
    reading("soil.ec", 0.4, "dS/m"),
    reading("radio.rssi", -97.0, "dBm"),
    reading("device.battery_v", 3.6, "V"),
    reading("water.leak", value=True, kind="boolean"),
    reading("metering.water.total", 12, "L", "counter"),
    reading("valve.state", "open", kind="enum"),
]


def discovery() -> Discovery:
    return Discovery(Topics("lora-gateway"), version="1.0")


def loaded(message: Message) -> Json:
    payload = json.loads(message.payload)
    Draft202012Validator(contract.schema("home_assistant")).validate(payload)
    return payload


def test_a_device_has_an_entity_per_channel_an_anomaly_and_its_alerts() -> None:
    (message,) = discovery().changes(INFO, READINGS, area="North field")
    assert message.topic == "homeassistant/device/lora_gateway_a84041c3d185ee46/config"
    assert message.retain
    payload = loaded(message)
    assert payload["dev"]["sa"] == "North field"
    assert payload["availability_mode"] == "all"
    assert [item["topic"] for item in payload["availability"]] == [
        "lora-gateway/bridge/state",
        "lora-gateway/device/a84041c3d185ee46/availability",
    ]
    cmps = payload["cmps"]
    assert cmps["soil_moisture"] == {
        "p": "sensor",
        "name": "Soil moisture",
        "unique_id": "lora_gateway_a84041c3d185ee46_soil.moisture",
        "default_entity_id": "sensor.north_field_soil_soil_moisture",
        "device_class": "moisture",
        "state_class": "measurement",
        "unit_of_measurement": "%",
        "suggested_display_precision": 1,
        "value_template": '{{ (value_json.get("soil") or {}).get("moisture") }}',
    }
    assert cmps["soil_ec"]["unit_of_measurement"] == "mS/cm"
    assert cmps["radio_rssi"]["entity_category"] == "diagnostic"
    assert cmps["radio_rssi"]["enabled_by_default"] is False
    assert cmps["device_battery_v"]["device_class"] == "voltage"
    assert cmps["water_leak"]["p"] == "binary_sensor"
    assert cmps["metering_water_total"]["state_class"] == "total_increasing"
    assert cmps["metering_water_total"]["device_class"] == "water"
    assert "state_class" not in cmps["valve_state"]
    assert cmps["anomaly"]["device_class"] == "problem"
    assert cmps["alert"]["event_types"] == ["new", "update", "end"]
    assert cmps["alerts"]["state_topic"] == "lora-gateway/device/a84041c3d185ee46/alerts"


def test_its_buttons_ask_what_the_gateway_understands_also_for_a_silent_device() -> None:
    cmps = loaded(discovery().changes(INFO, READINGS)[0])["cmps"]
    for key, verb in (("alert_ack", "ack"), ("alert_snooze", "snooze")):
        button = cmps[key]
        assert button["command_topic"] == f"lora-gateway/bridge/request/alert/{verb}"
        asked = AlertRequest.model_validate_json(button["payload_press"])
        assert (asked.dev_eui, asked.by) == (EUI, "home-assistant")
        assert [one["topic"] for one in button["availability"]] == ["lora-gateway/bridge/state"]


def test_a_device_is_announced_again_only_when_its_channels_or_name_change() -> None:
    made = discovery()
    assert len(made.changes(INFO, READINGS)) == 1
    assert made.changes(INFO, [replace(item, value=1.0) for item in READINGS]) == []
    assert len(made.changes(INFO, [*READINGS, reading("air.temperature", 1.0, "°C")])) == 1
    assert len(made.changes(replace(INFO, name="South field"), READINGS)) == 1
    bridge, device = made.all()
    assert loaded(bridge)["dev"]["ids"] == [loaded(device)["dev"]["via_device"]]


def test_a_removed_device_is_forgotten() -> None:
    made = discovery()
    (announced,) = made.changes(INFO, READINGS)
    removal = made.removal(EUI)
    assert (removal.topic, removal.payload, removal.retain) == (announced.topic, b"", True)
    assert len(made.all()) == 1
    assert len(made.changes(INFO, READINGS)) == 1


def test_channels_whose_names_look_alike_keep_apart() -> None:
    alike = [reading("a.b", 1.0), reading("a_b", 2.0), reading("alert", 1.0), reading("A.b", 3.0)]
    payload = loaded(discovery().changes(INFO, alike)[0])
    ids = {item["unique_id"] for item in payload["cmps"].values()}
    assert len(payload["cmps"]) == len(ids) == 9


def test_templates_give_the_value_and_bear_a_missing_one() -> None:
    payload = loaded(discovery().changes(INFO, READINGS)[0])

    def shown(key: str, state: Json) -> Scalar | None:
        expression = payload["cmps"][key]["value_template"].removeprefix("{{").removesuffix("}}")
        names = {"value_json": state, "true": True, "false": False}
        found: Scalar | None = eval(expression.strip(), {}, names)  # noqa: S307 - our own words
        return found

    assert shown("soil_moisture", {"soil": {"moisture": 41.8}}) == 41.8
    assert shown("soil_moisture", {"soil": {}}) is None
    assert shown("soil_moisture", {}) is None
    assert shown("water_leak", {"water": {"leak": True}}) == "ON"
    assert shown("water_leak", {}) is None
    template = payload["cmps"]["valve_state"]["value_template"]
    assert template == '{{ ((value_json.get("valve") or {}).get("state") | string)[:255] }}'


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("air.relativeHumidity", "Air relative humidity"),
        ("TempC_SHT", "Temp c sht"),
        ("soil.moisture.2", "Soil moisture 2"),
    ],
)
def test_names_are_for_people(channel: str, expected: str) -> None:
    assert title(Channel(channel)) == expected


def test_a_numbered_probe_looks_like_its_kind() -> None:
    found = traits(Channel("soil.moisture.2"), "%", ReadingKind.NUMERIC)
    assert found["device_class"] == "moisture"


def test_link_health_is_diagnostic_and_frequencies_are_not_announced() -> None:
    plain = [*READINGS, reading("radio.loss", 4.0, "%"), reading("radio.link_margin", 9.5, "dB"),
             reading("radio.missed", 0)]  # fmt: skip
    by_frequency = [
        reading(f"radio.frequency_{khz}.{name}", 1.0, unit)
        for khz in range(867_100, 868_700, 200)
        for name, unit in (("rssi", "dBm"), ("snr", "dB"), ("share_of_even", "%"))
    ]
    announcer = discovery()
    (message,) = announcer.changes(INFO, plain)
    cmps = loaded(message)["cmps"]
    for key, unit in (("radio_loss", "%"), ("radio_link_margin", "dB")):
        assert cmps[key]["entity_category"] == "diagnostic"
        assert cmps[key]["unit_of_measurement"] == unit
        assert "enabled_by_default" not in cmps[key]
    assert cmps["radio_missed"]["enabled_by_default"] is False
    assert announcer.changes(INFO, plain + by_frequency) == []


def test_entities_have_names_in_the_language_of_the_site_and_the_same_ids() -> None:
    (english,) = discovery().changes(INFO, READINGS)
    with speaking("zh_CN"):
        (chinese,) = discovery().changes(INFO, READINGS)
    before, after = loaded(english)["cmps"], loaded(chinese)["cmps"]
    assert after["soil_moisture"]["name"] == "土壤水分"
    assert after["alert"]["name"] == "告警"
    unnamed = [
        {key: {k: v for k, v in one.items() if k != "name"} for key, one in components.items()}
        for components in (before, after)
    ]
    assert unnamed[0] == unnamed[1]
