"""`detect --probe` over real ptys, with boards that answer from their transcripts."""

from __future__ import annotations

import json
import tomllib

import pytest
from pty_boards import answers_of, plugged_in

from gateway.commands import detect
from gateway.config import Config
from gateway.links.serial_ports import SerialPort


@pytest.mark.parametrize(
    ("device", "board", "firmware"),
    [
        ("board", "lora-gateway board (ATmega328P)", "0.3.1"),
        ("rnode", "RNode", "1.73"),
        ("rn2483", "RN2483", "1.0.5"),
    ],
)
async def test_a_board_is_known_by_how_it_answers(device: str, board: str, firmware: str) -> None:
    with plugged_in(answers_of(device)) as port:
        found = await detect.probe_port(port, within_s=1.5)
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


def test_what_to_write_in_the_settings_is_told_with_the_board(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with plugged_in(answers_of("board")) as device:
        port = SerialPort(device, "/dev/serial/by-id/usb-Radio", "1a86:7523", "Radio", "Uno", "")
        monkeypatch.setattr(detect, "serial_ports", lambda: [port])
        assert detect.run(as_json=False, probe=True) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    told = "\n".join(lines[lines.index("[radios.board]") :])
    config = Config.model_validate(tomllib.loads(told))
    assert config.radios["board"].dialect == "board"
    assert config.radios["board"].port == "/dev/serial/by-id/usb-Radio"
