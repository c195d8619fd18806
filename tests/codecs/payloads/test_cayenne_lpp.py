import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.payloads import MAX_PAYLOAD, REASONS, Frame
from gateway.codecs.payloads.cayenne_lpp import TYPES, CayenneLpp, Value
from gateway.errors import BadInput

VECTOR = json.loads(
    (Path(__file__).parents[2] / "vectors/codecs/cayenne_lpp.json").read_text("utf-8")
)
CODEC = CayenneLpp()


def decode(data: bytes) -> dict[str, Any]:
    return dict(CODEC.decode(Frame(data, 1)).data)


def encode(command: dict[str, Any]) -> bytes:
    return CODEC.encode(command, {}).data


def decode_or_reason(data: bytes) -> str | None:
    found = None
    try:
        json.dumps(decode(data), allow_nan=False)
    except BadInput as error:
        found = error.reason
    assert found is None or found in REASONS
    return found


def test_the_servers_own_vector_decodes_to_what_the_server_says() -> None:
    assert decode(bytes.fromhex(VECTOR["hex"])) == VECTOR["expected_object"]


def test_the_servers_own_vector_encodes_to_its_bytes() -> None:
    assert encode(VECTOR["expected_object"]).hex() == VECTOR["hex"]


def test_a_downlink_reads_as_an_uplink_does() -> None:
    data = bytes.fromhex("03 01 01")
    assert CODEC.decode_downlink(Frame(data, 5)).data == {"digitalOutput": {"3": 1.0}}


def test_an_unknown_type_fails_the_whole_payload() -> None:
    with pytest.raises(BadInput, match="codec_unknown_type") as refusal:
        decode(bytes.fromhex("016700ff 01f000"))
    assert "240" in refusal.value.detail


def test_a_lone_last_byte_is_ignored() -> None:
    assert decode(bytes.fromhex("016700ff 07")) == {"temperatureSensor": {"1": 25.5}}


def test_nothing_is_an_empty_object() -> None:
    assert decode(b"") == {}


def test_the_last_of_two_items_of_one_channel_counts() -> None:
    assert decode(bytes.fromhex("016700ff 01670110")) == {"temperatureSensor": {"1": 27.2}}


@pytest.mark.parametrize(
    ("value", "steps"), [(4.35, 43), (4.39, 43), (-4.35, -43), (-0.09, 0), (0.0, 0), (27, 270)]
)
def test_encoding_cuts_towards_zero(value: float, steps: int) -> None:
    data = encode({"temperatureSensor": {"1": value}})
    assert data == bytes((1, 103)) + steps.to_bytes(2, "big", signed=True)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"temperatureSensors": {"1": 1}}, "codec_unknown_key"),
        ({"temperatureSensor": {"256": 1}}, "codec_unknown_key"),
        ({"temperatureSensor": {"-1": 1}}, "codec_unknown_key"),
        ({"temperatureSensor": {"one": 1}}, "codec_unknown_key"),
        ({"temperatureSensor": {"²": 1}}, "codec_unknown_key"),
        ({"temperatureSensor": 21.5}, "codec_out_of_range"),
        ({"temperatureSensor": {"1": "21.5"}}, "codec_out_of_range"),
        ({"temperatureSensor": {"1": None}}, "codec_out_of_range"),
        ({"digitalOutput": {"1": True}}, "codec_out_of_range"),
        ({"digitalOutput": {"1": 256}}, "codec_out_of_range"),
        ({"digitalOutput": {"1": -1}}, "codec_out_of_range"),
        ({"digitalOutput": {"1": 10**400}}, "codec_out_of_range"),
        ({"digitalOutput": {"1": float("nan")}}, "codec_out_of_range"),
        ({"accelerometer": {"1": {"x": 1, "y": 2}}}, "codec_out_of_range"),
        ({"accelerometer": {"1": 1}}, "codec_out_of_range"),
        ({"digitalOutput": {str(n): 1 for n in range(86)}}, "codec_out_of_range"),
    ],
)
def test_a_command_that_cannot_be_sent_is_refused(command: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadInput) as refusal:
        encode(command)
    assert refusal.value.reason == reason


def test_a_refusal_names_the_allowed_range() -> None:
    with pytest.raises(BadInput) as refusal:
        encode({"temperatureSensor": {"1": 4000}})
    assert refusal.value.detail == "`temperatureSensor` must be a number from -3276.8 to 3276.7"


def test_a_payload_cut_anywhere_gives_values_or_says_that_it_is_cut() -> None:
    whole = bytes.fromhex(VECTOR["hex"])
    for size in range(len(whole)):
        assert decode_or_reason(whole[:size]) in {None, "codec_truncated"}


def test_a_payload_with_any_bit_turned_gives_values_or_a_reason() -> None:
    whole = bytearray.fromhex(VECTOR["hex"])
    reasons = set()
    for position in range(8 * len(whole)):
        whole[position // 8] ^= 1 << position % 8
        reasons.add(decode_or_reason(bytes(whole)))
        whole[position // 8] ^= 1 << position % 8
    assert reasons == {None, "codec_truncated", "codec_unknown_type"}


@given(st.binary(max_size=MAX_PAYLOAD))
def test_any_bytes_give_values_or_a_reason(data: bytes) -> None:
    decode_or_reason(data)


def steps_of(value: Value) -> st.SearchStrategy[float]:
    return st.integers(*value.bounds).map(lambda count: count / value.steps)


def item_of(values: tuple[Value, ...]) -> st.SearchStrategy[Any]:
    if not values[0].key:
        return steps_of(values[0])
    return st.fixed_dictionaries({value.key: steps_of(value) for value in values})


OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        table: st.dictionaries(
            st.integers(0, 255).map(str), item_of(values), min_size=1, max_size=1
        )
        for table, values in TYPES.values()
    },
)


@given(OBJECTS)
def test_what_is_encoded_comes_back_within_one_step(command: dict[str, Any]) -> None:
    back = decode(encode(command))
    assert back.keys() == command.keys()
    for table, values in TYPES.values():
        for channel, item in command.get(table, {}).items():
            for value in values:
                sent = item[value.key] if value.key else item
                got = back[table][channel][value.key] if value.key else back[table][channel]
                assert abs(sent - got) <= 1.000001 / value.steps


@given(st.binary(max_size=MAX_PAYLOAD))
def test_what_was_decoded_is_refused_by_the_encoder_at_no_value(data: bytes) -> None:
    if decode_or_reason(data) is None:
        encode(decode(data))
