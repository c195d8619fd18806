"""The daemon's source on the real firmware in real time: nothing is lost unseen, nothing leaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_bench import command
from board_live import eventually, flood, held, live_board, replug, running_source

pytestmark = [pytest.mark.firmware, pytest.mark.slow]


async def test_at_200_frames_a_second_every_frame_is_heard_or_counted(
    built: Path, tmp_path: Path
) -> None:
    async with (
        live_board(command(built, "avr"), tmp_path) as board,
        running_source(board.link) as farm,
    ):
        result = await flood(board, farm, frames=2000, per_s=200)
    assert result.uncounted == 0, result
    numbers = [payload[:4] for payload in farm.payloads if payload[:1] != b"\xff"]
    assert numbers == sorted(set(numbers))
    assert result.heard > 1000, result
    assert [event for event in board.others if event["event"] == "violation"] == []


async def test_a_board_unplugged_again_and_again_is_heard_each_time_and_leaks_nothing(
    built: Path, tmp_path: Path
) -> None:
    async with (
        live_board(command(built, "avr"), tmp_path) as board,
        running_source(board.link) as farm,
    ):
        before = held()
        assert len(await replug(board, farm, times=8)) == 8
        await eventually(lambda: held() == before)
