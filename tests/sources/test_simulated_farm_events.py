"""The farm's bytes against the network server's own message definitions (chirpstack-api)."""

from __future__ import annotations

import base64
import json
import struct
from itertools import islice, takewhile

import pytest
from chirpstack_api import integration
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from gateway.sources.simulated_farm import Farm, payloads
from gateway.sources.simulated_farm.events import MESSAGES, rfc3339, shortest_float32

DAY_S = 86400.0


@pytest.fixture(scope="module")
def week() -> list[tuple[str, bytes]]:
    farm = Farm(3)
    events = takewhile(lambda event: event.time_s < farm.script.start_s + 7 * DAY_S, farm.events())
    return [(event.topic.rsplit("/", 1)[-1], event.payload) for event in events]


def parsed(kind: str, payload: bytes) -> object:
    return json_format.Parse(payload, getattr(integration, MESSAGES[kind])())


def test_the_network_servers_own_messages_parse_every_event(week: list[tuple[str, bytes]]) -> None:
    kinds = {kind for kind, _ in week}
    assert {"up", "status", "join", "log"} <= kinds
    for kind, payload in week[::3]:
        message = parsed(kind, payload)
        again = json_format.MessageToJson(message)
        assert json_format.Parse(again, type(message)()) == message


def test_an_integration_message_states_its_defaults_and_a_nested_one_does_not(
    week: list[tuple[str, bytes]],
) -> None:
    ups = [json.loads(payload) for kind, payload in week if kind == "up"]
    assert all("confirmed" in up and up["deviceInfo"]["tags"] == {} for up in ups)
    assert any(up["fCnt"] == 0 for up in ups)
    hearings = [hearing for up in ups for hearing in up["rxInfo"]]
    assert any("channel" not in hearing for hearing in hearings)
    assert all(hearing.get("channel", 1) and hearing.get("snr", 1.0) for hearing in hearings)
    statuses = [json.loads(payload) for kind, payload in week if kind == "status"]
    assert any(status["batteryLevel"] == 0.0 for status in statuses)


def test_fields_stand_in_the_order_of_the_proto_file(week: list[tuple[str, bytes]]) -> None:
    for kind, payload in week[:400]:
        fields = getattr(integration, MESSAGES[kind]).DESCRIPTOR.fields
        order = [field.json_name for field in fields]
        keys = list(json.loads(payload))
        assert keys == [name for name in order if name in keys]


def test_floats_keep_their_point_and_integers_have_none(week: list[tuple[str, bytes]]) -> None:
    text = next(payload for kind, payload in week if b"total_volume" in payload).decode()
    assert '"TempC' not in text
    for hearing in json.loads(text, parse_float=lambda number: ("float", number))["rxInfo"]:
        assert hearing.get("snr", ("float", "0"))[0] == "float"
        assert isinstance(hearing["rssi"], int)
    assert " " not in text.split('"object":')[0].replace("Simulated farm", "").replace(
        "South valve", ""
    ).replace("North valve", "")


def test_protobuf_says_the_same_as_json() -> None:
    as_json, as_bytes = Farm(5).events(), Farm(5, encoding="protobuf").events()
    for one, other in islice(zip(as_json, as_bytes, strict=True), 400):
        kind = one.topic.rsplit("/", 1)[-1]
        assert one.topic == other.topic
        message = getattr(integration, MESSAGES[kind]).FromString(other.payload)
        assert message == parsed(kind, one.payload)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (500_000_000, "1970-01-01T00:00:00.500+00:00"),
        (1_000, "1970-01-01T00:00:00.000001+00:00"),
        (1_775_433_600_000_000_001, "2026-04-06T00:00:00.000000001+00:00"),
    ],
)
def test_times_have_as_many_groups_of_three_digits_as_they_need(nanos: int, text: str) -> None:
    assert rfc3339(nanos) == text


@given(st.integers(1, 254))
def test_a_battery_level_is_the_shortest_text_of_its_float(level: int) -> None:
    percent = level / 254.0 * 100.0
    short = shortest_float32(percent)
    assert struct.pack("<f", short) == struct.pack("<f", percent)
    assert len(repr(short)) <= 10


def test_a_battery_level_reads_as_a_real_server_wrote_it() -> None:
    # 236/254 and 191/254, as captured from a ChirpStack 4 server.
    assert shortest_float32(236 / 254 * 100) == 92.91338
    assert shortest_float32(191 / 254 * 100) == 75.19685


@given(st.floats(2.0, 3.7), st.floats(0.0, 60.0), st.floats(-20.0, 60.0), st.floats(0.0, 20000.0))
def test_a_soil_probes_bytes_decode_to_its_object(
    battery_v: float, moisture: float, soil_c: float, ec: float
) -> None:
    data, decoded = payloads.soil_probe(battery_v, moisture, soil_c, ec)
    battery, ds, water, soil, conduct, flag = struct.unpack(">HhHhHB", data)
    assert (ds, flag) == (0, 0)
    assert decoded["BatV"] == pytest.approx(battery / 1000)
    assert decoded["water_SOIL"] == pytest.approx(water / 100)
    assert decoded["temp_SOIL"] == pytest.approx(soil / 100)
    assert decoded["conduct_SOIL"] == conduct


@given(st.floats(2.0, 3.6), st.floats(-40.0, 80.0), st.floats(0.0, 100.0))
def test_an_air_probes_bytes_decode_to_its_object(
    battery_v: float, air_c: float, humidity: float
) -> None:
    data, decoded = payloads.air_probe(battery_v, air_c, humidity)
    battery, air, hum = struct.unpack(">HhH", data[:6])
    assert len(data) == 11
    assert decoded["BatV"] == pytest.approx((battery & 0x3FFF) / 1000)
    assert decoded["TempC_SHT"] == pytest.approx(air / 100)
    assert decoded["Hum_SHT"] == pytest.approx(hum / 10)


def test_a_command_in_protobuf_is_obeyed_as_well() -> None:
    farm = Farm(1, encoding="protobuf")
    valve = next(device for device in farm.devices if device.valve == "north")
    topic = f"application/x/device/{valve.dev_eui}/command/down"
    command = integration.DownlinkCommand(dev_eui=valve.dev_eui, f_port=10, data=b"\x01")
    assert farm.handle_command(topic, command.SerializeToString())
    assert not farm.handle_command(topic, b"\xff")
    first = [event.topic.rsplit("/", 1)[-1] for event in islice(farm.events(), 2)]
    assert first == ["txack", "up"]


def test_every_payload_is_short_enough_for_the_slowest_data_rate() -> None:
    for event in islice(Farm(1).events(), 500):
        data = base64.b64decode(json.loads(event.payload).get("data", ""))
        assert len(data) <= 51
