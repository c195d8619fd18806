"""Which of the packs that ship is for this machine, and that it does not change by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config import InferenceConfig
from gateway.inference import active, candidates, read_pack
from gateway.inference.fitness import Machine, this_machine
from gateway.inference.sizes import LEAST_MB, SHIPPED, SLOWEST_MS, decide, remembered, settle

FAST = {"small": 0.4, "tiny": 0.1}
PI_ZERO_2 = 418.0
PI_4 = 3793.0


@pytest.mark.parametrize(
    ("memory_mb", "ms", "size"),
    [
        (PI_4, FAST, "small"),
        (None, FAST, "small"),
        (PI_ZERO_2, FAST, "tiny"),
        (PI_4, {"small": 2 * SLOWEST_MS, "tiny": 1.0}, "tiny"),
        (PI_ZERO_2, {"small": 0.4}, "small"),
        (PI_4, {"tiny": 0.1}, "tiny"),
    ],
)
def test_memory_and_speed_choose(memory_mb: float | None, ms: dict[str, float], size: str) -> None:
    assert decide(memory_mb, ms)[0] == size


@pytest.mark.parametrize("before", ["small", "tiny"])
def test_near_a_limit_it_stays_as_it_was(before: str) -> None:
    for factor in (0.9, 1.1):
        assert decide(PI_4, FAST | {"small": factor * SLOWEST_MS}, before)[0] == before
        assert decide(factor * LEAST_MB, FAST, before)[0] == before
    assert decide(PI_4, FAST | {"small": 2 * SLOWEST_MS}, "small")[0] == "tiny"
    assert decide(PI_4, FAST, "tiny")[0] == "small"


def test_the_choice_is_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "packs"
    first = settle(folder, machine(PI_ZERO_2))
    assert first.size == "tiny"
    assert set(first.ms) == {"small", "tiny"}
    assert remembered(folder) == first
    assert settle(folder, machine(PI_ZERO_2 * 1.02)) == first, "its firmware took a little less"
    assert settle(folder, machine(PI_4)).size == "small"


def test_what_was_chosen_is_used_unless_the_settings_name_another(tmp_path: Path) -> None:
    settings = InferenceConfig(packs=tmp_path)
    settle(tmp_path, machine(PI_ZERO_2))
    assert active(settings) == SHIPPED["tiny"]
    assert candidates(settings) == (SHIPPED["tiny"], SHIPPED["small"])
    for size, path in SHIPPED.items():
        assert active(settings.model_copy(update={"pack": size})) == path


def test_a_file_that_is_torn_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "size.json").write_text('{"size": "huge"')
    assert settle(tmp_path, machine(PI_4)).size == "small"
    assert remembered(tmp_path) is not None


def test_a_machine_without_the_gateways_folders_gets_none(tmp_path: Path) -> None:
    folder = tmp_path / "none" / "packs"
    assert settle(folder, machine(PI_4)).size == "small"
    assert not folder.parent.exists()


def test_the_tiny_pack_is_a_third_of_the_small_one_and_good() -> None:
    small, tiny = (read_pack(SHIPPED[size]) for size in ("small", "tiny"))
    assert len(tiny.graph) < len(small.graph) / 3
    assert tiny.manifest.name == "tiny"
    assert tiny.manifest.metrics["int8"]["relative_mae"] < 0.9


def machine(total_mb: float) -> Machine:
    return replace(this_machine(), total_mb=total_mb)
