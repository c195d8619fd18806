from typing import Any

import pytest

from gateway.codecs.payloads import Frame
from gateway.codecs.payloads.layouts import LayoutCodec, parse_layout
from gateway.errors import BadInput
from gateway.types import Json

HEAD = 'vendor = "v"\nmodel = "m"\nsource = "s"\nf_port = 7\n'

VALVE = """
[[command]]
name = "valve"
header = [0x10]
field = [
  { name = "valve.state", type = "bool", bit = 7, at = 1 },
  { name = "valve.number", type = "u8", mask = 0x0f, at = 1, max = 4, default = 1 },
  { name = "valve.seconds", type = "u16", divide = 10, max = 3600, unit = "s" },
]

[[command]]
name = "restart"
header = [0x11]
f_port = 9
field = [
  { type = "bytes", value = [0xde, 0xad] },
  { name = "restart", type = "const", value = true },
]

[[command]]
name = "checked"
header = [0x12]
checksum = { type = "crc16-modbus", at = -2, byte_order = "little" }
field = [{ name = "level", type = "i8" }]
"""


def layout(body: str) -> LayoutCodec:
    return parse_layout(HEAD + body, "test.toml")


def packed(field: str, value: Json) -> str:
    codec = layout(f'[[command]]\nfield = [{{ name = "x", {field} }}]\n')
    data = codec.encode({"x": value}, {}).data
    assert codec.decode_downlink(Frame(data, 7)).data == {"x": pytest.approx(value)}
    return data.hex()


@pytest.mark.parametrize(
    ("field", "value", "data"),
    [
        ('type = "u8"', 255, "ff"),
        ('type = "u16", byte_order = "little"', 1, "0100"),
        ('type = "i24"', -2, "fffffe"),
        ('type = "u64"', 2**64 - 1, "ffffffffffffffff"),
        ('type = "i16", sign = "magnitude"', -25, "8019"),
        ('type = "i16", sign = "ones"', -10, "fff5"),
        ('type = "u16", scale = 0.01', 23.45, "0929"),
        ('type = "u8", scale = 0.5, offset = -40', -39.5, "01"),
        ('type = "u16", divide = 10, offset = -40', 22.5, "0271"),
        ('type = "u8", mask = 0xf0', 10, "a0"),
        ('type = "bits", bits = 4', 10, "a0"),
        ('type = "bits", bits = 4, byte_order = "little"', 10, "0a"),
        ('type = "bits", bits = 12, start_bit = 4', 0xABC, "0abc"),
        ('type = "u8", scale = 0.1', 25.500000000000004, "ff"),
        ('type = "f32"', 1.5, "3fc00000"),
        ('type = "f64", byte_order = "little"', 1.5, "000000000000f83f"),
        ('type = "bcd", size = 2', 1234, "1234"),
        ('type = "bcd", size = 2, byte_order = "little"', 1234, "3412"),
        ('type = "bool"', True, "01"),
        ('type = "bool", bit = 3', True, "08"),
        ('type = "text", size = 4', "ab", "61620000"),
        ('type = "text"', "abc", "616263"),
        ('type = "hex", size = 2', "01ff", "01ff"),
        ('type = "hex", byte_order = "little"', "01ff", "ff01"),
        ('type = "u8", values = { 0 = "off", 16 = "on" }', "on", "10"),
        ('type = "u8", values = { 0 = false, 5 = true }', True, "05"),
        ('type = "i8", values = { -1 = "none" }', "none", "ff"),
    ],
)
def test_a_value_becomes_bytes_and_comes_back(field: str, value: Any, data: str) -> None:  # noqa: ANN401
    assert packed(field, value) == data


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ('type = "u8"', 256, "a number from 0 to 255"),
        ('type = "u8"', -1, "a number from 0 to 255"),
        ('type = "u8"', True, "a number from 0 to 255"),
        ('type = "u8"', "1", "a number from 0 to 255"),
        ('type = "u8"', None, "a number from 0 to 255"),
        ('type = "u8"', [1], "a number from 0 to 255"),
        ('type = "u8"', float("nan"), "a number from 0 to 255"),
        ('type = "u8"', 10**400, "a number from 0 to 255"),
        ('type = "u16", divide = 10, min = 60, unit = "s"', 59, "a number from 60 to 6553.5 s"),
        ('type = "u8", mask = 0xf0', 16, "a number from 0 to 15"),
        ('type = "i8", sign = "magnitude"', -128, "a number from -127 to 127"),
        ('type = "bcd", size = 1', 100, "a number from 0 to 99"),
        ('type = "f32"', 1e39, "a number that f32 can hold"),
        ('type = "f64"', float("inf"), "a number that f64 can hold"),
        ('type = "f64"', 10**400, "a number that f64 can hold"),
        ('type = "bool"', 1, "true or false"),
        ('type = "text", size = 2', "abc", "at most 2 ASCII characters"),
        ('type = "text"', "é", "at most 255 ASCII characters"),
        ('type = "hex", size = 2', "01", "4 hexadecimal digits"),
        ('type = "hex"', 5, "pairs of hexadecimal digits"),
        ('type = "u8", values = { 0 = "off", 1 = "on" }', "open", "one of off, on"),
        ('type = "u8", values = { 0 = false, 1 = true }', 1, "one of False, True"),
        ('type = "const", value = true', False, "True"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_would(
    field: str,
    value: Any,  # noqa: ANN401
    wanted: str,
) -> None:
    codec = layout(f'[[command]]\nfield = [{{ name = "x", {field} }}]\n')
    with pytest.raises(BadInput) as refusal:
        codec.encode({"x": value}, {})
    assert refusal.value.reason == "codec_out_of_range"
    assert refusal.value.detail == f"`x` must be {wanted}"


def test_fields_may_share_a_byte_and_a_key_that_is_left_out_has_its_default() -> None:
    codec = layout(VALVE)
    encoded = codec.encode({"valve": {"state": True, "seconds": 12.5}}, {})
    assert (encoded.data.hex(), encoded.f_port) == ("1081007d", 7)
    assert codec.decode_downlink(Frame(encoded.data, 7)).data == {
        "valve": {"state": True, "number": 1, "seconds": 12.5}
    }


def test_a_command_may_be_given_in_dotted_keys() -> None:
    command = {"valve.state": False, "valve.number": 4, "valve.seconds": 0}
    assert layout(VALVE).encode(command, {}).data.hex() == "10040000"


def test_a_command_without_values_is_a_header_and_its_fixed_bytes() -> None:
    codec = layout(VALVE)
    encoded = codec.encode({"restart": True}, {})
    assert (encoded.data.hex(), encoded.f_port) == ("11dead", 9)
    assert codec.decode_downlink(Frame(encoded.data, 9)).data == {"restart": True}
    for data, port in (("11deae", 9), ("11de", 9), ("11dead00", 9), ("11dead", 7), ("", 9)):
        with pytest.raises(BadInput, match="codec_no_match"):
            codec.decode_downlink(Frame(bytes.fromhex(data), port))


def test_a_checksum_is_appended_and_asked_for() -> None:
    codec = layout(VALVE)
    data = codec.encode({"level": -1}, {}).data
    assert codec.decode_downlink(Frame(data, 7)).data == {"level": -1}
    for position in range(8, 8 * len(data)):  # the header turned may be another command
        turned = bytearray(data)
        turned[position // 8] ^= 1 << position % 8
        with pytest.raises(BadInput, match="codec_no_match"):
            codec.decode_downlink(Frame(bytes(turned), 7))


@pytest.mark.parametrize(
    ("command", "reason", "words"),
    [
        ({"lavel": 1}, "codec_unknown_key", "there is no `lavel`; did you mean `level`?"),
        ({"valve": {"level": 1}}, "codec_unknown_key", "there is no `valve.level`"),
        ({"valve": {"state": True}}, "codec_no_match", "it takes valve.seconds + valve.state"),
        ({"level": 1, "restart": True}, "codec_no_match", "makes no command"),
        ({}, "codec_no_match", "nothing makes no command"),
        ({"level": {}}, "codec_no_match", "nothing makes no command"),
    ],
)
def test_keys_that_make_no_command_are_refused(
    command: dict[str, Any], reason: str, words: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        layout(VALVE).encode(command, {})
    assert refusal.value.reason == reason
    assert words in refusal.value.detail


def test_a_command_nested_without_end_is_refused() -> None:
    command: dict[str, Any] = {}
    for _ in range(5000):
        command = {"a": command}
    with pytest.raises(BadInput, match="codec_unknown_key"):
        layout(VALVE).encode(command, {})


def test_fields_may_be_given_in_another_order_than_their_bytes() -> None:
    fields = '{ name = "b", type = "u16", at = 2 }, { name = "a", type = "u8", at = 1 }'
    codec = layout(f"[[command]]\nheader = [0x20]\nfield = [{fields}]\n")
    data = codec.encode({"a": 1, "b": 2}, {}).data
    assert data.hex() == "20010002"
    assert codec.decode_downlink(Frame(data, 7)).data == {"a": 1, "b": 2}


def test_an_empty_frame_is_a_command_where_the_layout_has_one_of_no_bytes() -> None:
    codec = layout('[[command]]\nfield = [{ name = "ping", type = "const", value = true }]\n')
    assert codec.encode({"ping": True}, {}).data == b""
    assert codec.decode_downlink(Frame(b"", 7)).data == {"ping": True}


COMBINED = """
combine = true
[[command]]
header = [0xff, 0x03]
field = [{ name = "interval", type = "u16", byte_order = "little" }]
[[command]]
header = [0xff, 0x2e]
field = [{ name = "led", type = "u8" }]
"""


def test_commands_that_may_be_combined_go_one_after_the_other() -> None:
    codec = layout(COMBINED)
    data = codec.encode({"led": 1, "interval": 600}, {}).data
    assert data.hex() == "ff035802ff2e01"
    assert codec.decode_downlink(Frame(data, 7)).data == {"interval": 600, "led": 1}
    with pytest.raises(BadInput, match="codec_no_match"):
        codec.decode_downlink(Frame(data + b"\xff", 7))
    with pytest.raises(BadInput, match="codec_no_match"):
        codec.encode({}, {})


def test_a_layout_without_commands_has_no_function_for_them() -> None:
    codec = layout("")
    for call in (
        lambda: codec.encode({"x": 1}, {}),
        lambda: codec.decode_downlink(Frame(b"", 1)),
        lambda: codec.decode(Frame(b"", 1)),
    ):
        with pytest.raises(BadInput, match="codec_no_function"):
            call()


def test_what_may_be_sent_is_said_for_forms() -> None:
    valve, restart, checked = layout(VALVE).commands
    state, number, seconds = valve.keys
    assert (state.key, state.type, state.required) == ("valve.state", "boolean", True)
    assert (number.type, number.low, number.high, number.default) == ("integer", 0, 4, 1)
    assert not number.required
    assert (seconds.type, seconds.low, seconds.high) == ("number", 0, 3600)
    assert (seconds.step, seconds.unit) == (0.1, "s")
    assert (restart.f_port, restart.keys[0].choices) == (9, (True,))
    assert (checked.name, checked.f_port, checked.keys[0].low) == ("checked", 7, -128)
