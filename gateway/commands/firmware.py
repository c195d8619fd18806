"""`lora-gateway firmware flash`: the radio firmware onto an AVR board, through avrdude."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from gateway.errors import ConfigError, GatewayError
from gateway.links.serial import find_port

PACKAGED_HEX = "atmega328p-500k.hex"
MOST_HEX_BYTES = 256 * 1024
LONGEST_FLASH_S = 180.0


@dataclass(frozen=True, slots=True)
class BoardPreset:
    """How a board's bootloader is spoken to. Source: avrdude manual, "Programmers"."""

    mcu: str
    programmer: str
    baud: int
    words: str


BOARDS = {
    "uno": BoardPreset("atmega328p", "arduino", 115_200, "Arduino Uno"),
    "nano": BoardPreset("atmega328p", "arduino", 115_200, "Arduino Nano, bootloader of 2018 on"),
    "nano-old": BoardPreset("atmega328p", "arduino", 57_600, "Arduino Nano, old bootloader"),
    "pro-mini": BoardPreset("atmega328p", "arduino", 57_600, "Arduino Pro Mini, 16 MHz"),
}

Execute = Callable[[Sequence[str]], int]


def flash(
    port: str,
    board: str = "uno",
    file: Path | None = None,
    *,
    which: Callable[[str], str | None] = shutil.which,
    execute: Execute | None = None,
) -> int:
    """Write the firmware and let avrdude verify it; return 0 when it did.

    Raises
    ------
    ConfigError
        The board has no preset.
    GatewayError
        avrdude or the file is missing, the file is no Intel HEX, or avrdude failed.

    """
    if board not in BOARDS:
        raise ConfigError(f"--board {board}: unknown; there are {', '.join(BOARDS)}.")
    program = which("avrdude")
    if program is None:
        raise GatewayError("avrdude is not installed; `sudo apt install avrdude` brings it.")
    image = file if file is not None else packaged_hex()
    check_hex(image)
    preset = BOARDS[board]
    print(f"Writing {image.name} to {preset.words} on {port} ...")
    status = (execute or _execute)(command(program, preset, find_port(port), image))
    if status != 0:
        raise GatewayError(
            f"avrdude ended with status {status}. Is it this board (--board"
            f" {' | '.join(BOARDS)}), and does no other program hold {port}?"
        )
    print("Written and verified. `lora-gateway detect --probe` shows it.")
    return 0


def command(program: str, preset: BoardPreset, device: str, image: Path) -> list[str]:
    """Return avrdude's command line."""
    return [
        program,
        *("-p", preset.mcu),
        *("-c", preset.programmer),
        *("-P", device),
        *("-b", str(preset.baud)),
        "-D",  # the bootloader erases page by page; a chip erase it cannot do
        *("-U", f"flash:w:{image}:i"),
    ]


def packaged_hex() -> Path:
    """Return the firmware that ships with the package, or that a checkout holds.

    Raises
    ------
    GatewayError
        Neither is there.

    """
    packaged = Path(str(resources.files("gateway").joinpath("firmware", PACKAGED_HEX)))
    built = Path(__file__).parents[2] / "firmware" / "prebuilt" / PACKAGED_HEX
    for path in (packaged, built):
        if path.is_file():
            return path
    raise GatewayError("This package has no firmware in it; name a HEX file with --file.")


def check_hex(path: Path) -> None:
    """Raise GatewayError unless the file is whole Intel HEX: every line's checksum, and its end."""
    try:
        if path.stat().st_size > MOST_HEX_BYTES:
            raise GatewayError(f"{path} is too large for an ATmega328P's firmware.")
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise GatewayError(f"{path} cannot be read: {error}.") from error
    for number, line in enumerate(lines, 1):
        if not _is_record(line):
            raise GatewayError(f"{path}, line {number}: not Intel HEX, or damaged.")
    if not lines or lines[-1].upper() != ":00000001FF":
        raise GatewayError(f"{path}: the end of the file is missing.")


def _is_record(line: str) -> bool:
    try:
        record = bytes.fromhex(line[1:])
    except ValueError:
        return False
    overhead = 5  # length, two of address, type, checksum
    whole = len(record) >= overhead and len(record) == record[0] + overhead
    return line.startswith(":") and whole and sum(record) % 256 == 0


def _execute(words: Sequence[str]) -> int:
    try:
        return subprocess.run(words, check=False, timeout=LONGEST_FLASH_S).returncode  # noqa: S603 - a fixed program, no shell
    except subprocess.TimeoutExpired:
        raise GatewayError(f"avrdude took more than {LONGEST_FLASH_S:.0f} s.") from None
