"""The frames that the firmware's own tests read, read and written by the gateway's side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.codecs.radio.board_frames import read_frame, write_frame
from gateway.errors import BadInput

FRAMES = json.loads(
    (Path(__file__).parents[2] / "vectors" / "firmware" / "frames.json").read_text()
)
VERSION = "01"


@pytest.mark.parametrize("case", FRAMES, ids=lambda case: case["name"])
def test_both_sides_agree_on_every_byte(case: dict[str, str]) -> None:
    wire, plain = bytes.fromhex(case["wire"]), bytes.fromhex(case["frame"])
    if not case["frame"].startswith(VERSION):
        with pytest.raises(BadInput):
            read_frame(wire[:-1])
        return
    frame = read_frame(wire[:-1])

    assert bytes([1, frame.type, frame.seq]) + frame.body == plain
    assert write_frame(frame.type, frame.seq, frame.body).strip(b"\0") + b"\0" == wire
