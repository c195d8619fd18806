"""Build the firmware once for all tests of this folder, or skip them without its compilers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from board_bench import Bench, command

FIRMWARE = Path(__file__).parents[2] / "firmware"
Make = Callable[..., str]


def need(*programs: str) -> None:
    """Skip without these programs; fail when CI is set."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {missing}")


def make(*arguments: str) -> str:
    """Run make in firmware/ and return what it printed; fail with its words."""
    done = subprocess.run(
        ["make", "-s", *arguments], cwd=FIRMWARE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def built() -> Path:
    """Give the build folder with the AVR images, the simulator and the native board."""
    need("make", "gcc", "avr-gcc")
    if not Path("/usr/include/simavr/sim_avr.h").exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("libsimavr-dev is not installed")
    make("avr", "sim", "native")
    return FIRMWARE / "build"


@pytest.fixture(params=["avr", "native"])
def bench(request: pytest.FixtureRequest, built: Path) -> Iterator[Bench]:
    """Give a board that has started; afterwards its radio must never have been misused."""
    with Bench(command(built, request.param)) as board:
        yield board
    assert board.violations == []
    assert board.broken_frames == 0
