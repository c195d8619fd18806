"""The real firmware in real time behind a pseudo-terminal, and the gateway's source on it.

::

    radio socket --frames--> simulated board (simavr) --pty--> SerialLink --> SerialRadioSource
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.codecs.radio import Board, read_heard, write_heard
from gateway.links import SerialLink, SerialSettings
from gateway.sources import SerialRadioSource
from gateway.types import Delivery, RadioSettings, RadioTrouble

DEADLINE_S = 60.0
BAUD = 500_000
AHEAD = 32
"""Frames that are given to the air beforehand; it holds 64."""

SETTLE_US = 50_000
AIRTIME_US = 3_000
Event = dict[str, object]


async def eventually(true: Callable[[], object], within_s: float = DEADLINE_S) -> None:
    """Wait until something holds; TimeoutError when it does not in a generous time."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - the condition is of another's making
            await asyncio.sleep(0.002)


@dataclass
class LiveBoard:
    """One simulated board. `link` is its port's stable name; `aired` what became of each frame."""

    link: Path
    writer: asyncio.StreamWriter
    aired: list[Event] = field(default_factory=list)
    others: list[Event] = field(default_factory=list)

    def say(self, **line: object) -> None:
        """Give one line to the radio's socket."""
        self.writer.write(json.dumps(line).encode() + b"\n")

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take what happens until the socket ends."""
        while line := await reader.readline():
            event = json.loads(line)
            (self.aired if event["event"] == "aired" else self.others).append(event)


@contextlib.asynccontextmanager
async def live_board(command: Sequence[str], folder: Path) -> AsyncIterator[LiveBoard]:
    """Start `command` (see `board_bench.command`) with a port and a radio in this folder."""
    link, path = folder / "tty", folder / "radio"
    extra = ["--pty", "--radio-socket", str(path), "--link", str(link)]
    process = await asyncio.create_subprocess_exec(
        *command, *extra, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert b'"port"' in await process.stdout.readline()
    reader, writer = await asyncio.open_unix_connection(path)
    board = LiveBoard(link, writer)
    reading = asyncio.create_task(board.read(reader))
    try:
        yield board
    finally:
        process.terminate()
        await process.communicate()
        await reading
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@dataclass
class Farm:
    """A running source and what came out of it."""

    source: SerialRadioSource
    payloads: list[bytes] = field(default_factory=list)
    lost_on_wire: int = 0

    @property
    def listening(self) -> bool:
        """Whether the board has taken its settings since it was last opened."""
        return bool(self.source.health()["listening"])

    @property
    def dropped(self) -> int:
        """What the board says that it lost."""
        return int(str(self.source.health()["dropped"]))


@contextlib.asynccontextmanager
async def running_source(link: Path) -> AsyncIterator[Farm]:
    """Run a `SerialRadioSource` on the port until left."""

    def on_trouble(trouble: RadioTrouble) -> None:
        if trouble.reason == "board_events_lost":
            farm.lost_on_wire += int(trouble.detail.split()[0])

    async def deliver(delivery: Delivery) -> None:
        farm.payloads.append(read_heard(delivery.payload).payload)

    port = SerialLink(SerialSettings(str(link), BAUD), name="live")
    settings = RadioSettings(868_100_000)
    source = SerialRadioSource(port, Board(), settings, write_heard, on_trouble=on_trouble)
    farm = Farm(source)
    task = asyncio.create_task(source.run(deliver))
    try:
        await eventually(lambda: farm.listening)
        yield farm
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


# --- throughput ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flood:
    """What became of many frames; `unheard` ones the radio did not receive, so nobody lost them."""

    sent: int
    heard: int
    dropped: int
    lost_on_wire: int
    unheard: int
    simulated_s: float
    wall_s: float

    @property
    def uncounted(self) -> int:
        """Frames that vanished without a trace."""
        return self.sent - self.unheard - self.heard - self.dropped - self.lost_on_wire


async def flood(board: LiveBoard, farm: Farm, frames: int, per_s: int, size: int = 20) -> Flood:
    """Put frames on the air at a rate of simulated time, however long that takes, and add up."""
    begin_s = time.monotonic()
    board.say(payload="ff" * size)
    await eventually(lambda: board.aired)
    first_us = end_us = int(_time_us(board)) + SETTLE_US
    for number in range(frames):
        await eventually(lambda sent=number: sent + 1 - len(board.aired) < AHEAD)  # type: ignore[misc]
        end_us = max(end_us + 1_000_000 // per_s, int(_time_us(board)) + AIRTIME_US)
        payload = number.to_bytes(4, "big") + bytes(size - 4)
        board.say(payload=payload.hex(), t_us=end_us, airtime_us=AIRTIME_US)
    await eventually(lambda: len(board.aired) == 1 + frames)
    simulated_s = (_time_us(board) - first_us) / 1e6
    wall_s = time.monotonic() - begin_s
    for sent in range(2 + frames, 7 + frames):  # the board's counter comes with the next frame
        board.say(payload="ff" * size)
        await eventually(lambda wanted=sent: len(board.aired) == wanted)  # type: ignore[misc]
        with contextlib.suppress(TimeoutError):
            await eventually(lambda: _sum(board, farm, 0, 0).uncounted == 0, 2.0)
            break
    return _sum(board, farm, simulated_s, wall_s)


def _time_us(board: LiveBoard) -> float:
    return float(str(board.aired[-1]["t_us"]))


def _sum(board: LiveBoard, farm: Farm, simulated_s: float, wall_s: float) -> Flood:
    unheard = sum(not event["heard"] for event in board.aired)
    sent, heard = len(board.aired), len(farm.payloads)
    return Flood(sent, heard, farm.dropped, farm.lost_on_wire, unheard, simulated_s, wall_s)


# --- endurance -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """What a process holds that it may forget to give back."""

    descriptors: int
    threads: int


def held() -> Held:
    """Count open descriptors and threads of this process."""
    return Held(len(list(Path("/proc/self/fd").iterdir())), threading.active_count())


async def replug(board: LiveBoard, farm: Farm, times: int) -> list[float]:
    """Unplug and plug in again; return after how many seconds it listened and was heard from."""
    took_s = []
    for number in range(times):
        openings, heard = int(str(farm.source.health()["openings"])), len(farm.payloads)
        begin_s = time.monotonic()
        board.say(cmd="replug")
        await eventually(lambda before=openings: _is_back(farm, before))  # type: ignore[misc]
        took_s.append(time.monotonic() - begin_s)
        board.say(payload=number.to_bytes(4, "big").hex())
        await eventually(lambda before=heard: len(farm.payloads) > before)  # type: ignore[misc]
    return took_s


def _is_back(farm: Farm, openings: int) -> bool:
    return int(str(farm.source.health()["openings"])) > openings and farm.listening
