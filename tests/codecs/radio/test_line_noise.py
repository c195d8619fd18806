"""What the board's wire makes of noise: nothing, but for what a CRC of 16 bits cannot see.

Beside the CRC a frame must be COBS with a length that fits, and its version, type, body length and
fields right, so that random bytes all but never pass. A frame that was damaged on its way is right
in all but the CRC: 1 in 65,536 of those passes, and LoRaWAN's own MIC must find it.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.radio import Board
from gateway.codecs.radio.board_frames import (
    BoardStream,
    Type,
    read_frame,
    read_received,
    write_frame,
)
from gateway.codecs.radio.contract import HeardFrame, RadioSettings
from gateway.errors import BadInput

SETTINGS = RadioSettings(868_100_000)
PIECE = 4096


@dataclass
class Noise:
    """What became of `octets` random bytes."""

    octets: int = 0
    pieces: int = 0
    passed_crc: int = 0
    heard: int = 0


def noise_on_the_line(octets: int, seed: int, zeros: float) -> Noise:
    """Feed random bytes, of which this share more are zeros, to the board's dialect."""
    chance = random.Random(seed)  # noqa: S311 - repeatable noise
    seen, board, stream = Noise(), Board(), BoardStream()
    board.start(SETTINGS, 0.0)
    while seen.octets < octets:
        data = bytearray(chance.randbytes(PIECE))
        for _ in range(int(zeros * PIECE)):
            data[chance.randrange(PIECE)] = 0
        for stuffed in stream.feed(bytes(data)):
            seen.pieces += 1
            try:
                read_frame(stuffed)
                seen.passed_crc += 1
            except BadInput:
                continue
        turn = board.feed(bytes(data), 0.0)
        seen.heard += sum(isinstance(event, HeardFrame) for event in turn.events)
        seen.octets += PIECE
    return seen


def damaged_frames(count: int, seed: int) -> int:
    """Damage a true frame, 1 to 8 bytes each time; return how often it was heard otherwise."""
    chance = random.Random(seed)  # noqa: S311 - repeatable damage
    fixed = bytes.fromhex("40420f00a027be3306ffffff70fe2607070501000000")
    whole = write_frame(Type.RECEIVED, 7, fixed + bytes(range(20)))[:-1]
    passed = 0
    for _ in range(count):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(1, 256)
        try:
            frame = read_frame(bytes(damaged))
            passed += frame.type == Type.RECEIVED and bool(read_received(frame.body))
        except BadInput:
            continue
        passed -= damaged == whole
    return passed


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_no_noise_is_ever_heard(pieces: list[bytes]) -> None:
    board = Board()
    board.start(SETTINGS, 0.0)
    for piece in pieces:
        turn = board.feed(piece + b"\x00", 0.0)
        assert not [event for event in turn.events if isinstance(event, HeardFrame)]


def test_a_megabyte_of_noise_is_passed_over() -> None:
    seen = [noise_on_the_line(500_000, seed, zeros) for seed, zeros in ((1, 0.0), (2, 0.03))]
    assert sum(one.heard for one in seen) == 0
    assert sum(one.pieces for one in seen) > 10_000


def test_a_damaged_frame_passes_no_more_often_than_its_checksum_lets_it() -> None:
    assert damaged_frames(20_000, seed=5) <= 2


if __name__ == "__main__":  # python tests/codecs/radio/test_line_noise.py [MILLIONS OF BYTES]
    millions = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for share in (0.0, 0.01, 0.03, 0.1):
        begin_s = time.monotonic()
        result = noise_on_the_line(millions * 1_000_000, 7, share)
        sys.stdout.write(f"zeros +{share:.0%}: {result}, {time.monotonic() - begin_s:.0f} s\n")
    heard = damaged_frames(millions * 50_000, 7)
    sys.stdout.write(f"of {millions * 50_000} damaged frames {heard} passed\n")
