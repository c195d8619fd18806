"""Build the board once, and give every module one gateway with a farm around it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from board_on_air import OnAir
from brokers import OPEN_SETTINGS, PROGRAM, Mosquitto
from firmware_builds import FIRMWARE, make, need
from radio_farm import BOARD, MISSES_US, Farm, Settle


@pytest.fixture(scope="session")
def build() -> Path:
    """Give the build folder with the AVR image and its simulator."""
    need("make", "gcc", "avr-gcc")
    if not Path("/usr/include/simavr/sim_avr.h").exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("libsimavr-dev is not installed")
    make("avr", "sim")
    return FIRMWARE / "build"


@pytest.fixture(scope="session", autouse=True)
def figures(record_testsuite_property: Callable[[str, object], None]) -> Iterator[dict[str, str]]:
    """Give a place for what was measured; it goes into the report (`--junit-xml`), if one is made.

    No figure decides a test: machines under test are busy.
    """
    found: dict[str, str] = {}
    yield found
    if MISSES_US:
        found["downlinks_us"] = f"{min(MISSES_US):.3f} to {max(MISSES_US):.3f}, {len(MISSES_US)}"
    for name, value in found.items():
        record_testsuite_property(name, value)


@pytest.fixture(scope="module")
def settle(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settle]:
    """Give a function that makes a gateway, its broker and board; no radio is ever misused."""
    if PROGRAM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
    boards: list[OnAir] = []
    with ExitStack() as after:

        def make_farm(radio: str = "", more: str = "") -> tuple[Farm, OnAir]:
            folder = tmp_path_factory.mktemp("farm")
            broker = Mosquitto(folder / "broker", OPEN_SETTINGS)
            after.callback(broker.kill)
            broker.start()
            air = after.enter_context(closing(OnAir(folder / "board", build)))
            boards.append(air)
            settings = BOARD.format(port=air.port) + radio
            farm = after.enter_context(closing(Farm(folder / "gateway", broker, settings, more)))
            return farm, air

        yield make_farm
    assert [one.violations for one in boards] == [[] for _ in boards]
