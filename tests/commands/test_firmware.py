"""`firmware flash` hands avrdude the right words, and says what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.commands import firmware
from gateway.errors import ConfigError, GatewayError

GOOD = ":0400000001020304F2\n:00000001FF\n"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "radio.hex"
    path.write_text(GOOD)
    return path


class Avrdude:
    def __init__(self, status: int = 0) -> None:
        self.words: list[str] = []
        self._status = status

    def __call__(self, words: Sequence[str]) -> int:
        self.words = list(words)
        return self._status


def installed(_name: str) -> str:
    return "/usr/bin/avrdude"


@pytest.mark.parametrize(
    ("board", "baud"),
    [("uno", "115200"), ("nano", "115200"), ("nano-old", "57600"), ("pro-mini", "57600")],
)
def test_each_board_is_written_at_its_bootloaders_rate(image: Path, board: str, baud: str) -> None:
    avrdude = Avrdude()
    assert firmware.flash("/dev/ttyUSB0", board, image, which=installed, execute=avrdude) == 0
    assert avrdude.words == [
        "/usr/bin/avrdude",
        *("-p", "atmega328p", "-c", "arduino", "-P", "/dev/ttyUSB0", "-b", baud),
        *("-D", "-U", f"flash:w:{image}:i"),
    ]


def test_a_missing_avrdude_is_named_with_the_remedy(image: Path) -> None:
    with pytest.raises(GatewayError, match="apt install avrdude"):
        firmware.flash("/dev/ttyUSB0", "uno", image, which=lambda _: None, execute=Avrdude())


def test_a_failure_of_avrdude_is_ours(image: Path) -> None:
    with pytest.raises(GatewayError, match="ended with status 1"):
        firmware.flash("/dev/ttyUSB0", "uno", image, which=installed, execute=Avrdude(1))


def test_an_unknown_board_is_refused(image: Path) -> None:
    with pytest.raises(ConfigError, match="uno, nano, nano-old, pro-mini"):
        firmware.flash("/dev/ttyUSB0", "mega", image, which=installed, execute=Avrdude())


@pytest.mark.parametrize(
    "text", ["", "hello", GOOD.replace("F2", "F3"), GOOD.splitlines()[0], GOOD.replace("04F2", "")]
)
def test_a_damaged_file_is_never_written(tmp_path: Path, text: str) -> None:
    path, avrdude = tmp_path / "bad.hex", Avrdude()
    path.write_text(text)
    with pytest.raises(GatewayError):
        firmware.flash("/dev/ttyUSB0", "uno", path, which=installed, execute=avrdude)
    assert avrdude.words == []
