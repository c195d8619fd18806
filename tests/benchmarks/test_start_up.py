"""`--help` answers at once: nothing heavy is imported to say what there is."""

from __future__ import annotations

import subprocess
import sys
import time

HEAVY = ("numpy", "onnxruntime", "grpc", "chirpstack_api", "pydantic", "paho", "structlog", "rich")


def quickest_s(*arguments: str, runs: int = 5) -> float:
    def once() -> float:
        begun_s = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        return time.perf_counter() - begun_s

    return min(once() for _ in range(runs))


def test_help_costs_little_more_than_the_library_that_prints_it() -> None:
    bare_s = quickest_s("-c", "import typer")
    help_s = quickest_s("-m", "gateway", "--help")

    assert help_s < 2.5 * bare_s, f"{help_s:.3f} s against {bare_s:.3f} s"


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gateway", "--help"],
        check=True,
        capture_output=True,
        text=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert not imported & set(HEAVY)
