"""Everything in firmware/ is built here and run where it can be: images, ports, QEMU, fuzzing."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from board_wire import frame_of, wire_of
from firmware_builds import FIRMWARE, make, need

pytestmark = pytest.mark.firmware

VECTORS = Path(__file__).parents[1] / "vectors/firmware/frames.json"
FUZZ_SECONDS = 20


def test_golden_frames_are_what_the_reference_makes_of_them() -> None:
    vectors = json.loads(VECTORS.read_text())
    assert len(vectors) > 20
    for vector in vectors:
        wire, frame = bytes.fromhex(vector["wire"]), bytes.fromhex(vector["frame"])
        assert wire_of(frame) == wire, vector["name"]
        assert frame_of(wire[:-1]) == frame, vector["name"]


def test_every_example_of_the_specification_is_whole() -> None:
    rows = re.findall(
        r"`((?:[0-9A-F]{2} )+00)` \|$", (FIRMWARE / "SPEC.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 7
    assert all(frame_of(bytes.fromhex(row)[:-1]) is not None for row in rows)


def test_the_core_makes_the_golden_frames_under_sanitizers(built: Path) -> None:
    done = subprocess.run(
        [built / "native/check", VECTORS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout


def test_the_core_runs_on_a_cortex_m3_in_qemu() -> None:
    need("arm-none-eabi-gcc", "qemu-system-arm")
    assert " 0 failed" in make("qemu", f"VECTORS={VECTORS}")


def test_the_other_boards_compile_and_link() -> None:
    need("arm-none-eabi-gcc")
    make("arm")
    for name in ("stm32l072", "rp2040"):
        assert (FIRMWARE / f"build/arm/{name}.elf").read_bytes()[:4] == b"\x7fELF"


def test_a_build_prints_its_sizes_and_they_are_within_bounds(built: Path) -> None:
    (built / "avr/500k.elf").unlink(missing_ok=True)
    printed = make("avr")
    found = re.search(r"500k.elf: flash \d+ bytes \(([\d.]+) %\).*RAM ([\d.]+) %", printed)
    assert found is not None, printed
    assert float(found[1]) < 60
    assert float(found[2]) < 85


@pytest.mark.parametrize("baud", ["500k", "115200"])
def test_the_prebuilt_images_are_what_the_sources_make(built: Path, baud: str) -> None:
    ours = (FIRMWARE / f"prebuilt/atmega328p-{baud}.hex").read_text()
    theirs = (built / f"avr/{baud}.hex").read_text()
    version = subprocess.run(["avr-gcc", "--version"], capture_output=True, text=True, check=True)
    if version.stdout.splitlines()[0] == (FIRMWARE / "prebuilt/compiler").read_text().strip():
        assert theirs == ours
    else:
        assert len(theirs) == pytest.approx(len(ours), rel=0.1)


@pytest.mark.slow
def test_fuzzing_the_host_side_finds_nothing() -> None:
    need("clang")
    printed = make("fuzz", f"SECONDS_TO_FUZZ={FUZZ_SECONDS}")
    found = re.search(r"number_of_executed_units: (\d+)", printed)
    assert found is not None
    assert int(found[1]) > 500
