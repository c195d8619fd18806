from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.payloads import MAX_PAYLOAD, Frame
from gateway.codecs.payloads.raw import RawCodec
from gateway.errors import BadInput

CODEC = RawCodec()


@given(st.binary(max_size=MAX_PAYLOAD))
def test_every_payload_goes_through_and_back(data: bytes) -> None:
    read = CODEC.decode(Frame(data, 1)).data
    assert read == {"raw": data.hex()}
    assert CODEC.encode(read, {}).data == data
    assert CODEC.decode_downlink(Frame(data, 1)).data == read


@pytest.mark.parametrize("text", ["01ff0a", "01FF0A", "01 ff 0a", "01:ff:0a", "01-ff-0a"])
def test_bytes_may_be_written_as_people_write_them(text: str) -> None:
    encoded = CODEC.encode({"hex": text}, {})
    assert (encoded.data, encoded.f_port) == (b"\x01\xff\x0a", None)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({}, "codec_unknown_key"),
        ({"data": "01"}, "codec_unknown_key"),
        ({"raw": "01", "hex": "01"}, "codec_unknown_key"),
        ({"raw": "1"}, "codec_out_of_range"),
        ({"raw": "zz"}, "codec_out_of_range"),
        ({"raw": 1}, "codec_out_of_range"),
        ({"raw": "00" * 256}, "codec_out_of_range"),
    ],
)
def test_what_is_no_bytes_is_refused(command: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadInput) as refusal:
        CODEC.encode(command, {})
    assert refusal.value.reason == reason
