"""Nothing is written or sent that the user did not ask for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_model_runtime_leaves_no_identifier_of_the_machine(tmp_path: Path) -> None:
    # Runtimes behave themselves when they believe to be tested: these would hide what they do.
    hidden = {"CI", "GITHUB_ACTIONS", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden and "XDG" not in k}
    subprocess.run(
        [sys.executable, "-c", "from gateway.inference import load_model; load_model('')"],
        env=environment | {"HOME": str(tmp_path)},
        check=True,
    )

    assert list(tmp_path.rglob("*")) == []
