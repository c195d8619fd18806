import pytest

from gateway.codecs.payloads.contract import Frame
from gateway.codecs.payloads.layouts import parse_layout
from gateway.codecs.payloads.layouts.checksums import CHECKSUMS
from gateway.errors import BadInput
from gateway.types import Json

HEAD = 'vendor = "V"\nmodel = "M"\nsource = "S"\n'


def read(field: str, data: str) -> Json:
    codec = parse_layout(f"{HEAD}[[message]]\nfield = [{{ name = 'x', {field} }}]\n", "test")
    return codec.decode(Frame(bytes.fromhex(data), 1)).data.get("x")


@pytest.mark.parametrize(
    ("field", "data", "text"),
    [
        ("type = 'version', size = 1, parts = [4, 4], prefix = 'v'", "01", "v0.1"),
        ("type = 'version', size = 2, mask = 0xfff0, parts = [8, 4], prefix = 'v'", "0310", "v3.1"),
        ("type = 'version', size = 2, mask = 0x7fff, parts = [5, 5, 5]", "8823", "2.1.3"),
        ("type = 'version', size = 2, mask = 0x0fff, parts = [4, 4, 4]", "f123", "1.2.3"),
        ("type = 'version', size = 2, byte_order = 'little', parts = [8, 8]", "0102", "2.1"),
        ("type = 'version', size = 1, parts = [8]", "ff", "255"),
    ],
)
def test_a_version_is_its_numbers_with_dots(field: str, data: str, text: str) -> None:
    assert read(field, data) == text


SIGNED = "type = 'split', size = 2, negative = 0x8000, whole = 0x7f00, tenths = 0xf0, scale = 0.1"


@pytest.mark.parametrize(
    ("data", "value"),
    [("1a50", 26.5), ("9a50", -26.5), ("0010", 0.1), ("8010", -0.1), ("0000", 0), ("1770", 23.7)],
)
def test_whole_degrees_and_tenths_share_one_sign(data: str, value: float) -> None:
    assert read(SIGNED, data) == value


def test_a_split_value_without_a_sign_uses_all_bits() -> None:
    assert read("type = 'split', size = 2, whole = 0xff00, tenths = 0xf0, scale = 0.1", "6490") == (
        100.9
    )


@pytest.mark.parametrize(
    "field",
    [
        "type = 'version', size = 1",
        "type = 'version', size = 1, parts = [8, 8]",
        "type = 'split', size = 1, tenths = 0xf0",
        "type = 'split', size = 1, whole = 0xff00",
    ],
)
def test_parts_that_cannot_be_are_refused_when_the_file_is_read(field: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(field, "0000")
    assert caught.value.reason == "codec_syntax"


@pytest.mark.parametrize("kind", ["version', parts = [8]", "split', whole = 0xff"])
def test_a_command_has_no_parts(kind: str) -> None:
    text = f"{HEAD}[[command]]\nfield = [{{ name = 'x', size = 1, type = '{kind} }}]\n"
    with pytest.raises(BadInput, match="a command has no type"):
        parse_layout(text, "test")


def test_crc16_kermit_gives_the_catalogues_check_value() -> None:
    size, crc = CHECKSUMS["crc16-kermit"]
    assert (size, crc(b"123456789")) == (2, 0x2189)


def test_a_wrong_checksum_is_an_error_unless_the_layout_only_warns_of_it() -> None:
    text = f"{HEAD}[[message]]\nfield = [{{ name = 'x', type = 'u8' }}]\nchecksum = {{ type = "
    strict = parse_layout(text + "'sum8', at = -1 }\n", "test")
    lenient = parse_layout(text + "'sum8', at = -1, on_wrong = 'warn' }\n", "test")
    wrong = Frame(b"\x05\x06", 1)
    with pytest.raises(BadInput) as caught:
        strict.decode(wrong)
    assert caught.value.reason == "codec_checksum"
    assert lenient.decode(wrong).warnings == ("sum8 is 05, the payload says 06",)
    assert lenient.decode(wrong).data == {"x": 5}
    assert lenient.decode(Frame(b"\x05\x05", 1)).warnings == ()


def test_a_list_of_collected_items_may_hold_what_stands_beside_it() -> None:
    text = f"""{HEAD}[[message]]
[[message.item]]
id = 1
field = [{{ name = "t", type = "u8" }}]
[[message.item]]
id = 2
collect = "history"
field = [{{ name = "t", type = "u8" }}]
"""
    decoded = parse_layout(text, "test").decode(Frame(bytes.fromhex("0201010302ff"), 1))
    assert decoded.data == {"history": [{"t": 1}, {"t": 255}], "t": 3}


def test_bytes_read_back_as_the_command_in_which_every_value_has_a_meaning() -> None:
    field = "{{ name = 'v{0}', type = 'u8', values = {{ {1} = 'on' }} }}"
    valve = f"[[command]]\nheader = [1]\nfield = [{field}]\n"
    codec = parse_layout(HEAD + valve.format(1, 0x20) + valve.format(2, 0x21), "test")
    assert codec.decode_downlink(Frame(b"\x01\x20", 1)).data == {"v1": "on"}
    assert codec.decode_downlink(Frame(b"\x01\x21", 1)).data == {"v2": "on"}
    neither = codec.decode_downlink(Frame(b"\x01\x22", 1))
    assert (neither.data, neither.rejects) == ({}, (("codec_out_of_range", "v1"),))
