"""Whatever bytes come, `decode_event` returns an event or raises `BadInput`; so do readings."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from chirpstack_api.integration import integration_pb2 as pb
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs import ReadingMapper
from gateway.config import Config, LimitsConfig
from gateway.errors import BadInput
from gateway.types import DeviceLocation, DeviceStatus, Uplink

Vector = Callable[[str], dict[str, Any]]
Decode = Callable[..., Any]

EUI = "0101010101010101"
MAPPER = ReadingMapper(Config())
UP: dict[str, Any] = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    "time": "2025-07-18T09:34:15.775023242+00:00",
    "deviceInfo": {"applicationId": "a", "deviceName": "Zoë", "devEui": EUI, "tags": {"k": "v"}},
    "devAddr": "00189440",
    "fCnt": 5,
    "fPort": 1,
    "data": "qg==",
    "object": {"temperature": 21.5, "soil": {"moisture": [30, "31.5"]}, "leak": False},
    "rxInfo": [{"gatewayId": "g", "nsTime": "2025-07-18T09:34:15Z", "rssi": -36, "snr": 10.5}],
    "txInfo": {"frequency": 867100000, "modulation": {"lora": {"spreadingFactor": 11}}},
}
WHOLE = json.dumps(UP).encode()


def survives(decode: Decode, kind: str, payload: bytes, encoding: str = "auto") -> None:
    try:
        event = decode(kind, payload, eui=EUI, encoding=encoding)
        if isinstance(event, Uplink | DeviceStatus | DeviceLocation):
            MAPPER.readings(event)
    except BadInput as refusal:
        assert refusal.reason.isidentifier()  # noqa: PT017 - either outcome is right
        assert len(refusal.detail) <= 200  # noqa: PT017


def refused(decode: Decode, body: object, **options: object) -> str:
    kind = options.pop("kind", "up")
    with pytest.raises(BadInput) as refusal:
        decode(kind, body, eui=EUI, **options)
    assert len(refusal.value.detail) <= 200
    return refusal.value.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "truncated_json"),
        (b"   ", "truncated_json"),
        (WHOLE[:-1], "truncated_json"),
        (WHOLE[:50], "truncated_json"),
        (b"hello", "invalid_json"),
        (WHOLE + b"x", "invalid_json"),
        (b"{'a':1}", "invalid_json"),
        (b'\xef\xbb\xbf{"a":1}', "invalid_json"),
        (b'{"a":"\\ud800"}', "invalid_json"),
        (b'{"a":' + b"1" * 5000 + b"}", "invalid_json"),
        (WHOLE.replace(b"Zo", b"Z\xff"), "invalid_utf8"),
        (b"\xff\xfe\x00", "invalid_utf8"),
        (b"[1,2]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"17", "not_an_object"),
        (b"{}", "missing_field"),
        (b'{"object":' * 20_000, "too_deep"),
        (b'{"object":{"a":' + b"[" * 100 + b"]" * 100 + b"}}", "missing_field"),
        (b"\x0a\xff\xff\xff", "invalid_protobuf"),
    ],
    ids=range(20),
)
def test_broken_bodies_are_told_apart(decode: Decode, body: bytes, reason: str) -> None:
    assert refused(decode, body) == reason


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("deviceInfo", None, "missing_field"),
        ("deviceInfo", "x", "wrong_type"),
        ("deviceInfo.devEui", None, "missing_field"),
        ("deviceInfo.devEui", 1, "wrong_type"),
        ("deviceInfo.devEui", "0101", "invalid_dev_eui"),
        ("deviceInfo.devEui", "010101010101010g", "invalid_dev_eui"),
        ("deviceInfo.devEui", "0101010101010101\n", "invalid_dev_eui"),
        ("deviceInfo.devEui", "0202020202020202", "device_mismatch"),
        ("deviceInfo.applicationId", "a/../b", "wrong_type"),
        ("deviceInfo.deviceName", "x" * 257, "out_of_range"),
        ("deviceInfo.tags", {"k": 1}, "wrong_type"),
        ("fCnt", -1, "out_of_range"),
        ("fCnt", 2**32, "out_of_range"),
        ("fCnt", "5", "wrong_type"),
        ("fCnt", 5.5, "wrong_type"),
        ("fCnt", True, "wrong_type"),
        ("fCnt", 10**400, "out_of_range"),
        ("fPort", 256, "out_of_range"),
        ("fPort", -1, "out_of_range"),
        ("data", "q", "invalid_base64"),
        ("data", "qg=?", "invalid_base64"),
        ("data", "é", "invalid_base64"),
        ("data", 7, "wrong_type"),
        ("object", [1], "wrong_type"),
        ("object", "x", "wrong_type"),
        ("rxInfo", {}, "wrong_type"),
        ("rxInfo", [1], "wrong_type"),
        ("rxInfo", [{"rssi": "loud"}], "wrong_type"),
        ("rxInfo", [{"nsTime": "soon"}], "invalid_time"),
        ("txInfo", [], "wrong_type"),
        ("time", "2025-07-18", "invalid_time"),
        ("time", "2014-07-18T00:00:00Z", "absurd_time"),
    ],
)
def test_a_wrong_field_is_named_with_its_reason(
    decode: Decode, path: str, value: object, reason: str
) -> None:
    tree = json.loads(WHOLE)
    if reason == "absurd_time":
        del tree["rxInfo"]
    holder, _, name = path.rpartition(".")
    part = tree[holder] if holder else tree
    part[name] = value
    if reason == "missing_field":
        del part[name]
    assert refused(decode, tree) == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"location": {"latitude": 91}}, "out_of_range"),
        ({"location": {"longitude": -181}}, "out_of_range"),
        ({"location": {"altitude": "high"}}, "wrong_type"),
        ({}, "missing_field"),
    ],
)
def test_a_location_off_the_earth_is_refused(
    decode: Decode, vector: Vector, fields: dict[str, Any], reason: str
) -> None:
    tree = vector("docs_event_location")
    del tree["location"]
    assert refused(decode, tree | fields, kind="location") == reason


def test_topics_that_are_not_ours_are_refused(decode: Decode) -> None:
    assert refused(decode, WHOLE, kind="integration") == "unknown_event"
    assert refused(decode, WHOLE, kind="up/more") == "unknown_topic"


def test_a_megabyte_is_too_large(decode: Decode) -> None:
    body = json.dumps(UP | {"object": {"a": "x" * 1_000_000}}).encode()
    assert refused(decode, body) == "payload_too_large"


def test_more_values_than_any_device_sends_are_refused(decode: Decode) -> None:
    limits = LimitsConfig(object_keys=10)
    body = UP | {"object": {"list": list(range(11))}}
    assert refused(decode, body, limits=limits) == "too_many_keys"
    assert decode("up", UP | {"object": {"list": list(range(10))}}, limits=limits)


def test_an_object_nested_too_deep_is_refused(decode: Decode) -> None:
    tree: dict[str, Any] = {"a": 1}
    for _ in range(20):
        tree = {"a": tree}
    assert refused(decode, UP | {"object": tree}) == "too_deep"


def test_numbers_that_are_none_cost_only_their_own_leaf(decode: Decode) -> None:
    body = WHOLE.replace(b"21.5", b"NaN").replace(b"30,", b"1e400,")
    readings, rejects = MAPPER.readings(decode("up", body, eui=EUI))
    assert sorted(rejects) == [("not_finite", "soil.moisture.0"), ("not_finite", "temperature")]
    assert {r.channel for r in readings} >= {"soil.moisture.1", "water.leak", "radio.rssi"}


def test_a_repeated_key_is_read_once(decode: Decode) -> None:
    body = WHOLE.replace(b'"fCnt": 5', b'"fCnt": 4, "fCnt": 5')
    assert decode("up", body, eui=EUI).f_cnt == 5


def test_json_is_never_taken_for_protobuf_nor_the_other_way(decode: Decode) -> None:
    assert decode("up", b"\n\t " + WHOLE, eui=EUI) == decode("up", WHOLE, eui=EUI)
    assert refused(decode, WHOLE, encoding="protobuf") == "invalid_protobuf"
    assert refused(decode, b"\x0a\x00", encoding="json") in {"truncated_json", "invalid_json"}


# --- fuzzing ---------------------------------------------------------------------------------


def test_an_uplink_cut_anywhere_is_refused(decode: Decode) -> None:
    for end in range(len(WHOLE)):
        assert refused(decode, WHOLE[:end]) in {"truncated_json", "invalid_utf8"}


def test_no_flipped_bit_of_a_json_uplink_does_worse_than_bad_input(decode: Decode) -> None:
    for position in range(len(WHOLE) * 8):
        flipped = bytearray(WHOLE)
        flipped[position // 8] ^= 1 << position % 8
        survives(decode, "up", bytes(flipped))


@pytest.mark.parametrize("encoding", ["auto", "protobuf"])
def test_no_flipped_bit_of_a_protobuf_uplink_does_worse_than_bad_input(
    decode: Decode, encoding: str
) -> None:
    whole = json_format.ParseDict(UP, pb.UplinkEvent()).SerializeToString()
    for position in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        survives(decode, "up", bytes(flipped), encoding)


def test_no_cut_of_a_protobuf_uplink_does_worse_than_bad_input(decode: Decode) -> None:
    whole = json_format.ParseDict(UP, pb.UplinkEvent()).SerializeToString()
    for end in range(len(whole)):
        survives(decode, "up", whole[:end], "protobuf")


KINDS = st.sampled_from(["up", "join", "ack", "txack", "log", "status", "location"])


@settings(max_examples=200, deadline=None)
@given(kind=KINDS, payload=st.binary(max_size=200), encoding=st.sampled_from(["auto", "protobuf"]))
def test_noise_is_an_event_or_bad_input(
    decode: Decode, kind: str, payload: bytes, encoding: str
) -> None:
    survives(decode, kind, payload, encoding)


PATHS = [
    (), ("deviceInfo",), ("object",), ("object", "soil"), ("rxInfo", 0), ("txInfo",),
    ("txInfo", "modulation", "lora"),
]  # fmt: skip
ODD = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.lists(st.integers(), max_size=3) | st.dictionaries(st.text(max_size=5), st.integers())
    | st.sampled_from([10**400, -(2**63), 1e308, "NaN", "\x00", "9" * 300])
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(data=st.data(), value=ODD)
def test_wrong_types_anywhere_are_an_event_or_bad_input(
    decode: Decode, data: st.DataObject, value: object
) -> None:
    tree = json.loads(WHOLE)
    part: Any = tree
    for step in data.draw(st.sampled_from(PATHS)):
        part = part[step]
    part[data.draw(st.sampled_from(sorted(part)))] = value
    survives(decode, data.draw(KINDS), json.dumps(tree).encode())
