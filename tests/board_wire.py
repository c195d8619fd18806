"""The serial board's protocol by firmware/SPEC.md: for tests, apart from the gateway's codec."""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass

INFO, PING, CONFIGURE, RECEIVE, TRANSMIT, CANCEL, STATISTICS, RESET = range(1, 9)
ERROR, RECEIVED, TRANSMITTED, BOOT = 0xFF, 0x41, 0x42, 0x43
FULL_GROUP = 254
COUNTERS = (
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
    "reserved",
)


def settings(
    *,
    frequency_hz: int = 868100000,
    sf: int = 7,
    bandwidth: int = 7,
    coding_rate: int = 5,
    sync_word: int = 0x34,
    flags: int = 2,
    preamble: int = 8,
    power_dbm: int = 14,
) -> bytes:
    """Return the 12 bytes of radio settings (SPEC section 3)."""
    return struct.pack(
        "<IBBBBBHb", frequency_hz, sf, bandwidth, coding_rate, sync_word, flags, preamble, power_dbm
    )


def cobs(data: bytes) -> bytes:
    """Return the data without zeros: groups of at most 254, and no empty group after a full one."""
    groups: list[bytes] = []
    rest = data
    while True:
        group = rest[:FULL_GROUP].split(b"\x00", 1)[0]
        groups.append(bytes([len(group) + 1]) + group)
        full = len(group) == FULL_GROUP
        if len(group) == len(rest):
            return b"".join(groups)
        rest = rest[len(group) + (0 if full else 1) :]


def wire_of(frame: bytes) -> bytes:
    """Return a frame (version, type, sequence, body) as it goes over the line."""
    crc = binascii.crc_hqx(frame, 0xFFFF)
    return cobs(frame + crc.to_bytes(2, "little")) + b"\x00"


def frame_of(stuffed: bytes) -> bytes | None:
    """Return the frame in what came between two delimiters, None when it is none."""
    data = bytearray()
    at = 0
    while at < len(stuffed):
        code = stuffed[at]
        group = stuffed[at + 1 : at + code]
        if code == 0 or len(group) != code - 1:
            return None
        data += group
        at += code
        if code <= FULL_GROUP and at < len(stuffed):
            data.append(0)
    if len(data) < 5 or binascii.crc_hqx(bytes(data[:-2]), 0xFFFF) != int.from_bytes(
        data[-2:], "little"
    ):
        return None
    return bytes(data[:-2])


@dataclass(frozen=True, slots=True)
class Message:
    """One frame from the board, taken apart as far as every type is alike."""

    type: int
    sequence: int
    body: bytes

    @classmethod
    def from_frame(cls, frame: bytes) -> Message:
        """Split the head off; the version must be 1."""
        assert frame[0] == 1
        return cls(frame[1], frame[2], frame[3:])


@dataclass(frozen=True, slots=True)
class Received:
    """The body of a received event (SPEC section 7)."""

    time_us: int
    frequency_hz: int
    error_hz: int
    rssi_dbm: float
    snr_db: float
    sf: int
    bandwidth: int
    coding_rate: int
    crc: int
    flags: int
    dropped: int
    payload: bytes

    @classmethod
    def from_body(cls, body: bytes) -> Received:
        """Take 22 bytes and the payload."""
        head = list(struct.unpack_from("<IIihbBBBBBH", body))
        head[3] /= 4
        head[4] /= 4
        return cls(*head, payload=body[22:])


def counters(body: bytes) -> dict[str, int]:
    """Return the statistics by name (SPEC section 6)."""
    return dict(zip(COUNTERS, struct.unpack("<14I2H", body), strict=True))
