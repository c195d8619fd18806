"""Write `frames.json`: frames of the serial board's protocol with their bytes on the wire.

By firmware/SPEC.md alone, apart from the firmware and from the gateway's own codec: the CRC is the
standard library's `crc_hqx`. One object a line, so that a C program can read it line by line. Run
it from this folder: `python make_frames.py`.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from board_wire import settings, wire_of  # noqa: E402 - found through the path above

UPLINK = settings()
RECEIVED = struct.pack("<IIihbBBBBBH", 1000000, 868100000, -250, -400, 38, 7, 7, 5, 1, 0, 3)
LONG = bytes(index % 256 for index in range(255))

FRAMES: list[tuple[str, bytes]] = [
    ("info", bytes([1, 0x01, 1])),
    ("ping with a zero", bytes([1, 0x02, 2, 0, 1])),
    ("configure", bytes([1, 0x03, 3]) + UPLINK),
    ("receive fixed", bytes([1, 0x04, 4, 1, 0])),
    ("receive hop", bytes([1, 0x04, 5, 2, 0]) + struct.pack("<HBII", 500, 2, 868100000, 868300000)),
    ("receive scan", bytes([1, 0x04, 6, 3, 1, 0x3F])),
    ("transmit", bytes([1, 0x05, 7]) + struct.pack("<IB", 5000000, 0) + UPLINK + b"hello"),
    ("transmit 255", bytes([1, 0x05, 8]) + struct.pack("<IB", 0, 1) + UPLINK + LONG),
    ("cancel", bytes([1, 0x06, 9, 7])),
    ("statistics", bytes([1, 0x07, 255])),
    ("reset", bytes([1, 0x08, 0])),
    ("answer to transmit", bytes([1, 0x85, 7]) + struct.pack("<I", 5000000)),
    ("error too late", bytes([1, 0xFF, 7, 5, 5])),
    ("received", bytes([1, 0x41, 0]) + RECEIVED + b"\x01\x00\xff"),
    ("received nothing", bytes([1, 0x41, 1]) + RECEIVED),
    ("received 255 without a zero", bytes([1, 0x41, 2]) + RECEIVED + b"\xaa" * 255),
    ("received 255 zeros", bytes([1, 0x41, 3]) + RECEIVED + bytes(255)),
    ("received 255 mixed", bytes([1, 0x41, 4]) + RECEIVED + LONG),
    ("transmitted", bytes([1, 0x42, 5, 7, 0]) + struct.pack("<II", 5000001, 5030977)),
    ("one full group", bytes([1, 0x41, 6]) + b"\x55" * 249),
    ("one byte over a group", bytes([1, 0x41, 6]) + b"\x55" * 250),
    ("another version", bytes([2, 0x01, 1])),
]

if __name__ == "__main__":
    lines = [
        json.dumps({"name": name, "frame": frame.hex(), "wire": wire_of(frame).hex()})
        for name, frame in FRAMES
    ]
    (HERE / "frames.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
