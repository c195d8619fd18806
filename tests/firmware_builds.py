"""How the firmware's tests run make, and what happens without its compilers."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).parents[1] / "firmware"


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
