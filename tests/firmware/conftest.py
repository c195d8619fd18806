"""Build the firmware once for all tests of this folder, or skip them without its compilers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from board_bench import Bench, command
from firmware_builds import FIRMWARE, make, need


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
