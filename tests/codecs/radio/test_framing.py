"""COBS, CRC-16, KISS and the frames of our own board, with every single-bit flip."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.radio import Board, RNode, cobs, kiss
from gateway.codecs.radio.board_frames import (
    BoardStream,
    Type,
    read_frame,
    read_received,
    write_frame,
    write_settings,
    write_transmit,
)
from gateway.codecs.radio.contract import HeardFrame, RadioSettings, RadioTrouble
from gateway.codecs.radio.crc16 import crc16
from gateway.errors import BadInput

SETTINGS = RadioSettings(868_100_000)

# firmware/SPEC.md, section 8.
EXAMPLES = {
    "info": (write_frame(1, 1), "06010101BCD800"),
    "ping": (write_frame(2, 2, b"\x00\x01"), "040102020401742800"),
    "configure": (
        write_frame(3, 3, write_settings(SETTINGS)),
        "0E010303A027BE33070705340208040E50F100",
    ),
    "receive": (write_frame(4, 4, b"\x01\x00"), "050104040103 5D9E00"),
    "cancel": (write_frame(6, 5, b"\x09"), "07010605 09082E00"),
    "error": (write_frame(0xFF, 9, b"\x05\x05"), "0801FF09 05053FC100"),
}
RECEIVED = bytes.fromhex("070141074042 0F10A027BE33 06FFFFFF 70FE26 07070501010102 0104FF6FD200")


@pytest.mark.parametrize("name", EXAMPLES)
def test_frames_are_as_the_specification_shows_them(name: str) -> None:
    written, wire = EXAMPLES[name]
    assert written == bytes.fromhex(wire)


def test_the_specifications_received_frame_is_read() -> None:
    frame = read_frame(RECEIVED[:-1])
    assert (frame.type, frame.seq) == (Type.RECEIVED, 7)
    assert read_received(frame.body) == HeardFrame(
        payload=b"\x01\x00\xff",
        rssi_dbm=-100.0,
        snr_db=9.5,
        frequency_hz=868_100_000,
        spreading_factor=7,
        bandwidth_hz=125_000,
        crc_ok=True,
        frequency_error_hz=-250,
        counter_us=1_000_000,
        dropped=0,
    )


def test_the_checksum_is_the_catalogues() -> None:
    assert crc16(b"123456789") == 0x29B1
    assert crc16(b"456789", crc16(b"123")) == 0x29B1
    assert crc16(b"\x00") != crc16(b"\x00\x00")


@pytest.mark.parametrize(
    ("data", "stuffed"),
    [
        (b"", "01"),
        (b"\x00", "0101"),
        (b"\x00\x00", "010101"),
        (b"\x11\x22\x00\x33", "0311220233"),
        (b"\x11\x00\x00\x00", "0211010101"),
        (bytes(range(1, 255)), "ff" + bytes(range(1, 255)).hex()),
        (bytes(range(255)), "01ff" + bytes(range(1, 255)).hex()),
        (bytes(range(1, 256)), "ff" + bytes(range(1, 255)).hex() + "02ff"),
        ([*range(2, 256), 0], "ff" + bytes(range(2, 256)).hex() + "0101"),
    ],
)
def test_bytes_are_stuffed_as_in_the_known_examples(data: bytes, stuffed: str) -> None:
    assert cobs.encode(bytes(data)).hex() == stuffed
    assert cobs.decode(bytes.fromhex(stuffed)) == bytes(data)


def test_an_empty_group_after_a_full_one_is_accepted() -> None:
    assert cobs.decode(b"\xff" + bytes(range(1, 255)) + b"\x01") == bytes(range(1, 255))


@given(st.binary(max_size=700))
def test_stuffing_has_an_inverse_and_no_zero(data: bytes) -> None:
    stuffed = cobs.encode(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + len(data) // 254 + 1
    assert cobs.decode(stuffed) == data


@given(st.binary(max_size=300))
def test_any_bytes_are_unstuffed_or_refused(stuffed: bytes) -> None:
    with contextlib.suppress(BadInput):
        assert len(cobs.decode(stuffed)) <= max(0, len(stuffed) - 1)


@given(st.binary(max_size=600), st.integers(0, 255))
def test_kiss_has_an_inverse(data: bytes, command: int) -> None:
    stream = kiss.KissStream()
    assert stream.feed(kiss.wrap(command, data)) == [bytes([command]) + data]


def test_a_frame_of_any_length_is_held_only_to_its_bound() -> None:
    stream = kiss.KissStream(longest=100)
    assert stream.feed(b"\xc0" + b"a" * 5000) == []
    assert len(stream._held) == 0
    assert stream.feed(b"\xc0\x00b\xc0") == [b"\x00b"]
    assert stream.passed_over == 1
    board = BoardStream()
    for _ in range(100):
        assert board.feed(b"a" * 1000) == []
    assert len(board._held) <= 290
    assert board.feed(b"\x00\x02a\x00") == [b"\x02a"]


def flips(data: bytes) -> list[bytes]:
    return [
        data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]
        for at in range(len(data))
        for bit in range(8)
    ]


def test_no_single_bit_flip_makes_a_false_frame_and_the_next_one_is_heard() -> None:
    body = bytes.fromhex("40420F00A027BE3306FFFFFF70FE2607070501010100") + bytes(range(255))
    for whole in (RECEIVED, write_frame(Type.RECEIVED, 3, body)):
        for damaged in flips(whole):
            heard = _frames(Board(), b"\x00" + damaged + RECEIVED)
            assert len(heard) <= 1, damaged.hex()
            if damaged[-1] == 0:
                assert [frame.payload for frame in heard] == [b"\x01\x00\xff"]
            assert all(frame.payload == b"\x01\x00\xff" for frame in heard)


def test_random_bytes_never_pass_for_a_frame_of_the_board() -> None:
    chance = random.Random(1)  # noqa: S311 - repeatable noise
    board, heard = Board(), []
    for _ in range(300):
        heard += _frames(board, chance.randbytes(1000))
    assert heard == []


def test_a_flipped_bit_of_an_rnode_costs_that_packet_alone() -> None:
    # KISS has no checksum: a flip may make another packet of this one, never of the next.
    packet = bytes.fromhex("c02346c0c02425c0c000") + b"Hello" + b"\xc0"
    for damaged in flips(packet):
        turn = RNode().feed(damaged + b"\xc0" + packet, 1.0)
        heard = [event for event in turn.events if isinstance(event, HeardFrame)]
        assert heard[-1].payload == b"Hello"
        assert heard[-1].rssi_dbm == -87
        assert len(heard) <= 3


def test_every_refused_frame_is_counted_by_its_reason() -> None:
    board = Board()
    reasons = []
    for wire in (RECEIVED[:9] + RECEIVED[10:], b"\x05ab\x00", b"\x01\x00", b"a" * 400 + b"\x00"):
        turn = board.feed(b"\x00" + wire, 1.0)
        reasons += [event.reason for event in turn.events if isinstance(event, RadioTrouble)]
    assert reasons == ["board_bad_crc"] + ["board_bad_frame"] * 3
    wrong = bytearray(RECEIVED)
    wrong[30] ^= 0x10
    (event,) = board.feed(bytes(wrong), 1.0).events
    assert isinstance(event, RadioTrouble)
    assert event.reason == "board_bad_crc"


def test_another_protocol_version_is_named() -> None:
    whole = b"\x02\x41\x00"
    wire = cobs.encode(whole + crc16(whole).to_bytes(2, "little"))
    with pytest.raises(BadInput, match="board_bad_version"):
        read_frame(wire)


def test_a_time_is_written_modulo_the_boards_counter() -> None:
    body = write_transmit(SETTINGS, b"x", 2**32 + 5)
    assert body[:5] == b"\x05\x00\x00\x00\x00"
    assert write_transmit(SETTINGS, b"x", None)[:5] == b"\x00\x00\x00\x00\x01"


def _frames(board: Board, data: bytes) -> list[HeardFrame]:
    return [event for event in board.feed(data, 1.0).events if isinstance(event, HeardFrame)]
