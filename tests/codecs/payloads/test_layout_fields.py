import struct

import pytest

from gateway.codecs.payloads import Decoded, Frame
from gateway.codecs.payloads.layouts import LayoutCodec, parse_layout
from gateway.errors import BadInput
from gateway.types import Scalar

HEAD = 'vendor = "v"\nmodel = "m"\nsource = "s"\n'


def layout(body: str) -> LayoutCodec:
    return parse_layout(HEAD + body, "test.toml")


def read(fields: str, data: str, f_port: int = 1) -> Decoded:
    """Decode with one message whose fields are inline tables, one a line."""
    lines = ",\n".join(line.strip() for line in fields.strip().splitlines())
    codec = layout(f"[[message]]\nfield = [\n{lines}\n]\n")
    return codec.decode(Frame(bytes.fromhex(data), f_port))


@pytest.mark.parametrize(
    ("field", "data", "value"),
    [
        ('type = "u8"', "ff", 255),
        ('type = "i8"', "ff", -1),
        ('type = "u16"', "0102", 0x0102),
        ('type = "u16", byte_order = "little"', "0102", 0x0201),
        ('type = "i24"', "fffffe", -2),
        ('type = "u24", byte_order = "little"', "010000", 1),
        ('type = "u64"', "ffffffffffffffff", 2**64 - 1),
        ('type = "i64"', "8000000000000000", -(2**63)),
        ('type = "f16"', "3c00", 1.0),
        ('type = "f32"', struct.pack(">f", 23.45).hex(), 23.45),
        ('type = "f32", byte_order = "little", decimals = 1', struct.pack("<f", 23.45).hex(), 23.4),
        ('type = "f64"', struct.pack(">d", 0.1).hex(), 0.1),
        ('type = "bcd", size = 2', "1234", 1234),
        ('type = "bcd", size = 2, byte_order = "little", scale = 0.01', "3412", 12.34),
        ('type = "text", size = 4', "61620000", "ab"),
        ('type = "text"', "616263", "abc"),
        ('type = "hex", size = 2', "01ff", "01ff"),
        ('type = "hex"', "01ffaa", "01ffaa"),
        ('type = "hex", byte_order = "little"', "01ffaa", "aaff01"),
        ('type = "bool"', "02", True),
        ('type = "bool", bit = 0', "02", False),
        ('type = "bool", bit = 1', "02", True),
        ('type = "bool", mask = 0x0c', "08", True),
        ('type = "const", value = "probe"', "", "probe"),
        ('type = "u16", mask = 0x3fff, scale = 0.001', "cbe4", 3.044),
        ('type = "u8", mask = 0xf0', "a5", 10),
        ('type = "u8", mask = 0xf0, shift = 0', "a5", 160),
        ('type = "u8", mask = 0xf0, signed = true', "f5", -1),
        ('type = "i16", shift = 4', "fff0", -1),
        ('type = "i16", sign = "ones"', "ffff", 0),
        ('type = "i16", sign = "ones", divide = 10', "fff5", -1.0),
        ('type = "i16", sign = "magnitude", scale = 0.1', "8019", -2.5),
        ('type = "i16", sign = "magnitude"', "0019", 25),
        ('type = "bits", bits = 12, at = 0, start_bit = 4', "0abc", 0xABC),
        ('type = "bits", bits = 4, signed = true', "f0", -1),
        ('type = "bits", bits = 12, byte_order = "little"', "bc0a", 0xABC),
        ('type = "bits", bits = 5, start_bit = 3, byte_order = "little"', "a7", 20),
        ('type = "u16", scale = 0.01', "0929", 23.45),
        ('type = "u16", scale = 0.0625, offset = -40', "0001", -39.9375),
        ('type = "u8", scale = 10', "05", 50),
        ('type = "u8", divide = 3', "01", 1 / 3),
        ('type = "u8", divide = 3, decimals = 2', "01", 0.33),
        ('type = "u8", offset = -40', "05", -35),
        ('type = "u8", polynomial = [1, 2, 3]', "02", 17),
        ('type = "u8", values = { 0 = "off", 0x10 = "on" }', "10", "on"),
        ('type = "u8", values = { 0 = false, 1 = true }', "01", True),
        ('type = "u8", values = { 0 = "off" }, other = "odd"', "07", "odd"),
        ('type = "i8", values = { -1 = "none" }', "ff", "none"),
        ('type = "u16", at = -2', "00000102", 0x0102),
    ],
)
def test_a_field_means_what_its_line_says(field: str, data: str, value: Scalar) -> None:
    decoded = read(f'{{ name = "x", {field} }}', data)
    assert decoded.data == {"x": value}
    assert type(decoded.data["x"]) is type(value) or not isinstance(value, bool | str)
    assert decoded.rejects == ()


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ('type = "i16", invalid = [0x7fff, -1]', "7fff"),
        ('type = "i16", invalid = [0x7fff, -1]', "ffff"),
        ('type = "f32"', "7fc00000"),
        ('type = "f32", invalid = [-999]', struct.pack(">f", -999).hex()),
    ],
)
def test_no_reading_is_no_leaf_and_no_complaint(field: str, data: str) -> None:
    decoded = read(f'{{ name = "x", {field} }}', data)
    assert (decoded.data, decoded.rejects) == ({}, ())


@pytest.mark.parametrize(
    ("field", "data"),
    [
        ('type = "u8", max = 100', "65"),
        ('type = "u8", min = 1', "00"),
        ('type = "u8", values = { 0 = "off" }', "01"),
        ('type = "f32"', "7f800000"),
        ('type = "f64", scale = 1e12', struct.pack(">d", 1e300).hex()),
        ('type = "f64", polynomial = [0, 0, 1]', struct.pack(">d", 1e300).hex()),
        ('type = "bcd", size = 1', "1a"),
        ('type = "text", size = 1', "ff"),
        ('type = "text", size = 1', "07"),
    ],
)
def test_what_cannot_be_is_left_out_and_reported(field: str, data: str) -> None:
    decoded = read(f'{{ name = "x", {field} }}\n{{ name = "y", type = "const", value = 1 }}', data)
    assert decoded.data == {"y": 1}
    assert decoded.rejects == (("codec_out_of_range", "x"),)


def test_bits_in_a_row_share_bytes_and_the_next_field_begins_a_new_one() -> None:
    fields = """
    { name = "a", type = "bits", bits = 3 }
    { name = "b", type = "bits", bits = 7 }
    { name = "c", type = "u8" }
    { name = "d", type = "bits", bits = 4 }
    """
    #     a=101 b=0000001 (6 unused) c=7f d=1100
    assert read(fields, "a0 40 7f c0").data == {"a": 5, "b": 1, "c": 127, "d": 12}


def test_flags_are_values_under_the_fields_name() -> None:
    field = '{ name = "alarm", type = "u8", flags = { 0 = "door", 3 = "tamper" } }'
    assert read(field, "08").data == {"alarm": {"door": False, "tamper": True}}


def test_flags_without_a_name_are_values_of_their_own() -> None:
    assert read('{ type = "u8", flags = { 0 = "door" } }', "01").data == {"door": True}


def test_hidden_fields_stay_out_of_the_result() -> None:
    fields = """
    { name = "_kind", type = "u8" }
    { name = "temperature", type = "u8", when = { field = "_kind", is = 1 } }
    { name = "humidity", type = "u8", when = { field = "_kind", is_not = 1 } }
    """
    assert read(fields, "01 14").data == {"temperature": 20}
    assert read(fields, "02 14").data == {"humidity": 20}


@pytest.mark.parametrize(
    ("condition", "data", "holds"),
    [
        ("{ at = 0, is = 1 }", "01", True),
        ("{ at = 0, is = [1, 2] }", "02", True),
        ("{ at = 0, is = { min = 1, max = 2 } }", "03", False),
        ("{ at = 0, is = { min = 2 } }", "03", True),
        ("{ at = 0, mask = 0xf0, is = 0x40 }", "4f", True),
        ("{ at = 0, mask = 0x04 }", "04", True),
        ("{ at = 0, mask = 0x04 }", "fb", False),
        ("{ at = 0, is_not = 3 }", "03", False),
        ('{ at = -2, type = "u16", byte_order = "little", is = 0x0201 }', "000102", True),
        ("{ at = 9, is_not = 3 }", "03", False),
        ("[{ at = 0, is = 1 }, { at = 1, is = 2 }]", "0102", True),
        ("[{ at = 0, is = 1 }, { at = 1, is = 2 }]", "0103", False),
    ],
)
def test_a_condition_holds_or_does_not(condition: str, data: str, holds: bool) -> None:  # noqa: FBT001
    field = f'{{ name = "x", type = "const", value = 1, when = {condition} }}'
    assert read(field, data).data == ({"x": 1} if holds else {})


def test_a_payload_may_end_before_an_optional_field_and_no_other() -> None:
    fields = """
    { name = "a", type = "u8" }
    { name = "b", type = "u16", optional = true }
    { name = "c", type = "u8" }
    """
    assert read(fields, "01").data == {"a": 1}
    assert read(fields, "0102").data == {"a": 1}
    assert read(fields, "01020304").data == {"a": 1, "b": 0x0203, "c": 4}
    with pytest.raises(BadInput, match="codec_truncated: `c` needs 1 bytes"):
        read(fields, "010203")
    with pytest.raises(BadInput, match="codec_truncated"):
        read(fields, "")


def test_an_optional_group_is_there_whole_or_not_at_all() -> None:
    group = 'field = [{ name = "b", type = "u8" }, { name = "d", type = "u16" }]'
    fields = f"""
    {{ name = "g.a", type = "u8" }}
    {{ name = "g", type = "group", optional = true, {group} }}
    """
    assert read(fields, "0102").data == {"g": {"a": 1}}
    assert read(fields, "01020304").data == {"g": {"a": 1, "b": 2, "d": 0x0304}}


@pytest.mark.parametrize(
    ("repeat", "data", "turns"),
    [("2", "00 0102 0304 0506", 2), ('"_n"', "03 0102 0304 0506", 3), ('"end"', "00 0102", 1)],
)
def test_a_group_with_repeat_is_a_list(repeat: str, data: str, turns: int) -> None:
    turn = 'field = [{ name = "t", type = "u8" }, { name = "h.x", type = "u8" }]'
    fields = f"""
    {{ name = "_n", type = "u8" }}
    {{ name = "log", type = "group", repeat = {repeat}, {turn} }}
    """
    expected = [{"t": 2 * n + 1, "h": {"x": 2 * n + 2}} for n in range(turns)]
    assert read(fields, data).data == {"log": expected}


def test_a_list_that_is_cut_is_refused_unless_it_may_be() -> None:
    turn = 'field = [{ name = "t", type = "u16" }]'
    with pytest.raises(BadInput, match="codec_truncated"):
        read(f'{{ name = "l", type = "group", repeat = "end", {turn} }}', "000102")
    field = f'{{ name = "l", type = "group", repeat = "end", optional = true, {turn} }}'
    assert read(field, "000102").data == {"l": [{"t": 1}]}


def test_a_turn_that_ends_before_an_optional_field_ends_the_list_and_is_kept() -> None:
    turn = 'field = [{ name = "t", type = "u8" }, { name = "u", type = "u16", optional = true }]'
    field = f'{{ name = "l", type = "group", repeat = "end", {turn} }}'
    assert read(field, "01020304").data == {"l": [{"t": 1, "u": 0x0203}, {"t": 4}]}


def test_a_group_before_the_payloads_first_byte_is_not_there() -> None:
    for inner in ('type = "u8"', 'type = "bool"', 'type = "bits", bits = 3', 'type = "hex"'):
        field = f'{{ type = "group", at = -9, field = [{{ name = "x", {inner} }}] }}'
        with pytest.raises(BadInput, match="codec_truncated"):
            read(field, "010203")


def test_a_value_counted_from_the_end_is_before_a_checksum() -> None:
    codec = layout(
        """
        [[message]]
        checksum = { type = "sum8", at = -1 }
        field = [{ name = "x", type = "u8", at = -2 }]
        """
    )
    assert codec.decode(Frame(bytes.fromhex("010203"), 1)).data == {"x": 2}


def test_lists_within_lists_end_before_they_are_too_many() -> None:
    inner = '{ name = "i", type = "group", repeat = 255, field = [{ name = "c", type = "const", value = 1 }] }'  # noqa: E501
    field = f'{{ name = "o", type = "group", repeat = 255, field = [{inner}] }}'
    with pytest.raises(BadInput, match="codec_too_many_keys"):
        read(field, "00")


def test_positions_in_a_group_count_from_its_beginning() -> None:
    inner = '{ name = "b", type = "u8", at = 1 }'
    fields = f"""
    {{ name = "a", type = "u8" }}
    {{ name = "g", type = "group", field = [{inner}] }}
    {{ name = "c", type = "u8", at = 0 }}
    """
    assert read(fields, "010203").data == {"a": 1, "g": {"b": 3}, "c": 1}


# --- messages --------------------------------------------------------------------------------


def test_the_first_message_that_fits_is_used() -> None:
    codec = layout(
        """
        [[message]]
        when = { f_port = [1, 2], length = 1 }
        field = [{ name = "one", type = "u8" }]
        [[message]]
        when = { f_port = { min = 10, max = 20 }, length = { min = 2 } }
        field = [{ name = "two", type = "u16" }]
        [[message]]
        when.value = { at = 0, mask = 0xc0, is = 0x40 }
        field = [{ name = "three", type = "u8", mask = 0x3f }]
        """
    )
    assert codec.decode(Frame(b"\x07", 2)).data == {"one": 7}
    assert codec.decode(Frame(b"\x00\x07\x00", 15)).data == {"two": 7}
    assert codec.decode(Frame(b"\x45", 15)).data == {"three": 5}
    with pytest.raises(BadInput, match="codec_no_match") as refusal:
        codec.decode(Frame(b"\x07\x08", 2))
    assert "port 2 and 2 bytes that begin with 07 08" in refusal.value.detail


ITEMS = """
[[message]]
length_byte = {length}
on_unknown = "{unknown}"
field = [{{ name = "version", type = "u8" }}]
[[message.item]]
id = [0x01, "any"]
field = [{{ name = "a", type = "u8" }}]
[[message.item]]
id = [0x02, 0x67]
collect = "log.rows"
field = [{{ name = "t", type = "u8" }}, {{ name = "u", type = "u8", optional = true }}]
"""


def test_items_are_read_to_the_end_and_those_that_are_collected_make_a_list() -> None:
    codec = layout(ITEMS.format(length="true", unknown="skip"))
    data = bytes.fromhex("09 010701aa 0267 01 05 0909 02 ffff 0267 02 0607")
    assert codec.decode(Frame(data, 1)).data == {
        "version": 9,
        "a": 170,
        "log": {"rows": [{"t": 5}, {"t": 6, "u": 7}]},
    }


def test_a_new_kind_of_item_ends_the_reading_or_the_payload() -> None:
    data = Frame(bytes.fromhex("09 0107aa 0909 02"), 1)
    stop = layout(ITEMS.format(length="false", unknown="stop"))
    assert stop.decode(data).data == {"version": 9, "a": 170}
    error = layout(ITEMS.format(length="false", unknown="error"))
    with pytest.raises(BadInput, match="codec_unknown_type: no item has the id 09 09"):
        error.decode(data)


def test_one_id_may_mean_two_things() -> None:
    codec = layout(
        """
        [[message]]
        [[message.item]]
        id = 5
        when = { at = 0, is = 0 }
        size = 2
        field = [{ name = "a", type = "u8", at = 1 }]
        [[message.item]]
        id = 5
        field = [{ name = "b", type = "u16" }]
        """
    )
    assert codec.decode(Frame(bytes.fromhex("050007 050102"), 1)).data == {"a": 7, "b": 0x0102}


def test_an_item_ends_after_the_furthest_of_its_fields() -> None:
    codec = layout(
        """
        [[message]]
        [[message.item]]
        id = 1
        field = [{ name = "b", type = "u8", at = 1 }, { name = "a", type = "u8", at = 0 }]
        [[message.item]]
        id = 2
        field = [{ name = "c", type = "u8" }]
        """
    )
    data = bytes.fromhex("010203 0205")
    assert codec.decode(Frame(data, 1)).data == {"a": 2, "b": 3, "c": 5}


@pytest.mark.parametrize(
    ("kind", "sum_of_123456789"),
    [
        ("sum8", "dd"),
        ("xor8", "31"),
        ("crc8", "f4"),
        ("crc8-maxim", "a1"),
        ("crc16-ccitt-false", "29b1"),
        ("crc16-xmodem", "31c3"),
        ("crc16-modbus", "4b37"),
        ("crc16-arc", "bb3d"),
        ("crc32", "cbf43926"),
    ],
)
def test_a_checksum_is_the_catalogues(kind: str, sum_of_123456789: str) -> None:
    size = len(sum_of_123456789) // 2
    codec = layout(
        f"""
        [[message]]
        checksum = {{ type = "{kind}", at = -{size} }}
        field = [{{ name = "text", type = "text" }}]
        """
    )
    good = b"123456789" + bytes.fromhex(sum_of_123456789)
    assert codec.decode(Frame(good, 1)).data == {"text": "123456789"}
    for position in range(8 * len(good)):
        turned = bytearray(good)
        turned[position // 8] ^= 1 << position % 8
        with pytest.raises(BadInput, match="codec_checksum"):
            codec.decode(Frame(bytes(turned), 1))
    with pytest.raises(BadInput, match="codec_truncated"):
        codec.decode(Frame(b"", 1))


def test_a_checksum_in_front_is_of_what_it_is_said_to_be_of() -> None:
    codec = layout(
        """
        [[message]]
        checksum = { type = "crc16-modbus", at = 0, from = 2, to = 4, byte_order = "little" }
        field = [{ name = "x", type = "u16", at = 2 }]
        """
    )
    # CRC-16/MODBUS of 01 02 is e181.
    assert codec.decode(Frame(bytes.fromhex("81e1 0102 99"), 1)).data == {"x": 0x0102}
