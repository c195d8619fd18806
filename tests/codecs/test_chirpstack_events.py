import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.codecs import TopicTemplate, decode_event, parse_rfc3339
from gateway.config import LimitsConfig
from gateway.errors import BadInput
from gateway.types import (
    Ack,
    DeviceLocation,
    DeviceStatus,
    Join,
    ServerLog,
    TxAck,
    Uplink,
)

Vector = Callable[[str], dict[str, Any]]
Decode = Callable[..., Any]


def test_an_uplink_of_the_documentation_is_read_whole(vector: Vector, decode: Decode) -> None:
    up = decode("up", vector("docs_event_up"))
    assert isinstance(up, Uplink)
    assert up.id == "3ac7e3c4-4401-4b8d-9386-a5c902f9202d"
    assert up.device.dev_eui == "0101010101010101"
    assert up.device.name == "Test device"
    assert up.device.profile == "Test device-profile"
    assert up.device.application_id == "17c82e96-be03-4f38-aef3-f83d48582d97"
    assert up.device.tags == {"key": "value"}
    assert up.time_s == pytest.approx(1658136855.775023, abs=1e-6)
    assert (up.dev_addr, up.f_cnt, up.f_port, up.data) == ("00189440", 0, 1, b"\xaa")
    assert up.object is None
    assert (up.frequency_hz, up.spreading_factor, up.bandwidth_hz) == (867100000, 11, 125000)
    assert [(r.gateway_id, r.rssi_dbm, r.snr_db) for r in up.receptions] == [
        ("0016c001f153a14c", -36.0, 10.5)
    ]
    assert (up.data_rate, up.confirmed, up.adr, up.clock_suspect) == (1, False, False, False)


def test_a_captured_uplink_without_a_codec_is_read(vector: Vector, decode: Decode) -> None:
    up = decode("up", vector("real_up_no_object"))
    assert (up.f_cnt, up.adr, up.confirmed, up.data) == (90, True, True, b"\x11\x5a")
    assert up.receptions[0].server_time_s == pytest.approx(1714476085.137745, abs=1e-6)


def test_the_other_events_of_the_documentation_are_read(vector: Vector, decode: Decode) -> None:
    join = decode("join", vector("docs_event_join"))
    assert isinstance(join, Join)
    assert join.dev_addr == "00189440"
    ack = decode("ack", vector("docs_event_ack"))
    assert isinstance(ack, Ack)
    assert (ack.queue_item_id, ack.acknowledged, ack.f_cnt_down) == (
        "1bbcab1d-6ec6-4136-b3f5-d63be1dc08de", True, 3,
    )  # fmt: skip
    txack = decode("txack", vector("docs_event_txack"))
    assert isinstance(txack, TxAck)
    assert (txack.queue_item_id, txack.f_cnt_down, txack.gateway_id) == (
        "42cb6459-a640-46ec-9623-bdff39dc4736", 2, "0016c001f153a14c",
    )  # fmt: skip
    log = decode("log", vector("docs_event_log"))
    assert isinstance(log, ServerLog)
    assert (log.level, log.code) == ("ERROR", "UPLINK_MIC")
    assert log.context == {"deduplication_id": "4e91db13-5ce3-4c8c-ab0f-dfc626cf0771"}
    status = decode("status", vector("docs_event_status"))
    assert isinstance(status, DeviceStatus)
    assert (status.margin_db, status.battery_percent, status.external_power) == (10.0, 88.3, False)
    location = decode("location", vector("docs_event_location"))
    assert isinstance(location, DeviceLocation)
    assert (location.latitude, location.longitude, location.altitude_m) == (
        37.344214, -8.839375, 2.0,
    )  # fmt: skip


def test_a_captured_codec_error_is_read(vector: Vector, decode: Decode) -> None:
    log = decode("log", vector("real_log_uplink_codec"))
    assert log.code == "UPLINK_CODEC"
    assert "decodeUplink is not defined" in log.description


def test_nested_fields_left_out_are_zero(vector: Vector, decode: Decode) -> None:
    event = vector("docs_event_up")
    event["rxInfo"] = [{"gatewayId": "0016c001f153a14c"}]
    event["txInfo"] = {"modulation": {"fsk": {"datarate": 50000}}}
    up = decode("up", event)
    assert (up.receptions[0].rssi_dbm, up.receptions[0].snr_db) == (0.0, 0.0)
    assert (up.frequency_hz, up.spreading_factor) == (None, None)


@pytest.mark.parametrize("field", ["rxInfo", "txInfo", "object", "tags"])
def test_optional_parts_may_be_null_or_missing(vector: Vector, decode: Decode, field: str) -> None:
    event = vector("docs_event_up")
    holder = event["deviceInfo"] if field == "tags" else event
    holder[field] = None
    assert isinstance(decode("up", event), Uplink)
    del holder[field]
    assert isinstance(decode("up", event), Uplink)


def test_unknown_fields_are_ignored(vector: Vector, decode: Decode) -> None:
    event = vector("docs_event_up") | {"relayRxInfo": None, "new": {"deep": [1, {"x": 2}]}}
    assert decode("up", event) == decode("up", vector("docs_event_up"))


def test_an_uplink_without_an_id_is_named_by_session_and_counter(
    vector: Vector, decode: Decode
) -> None:
    event = vector("docs_event_up") | {"fCnt": 7}
    del event["deduplicationId"]
    assert decode("up", event).id == "0101010101010101-00189440-7"
    del event["fCnt"]
    with pytest.raises(BadInput, match="missing_field"):
        decode("up", event)


@pytest.mark.parametrize(
    ("fields", "percent"),
    [
        ({"batteryLevel": 88.3}, 88.3),
        ({"batteryLevel": 0}, 0.0),
        ({}, None),
        ({"batteryLevel": 0, "batteryLevelUnavailable": True}, None),
        ({"batteryLevel": 0, "externalPowerSource": True}, None),
    ],
)
def test_an_unknown_battery_level_is_not_an_empty_battery(
    vector: Vector, decode: Decode, fields: dict[str, Any], percent: float | None
) -> None:
    event = vector("docs_event_status")
    del event["batteryLevel"]
    assert decode("status", event | fields).battery_percent == percent


# --- whose clock to believe ------------------------------------------------------------------

SERVER = "2025-03-01T12:00:00Z"
SERVER_S = parse_rfc3339(SERVER)


@pytest.mark.parametrize(
    "case",
    [
        ("2025-03-01T11:55:01Z", SERVER, "2025-03-01T11:55:01Z", False),
        ("2025-03-01T12:05:00Z", SERVER, "2025-03-01T12:05:00Z", False),
        ("2025-03-01T12:05:01Z", SERVER, SERVER, True),
        ("2025-03-01T11:54:59Z", SERVER, SERVER, True),
        ("1970-01-01T00:00:07Z", SERVER, SERVER, True),
        ("2099-01-01T00:00:00Z", SERVER, SERVER, True),
        (None, SERVER, SERVER, True),
        ("2025-03-01T09:00:00Z", None, "2025-03-01T09:00:00Z", False),
        ("2025-03-01T09:00:00Z", "1970-01-01T00:00:00Z", "2025-03-01T09:00:00Z", False),
    ],
)
def test_the_servers_clock_is_used_where_the_radio_gateways_is_off(
    vector: Vector, decode: Decode, case: tuple[str | None, str | None, str, bool]
) -> None:
    time, ns_time, expected, suspect = case
    event = vector("docs_event_up") | {"time": time}
    event["rxInfo"] = [{"nsTime": ns_time}]
    up = decode("up", event, received_s=SERVER_S + 1)
    assert (up.time_s, up.clock_suspect) == (parse_rfc3339(expected), suspect)


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("1970-01-01T00:00:00Z", "absurd_time"),
        ("2014-12-31T23:59:59Z", "absurd_time"),
        ("2025-03-02T12:00:02Z", "absurd_time"),
        ("9999-12-31T23:59:59Z", "absurd_time"),
        ("yesterday", "invalid_time"),
        (None, "missing_field"),
        (12, "wrong_type"),
    ],
)
@pytest.mark.parametrize("kind", ["up", "join", "status"])
def test_an_event_without_a_possible_time_is_refused(
    vector: Vector, decode: Decode, kind: str, time: object, reason: str
) -> None:
    event = vector(f"docs_event_{kind}") | {"time": time}
    with pytest.raises(BadInput) as refusal:
        decode(kind, event, received_s=SERVER_S + 1)
    assert refusal.value.reason == reason


# --- topics ----------------------------------------------------------------------------------


def test_the_devices_case_does_not_matter(vector: Vector, decode: Decode) -> None:
    event = vector("docs_event_up")
    event["deviceInfo"]["devEui"] = "ABCDEF0123456789"
    assert decode("up", event, eui="AbCdEf0123456789").device.dev_eui == "abcdef0123456789"


@pytest.mark.parametrize(
    "name", ["up", "join", "ack", "txack", "log", "status", "location"]
)  # fmt: skip
def test_a_topic_without_a_kind_leaves_it_to_the_body(
    vector: Vector, decode: Decode, name: str
) -> None:
    event = vector(f"docs_event_{name}")
    payload = json.dumps(event).encode()
    found = decode_event(
        "site/0101010101010101", payload, 1.8e9, template=TopicTemplate("site/{dev_eui}"),
        encoding="auto", limits=LimitsConfig(),
    )  # fmt: skip
    assert found == decode(name, event)


def test_the_topics_application_stands_in_for_a_missing_one(vector: Vector, decode: Decode) -> None:
    event = vector("docs_event_up")
    del event["deviceInfo"]["applicationId"]
    found = decode("up", event).device.application_id
    assert found == "17c82e96-be03-4f38-aef3-f83d48582d97"
