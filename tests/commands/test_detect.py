"""`detect --probe` over real ptys, with boards that answer from their transcripts."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator

import pytest
from radio_transcripts import transcripts

from gateway.commands import detect
from gateway.links.serial_ports import SerialPort


def script(device: str) -> dict[bytes, bytes]:
    """Return what a board answers to what, up to its name."""
    answers: dict[bytes, bytes] = {}
    for transcript in transcripts():
        if transcript.device != device:
            continue
        asked = b""
        for item in transcript.items[:8]:
            if item.kind == ">":
                asked = transcript.bytes_of(item)
            elif item.kind == "<":
                answers[asked] = answers.get(asked, b"") + transcript.bytes_of(item)
    return answers


@contextlib.contextmanager
def plugged_in(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    master, slave = os.openpty()
    os.set_blocking(master, True)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                said = answer(os.read(master, 4096))
                if said:
                    os.write(master, said)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        os.close(slave)
        thread.join(20)
        os.close(master)


@pytest.mark.parametrize(
    ("device", "board", "firmware"),
    [
        ("board", "lora-gateway board (ATmega328P)", "0.3.1"),
        ("rnode", "RNode", "1.73"),
        ("rn2483", "RN2483", "1.0.5"),
    ],
)
async def test_a_board_is_known_by_how_it_answers(device: str, board: str, firmware: str) -> None:
    answers = script(device)

    def answer(said: bytes) -> bytes:
        return b"".join(known for asked, known in answers.items() if asked and asked in said)

    with plugged_in(answer) as port:
        found = await detect.probe_port(port, within_s=0.6)
    assert (found.speaks, found.board, found.firmware) == (device, board, firmware)


async def test_a_port_where_nobody_answers_is_said_to_be_silent() -> None:
    with plugged_in(lambda _: b"") as port:
        assert await detect.probe_port(port, within_s=0.3) == detect.Found()


async def test_a_port_that_cannot_be_opened_says_why() -> None:
    found = await detect.probe_port("/dev/not-there", within_s=0.3)
    assert "is the board plugged in?" in found.error


def test_probing_is_only_done_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = SerialPort("/dev/not-there", "", "1a86:7523", "Radio", "Example", "")
    monkeypatch.setattr(detect, "serial_ports", lambda: [port])
    assert detect.run(as_json=False) == 0
    assert "--probe" in capsys.readouterr().out
    assert detect.run(as_json=True) == 0
    assert "probe" not in json.loads(capsys.readouterr().out)[0]
    assert detect.run(as_json=True, probe=True) == 0
    (tree,) = json.loads(capsys.readouterr().out)
    assert "is not there" in tree["probe"]["error"]
