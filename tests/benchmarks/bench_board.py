"""A minute at 200 frames a second, and a hundred replugs, on the real firmware in simavr.

`python tests/benchmarks/bench_board.py [FRAMES [REPLUGS]]`, after `make -C firmware avr sim`. The
simulated board tries to keep real time: where this machine is too slow for it, the simulated
minute takes longer, and the figures say how long. It fails when a frame was lost uncounted, when
a replug took more than 3 s, or when a descriptor or a thread was left behind.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from board_bench import command  # noqa: E402 - found by the line above
from board_live import (  # noqa: E402
    eventually,
    flood,
    held,
    live_board,
    replug,
    running_source,
)

BUILD = Path(__file__).parents[2] / "firmware/build"
PER_S = 200
LONGEST_S = 3.0


def say(line: str) -> None:
    """Write one line of the report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(frames: int, replugs: int) -> None:
    """Run both and report."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            live_board(command(BUILD, "avr"), Path(folder)) as board,
            running_source(board.link) as farm,
        ):
            result = await flood(board, farm, frames, PER_S)
            say(f"{frames} frames of 20 bytes at {PER_S} a second: {result}")
            before = held()
            took_s = await replug(board, farm, replugs)
            say(
                f"{replugs} replugs: listening after {statistics.median(took_s):.2f} s (median),"
                f" {max(took_s):.2f} s (longest)"
            )
            await eventually(lambda: held() == before)
            say(f"before and after: {before}")
    if result.uncounted or max(took_s) > LONGEST_S:
        sys.exit("failed")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(given + [60 * PER_S, 100][len(given) :])))
