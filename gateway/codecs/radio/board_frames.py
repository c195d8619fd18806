r"""The frames of our own board.

Source: firmware/SPEC.md, protocol version 1::

    00 | COBS( version u8 | type u8 | seq u8 | body 0..279 | crc u16 ) | 00

Integers are little-endian. The CRC is over version, type, seq and body.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from gateway.codecs.radio import cobs
from gateway.codecs.radio.contract import HeardFrame, Hop, RadioSettings, Scan, believable_db
from gateway.codecs.radio.crc16 import crc16
from gateway.errors import BadInput

VERSION = 1
LONGEST_BODY = 279
LONGEST_STUFFED = 290
"""284 bytes before stuffing need 286 after it; a receiver takes an empty last group too."""

ANSWER = 0x80


class Type(IntEnum):
    """Section 2: commands, and what the board says."""

    INFO = 0x01
    PING = 0x02
    CONFIGURE = 0x03
    RECEIVE = 0x04
    TRANSMIT = 0x05
    CANCEL = 0x06
    STATISTICS = 0x07
    RESET = 0x08
    RECEIVED = 0x41
    TRANSMITTED = 0x42
    BOOT = 0x43
    ERROR = 0xFF


ERRORS = {
    1: "unknown command",
    2: "wrong length",
    3: "a value out of range",
    4: "another transmission waits or is on the air",
    5: "too late, or too far ahead",
    6: "not configured yet",
    7: "nothing to cancel",
    8: "the radio does not answer",
    9: "it does not speak this protocol version",
}
"""Section 4."""

FEATURES = {Hop: 1, Scan: 2}
"""Section 5: the bit that says a firmware can take such turns."""

BOARDS = {0: "simulated", 1: "ATmega328P", 2: "STM32L072", 3: "RP2040"}
BANDWIDTHS_HZ = (
    7_800,
    10_400,
    15_600,
    20_800,
    31_250,
    41_700,
    62_500,
    125_000,
    250_000,
    500_000,
)
"""Section 3: the place is the code."""

_SETTINGS = struct.Struct("<IBBBBBHb")
_RECEIVED = struct.Struct("<IIihbBBBBBH")
_INFO = struct.Struct("<BBBBBBHBBHBBI")
_TRANSMITTED = struct.Struct("<BBII")
_STATISTICS = struct.Struct("<14I2H")
_COUNTS = (
    "uptime_s",
    "rx_good",
    "rx_bad_crc",
    "rx_dropped",
    "rx_missed",
    "tx_done",
    "tx_late",
    "tx_failed",
    "host_frames",
    "host_bad",
    "host_overrun",
    "radio_restarts",
    "cad_runs",
    "cad_hits",
    "stack_free",
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame."""

    type: int
    seq: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Information:
    """Section 5."""

    board: str
    firmware: str
    radio_version: int
    features: int
    name: str
    time_us: int
    reset_cause: int


@dataclass(frozen=True, slots=True)
class Departure:
    """Section 7, transmitted: `status` 0 sent, 1 missed its time, 2 radio failed."""

    seq: int
    status: int
    started_us: int
    ended_us: int


def write_frame(kind: int, seq: int, body: bytes = b"") -> bytes:
    """Return one frame for the wire, with the delimiter at its end."""
    whole = bytes((VERSION, kind, seq)) + body
    return cobs.encode(whole + crc16(whole).to_bytes(2, "little")) + b"\x00"


def read_frame(stuffed: bytes) -> Frame:
    """Read what stands between two delimiters.

    Raises
    ------
    BadInput
        `board_bad_frame`: not COBS, or too short or long; `board_bad_crc`; `board_bad_version`.

    """
    try:
        whole = cobs.decode(stuffed)
    except BadInput as error:
        raise BadInput("board_bad_frame", str(error)) from None
    if not 5 <= len(whole) <= LONGEST_BODY + 5:  # noqa: PLR2004 - header and CRC
        raise BadInput("board_bad_frame", f"{len(whole)} bytes")
    if crc16(whole[:-2]) != int.from_bytes(whole[-2:], "little"):
        raise BadInput("board_bad_crc", whole[:16].hex())
    if whole[0] != VERSION:
        raise BadInput("board_bad_version", str(whole[0]))
    return Frame(whole[1], whole[2], whole[3:-2])


def write_settings(settings: RadioSettings) -> bytes:
    """Return section 3; the power is the nearest that the board has."""
    power = 20 if settings.power_dbm >= 20 else max(2, min(17, settings.power_dbm))  # noqa: PLR2004 - dBm
    return _SETTINGS.pack(
        settings.frequency_hz,
        settings.spreading_factor,
        BANDWIDTHS_HZ.index(settings.bandwidth_hz),
        settings.coding_rate,
        settings.sync_word,
        (1 if settings.iq_inverted else 0) | (2 if settings.crc else 0),
        max(6, min(4096, settings.preamble)),
        power,
    )


def write_receive(turns: Hop | Scan | None, *, report_bad_crc: bool) -> bytes:
    """Return the body of a receive command (section 4); `turns` None: fixed."""
    options = 1 if report_bad_crc else 0
    match turns:
        case Hop():
            count = len(turns.frequencies_hz)
            return struct.pack(
                f"<BBHB{count}I", 2, options, turns.dwell_ms, count, *turns.frequencies_hz
            )
        case Scan():
            return bytes((3, options, sum(1 << (one - 7) for one in turns.spreading_factors)))
        case None:
            return bytes((1, options))


def write_transmit(settings: RadioSettings, payload: bytes, at_us: int | None) -> bytes:
    """Return the body of a transmit command; `at_us` None: now."""
    at = 0 if at_us is None else at_us % 2**32
    return struct.pack("<IB", at, 1 if at_us is None else 0) + write_settings(settings) + payload


def read_information(body: bytes) -> Information:
    """Read section 5. Raises BadInput `board_bad_body`."""
    if not _INFO.size <= len(body) <= _INFO.size + 24:
        raise BadInput("board_bad_body", f"information of {len(body)} bytes")
    _, major, minor, patch, board, radio, features, _, _, _, _, cause, time_us = _INFO.unpack_from(
        body
    )
    return Information(
        board=BOARDS.get(board, f"board {board}"),
        firmware=f"{major}.{minor}.{patch}",
        radio_version=radio,
        features=features,
        name=body[_INFO.size :].decode("ascii", "replace"),
        time_us=time_us,
        reset_cause=cause,
    )


def read_received(body: bytes, counter_us: int | None = None) -> HeardFrame:
    """Read section 7, received; `counter_us` stands in for the board's wrapping time.

    Raises
    ------
    BadInput
        `board_bad_body`: too short or long, or a field holds what it cannot.

    """
    if not _RECEIVED.size <= len(body) <= _RECEIVED.size + 255:
        raise BadInput("board_bad_body", f"a received frame of {len(body)} bytes")
    time_us, frequency, error, rssi, snr, sf, width, _, crc, _, dropped = _RECEIVED.unpack_from(
        body
    )
    if width >= len(BANDWIDTHS_HZ) or crc > 2:  # noqa: PLR2004 - section 7
        raise BadInput("board_bad_body", f"bandwidth {width}, crc {crc}")
    return HeardFrame(
        payload=body[_RECEIVED.size :],
        rssi_dbm=believable_db(rssi / 4),
        snr_db=snr / 4,
        frequency_hz=frequency,
        spreading_factor=sf,
        bandwidth_hz=BANDWIDTHS_HZ[width],
        crc_ok={0: None, 1: True, 2: False}[crc],
        frequency_error_hz=error,
        counter_us=time_us if counter_us is None else counter_us,
        dropped=dropped,
    )


def received_time(body: bytes) -> int:
    """Return the board's wrapping time of a received event; its length was checked."""
    return int.from_bytes(body[:4], "little")


def read_transmitted(body: bytes) -> Departure:
    """Read section 7, transmitted. Raises BadInput `board_bad_body`."""
    if len(body) != _TRANSMITTED.size:
        raise BadInput("board_bad_body", f"a transmitted event of {len(body)} bytes")
    return Departure(*_TRANSMITTED.unpack(body))


def read_statistics(body: bytes) -> Mapping[str, int]:
    """Read section 6. Raises BadInput `board_bad_body`."""
    if len(body) != _STATISTICS.size:
        raise BadInput("board_bad_body", f"statistics of {len(body)} bytes")
    return dict(zip(_COUNTS, _STATISTICS.unpack(body), strict=False))


class BoardStream:
    """Cuts a byte stream at zeros; holds at most one frame. What is longer is passed over."""

    def __init__(self) -> None:
        self.too_long = 0
        self._held = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return what stands between zeros, still stuffed; empty is none."""
        found: list[bytes] = []
        *whole, rest = data.split(b"\x00")
        for piece in whole:
            self._hold(piece)
            if self._held and not self._skipping:
                found.append(bytes(self._held))
            self.clear()
        self._hold(rest)
        return found

    def clear(self) -> None:
        """Forget half a frame."""
        self._held.clear()
        self._skipping = False

    def _hold(self, piece: bytes) -> None:
        if self._skipping:
            return
        self._held += piece
        if len(self._held) > LONGEST_STUFFED:
            self.too_long += 1
            self._held.clear()
            self._skipping = True
