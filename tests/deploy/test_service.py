"""The systemd unit is as closed as is promised, and keeps what the promises need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy" / "lora-gateway.service"


def test_the_unit_is_at_most_1_5_exposed() -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("systemd-analyze is not installed")
    done = subprocess.run(
        [program, "security", "--no-pager", "--offline=true", UNIT],
        capture_output=True,
        text=True,
        check=True,
    )
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert exposure, done.stdout
    assert float(exposure[1]) <= 1.5


def test_a_hung_gateway_is_restarted_and_a_wrong_configuration_is_not() -> None:
    settings = [line for line in UNIT.read_text().splitlines() if not line.startswith("#")]

    assert "Type=notify" in settings
    assert "WatchdogSec=30" in settings
    assert "Restart=on-failure" in settings
    assert "RestartPreventExitStatus=2" in settings
    assert "MemoryDenyWriteExecute=yes" in settings
