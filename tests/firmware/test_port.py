"""The simulated board behind a pseudo-terminal, as a program with a serial port sees it."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from board_bench import command
from board_wire import (
    BOOT,
    CONFIGURE,
    PING,
    RECEIVE,
    RECEIVED,
    Message,
    Received,
    frame_of,
    settings,
    wire_of,
)

pytestmark = pytest.mark.firmware


class Port:
    """A serial port, read frame by frame."""

    def __init__(self, path: str) -> None:
        self.serial = serial.Serial(path, 500000, timeout=5)

    def until(self, kind: int) -> Message:
        """Return the next message of a type."""
        for _ in range(20):
            stuffed = self.serial.read_until(b"\x00")[:-1]
            frame = frame_of(stuffed) if stuffed else None
            if frame is not None and frame[1] == kind:
                return Message.from_frame(frame)
        raise AssertionError("no such message")

    def send(self, kind: int, body: bytes = b"") -> Message:
        """Send a command and return its answer."""
        self.serial.write(b"\x00" + wire_of(bytes([1, kind, 7]) + body))
        return self.until(kind | 0x80)


@pytest.fixture
def simulator(built: Path, tmp_path: Path) -> Iterator[tuple[Path, socket.socket]]:
    """Start the real image in real time; give the port's link and the radio's socket."""
    link, path = tmp_path / "tty", tmp_path / "radio"
    extra = ["--pty", "--radio-socket", str(path), "--link", str(link)]
    with subprocess.Popen(command(built, "avr", extra), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b'"port"' in process.stdout.readline()
        with socket.socket(socket.AF_UNIX) as radio:
            radio.connect(str(path))
            radio.settimeout(5)
            yield link, radio
        process.terminate()


def test_a_port_opened_again_under_another_name_is_the_same_board(
    simulator: tuple[Path, socket.socket],
) -> None:
    link, radio = simulator
    names = set()
    for round_ in range(3):
        port = Port(str(link))
        names.add(link.resolve())
        assert port.until(BOOT).sequence == 0
        assert port.send(CONFIGURE, settings()).body == b""
        assert port.send(RECEIVE, b"\x01\x00").body == b""
        radio.sendall(json.dumps({"payload": f"400{round_}"}).encode() + b"\n")
        assert Received.from_body(port.until(RECEIVED).body).payload[1] == round_
        radio.sendall(b'{"cmd": "replug"}\n')
        while b'"port"' not in radio.recv(4096):
            pass
        port.serial.close()
    assert len(names) > 1


def test_real_time_passes_for_the_board(simulator: tuple[Path, socket.socket]) -> None:
    port = Port(str(simulator[0]))
    port.until(BOOT)
    first = int.from_bytes(port.send(PING).body[:4], "little")
    time.sleep(0.3)
    second = int.from_bytes(port.send(PING).body[:4], "little")
    assert second - first > 250_000
    port.serial.close()
