"""The serial link over real ptys: a board that is unplugged, renamed, reset, silent."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from gateway.errors import LinkError
from gateway.links import SerialLink, SerialSettings
from gateway.links.serial import find_port
from gateway.links.serial_ports import SerialPort


class Pty:
    """A board's end of a port; `link` is its stable name, which moves at every plugging in."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master = -1
        self.names: set[str] = set()

    def plug(self, first_word: bytes = b"") -> None:
        self.master, slave = os.openpty()
        name = os.ttyname(slave)
        self.names.add(name)
        os.set_blocking(self.master, False)
        if first_word:
            os.write(self.master, first_word)
        self._slave = slave  # held, as a device node holds: else the master sees a hang-up
        aside = self.link.with_suffix(".new")
        aside.symlink_to(name)
        aside.replace(self.link)

    def unplug(self) -> None:
        self.link.unlink()
        os.close(self._slave)
        os.close(self.master)

    def say(self, data: bytes) -> None:
        os.write(self.master, data)

    def read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self.master, 65536)
        return b""


class Running:
    def __init__(self, link: SerialLink) -> None:
        self.link = link
        self.received = b""
        self.opened = 0
        self.lost: list[str] = []

    async def on_bytes(self, data: bytes, _peer: object | None) -> None:
        self.received += data

    async def on_open(self) -> None:
        self.opened += 1

    async def on_lost(self, reason: str) -> None:
        self.lost.append(reason)


async def eventually(true: Callable[[], object], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - the condition is set by another thread
            await asyncio.sleep(0.002)


def settings_for(port: str, **more: float) -> SerialSettings:
    quick = {"boot_s": 0.01, "quiet_s": 0.01, "reconnect_min_s": 0.005, "reconnect_max_s": 0.02}
    return SerialSettings(port=port, **quick | more)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(settings: SerialSettings) -> AsyncIterator[Running]:
    run = Running(SerialLink(settings, name="radio"))
    task = asyncio.create_task(run.link.run(run.on_bytes, run.on_open, run.on_lost))
    try:
        yield run
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def board(tmp_path: Path) -> Pty:
    return Pty(tmp_path / "usb-Example_Radio-if00")


async def test_bytes_go_both_ways_as_they_are(board: Pty) -> None:
    board.plug()
    everything = bytes(range(256)) * 8
    async with running(settings_for(str(board.link))) as run:
        await eventually(lambda: run.opened)
        board.say(everything)
        await eventually(lambda: len(run.received) >= len(everything))
        assert run.received == everything
        written = b""
        for start in range(0, len(everything), 100):
            run.link.write(everything[start : start + 100])
        async with asyncio.timeout(20):
            while len(written) < len(everything):
                written += board.read()
                await asyncio.sleep(0.001)
        assert written == everything
        health = run.link.health()
        assert (health["connected"], health["bytes_in"], health["bytes_out"]) == (True, 2048, 2048)
    board.unplug()


async def test_a_board_unplugged_and_plugged_in_a_hundred_times_is_back_each_time(
    board: Pty,
) -> None:
    this = psutil.Process()
    board.plug()
    async with running(settings_for(str(board.link))) as run:
        await eventually(lambda: run.opened == 1)
        descriptors, threads = this.num_fds(), threading.active_count()
        spare: list[int] = []
        for round_ in range(1, 101):
            board.unplug()
            await eventually(lambda: not run.link.connected)
            if round_ % 3 == 0:
                spare += os.openpty()  # takes the old name, so that the board gets another
            board.plug()
            await eventually(lambda wanted=round_ + 1: run.opened == wanted)  # type: ignore[misc]
            board.say(b"%03d" % round_)
            await eventually(lambda end=b"%03d" % round_: run.received.endswith(end))  # type: ignore[misc]
        assert run.received == b"".join(b"%03d" % round_ for round_ in range(1, 101))
        assert len(board.names) > 10
        for descriptor in spare:
            os.close(descriptor)
        await eventually(lambda: this.num_fds() <= descriptors)
        await eventually(lambda: threading.active_count() <= threads)
        assert run.link.health()["openings"] == 101
    board.unplug()
    await eventually(lambda: not _port_threads())


def _port_threads() -> list[threading.Thread]:
    """Return the threads of open ports; one that has said its last word may still be ending."""
    return [thread for thread in threading.enumerate() if thread.name == "radio-port"]


async def test_a_board_that_boots_is_spoken_to_when_it_has_said_its_first_word(board: Pty) -> None:
    board.plug()
    async with running(settings_for(str(board.link), boot_s=30.0, quiet_s=0.05)) as run:
        await eventually(lambda: run.link.connected)
        assert run.opened == 0
        board.say(b"ets Jun  8 2016 00:22:57\r\n")
        await eventually(lambda: run.opened == 1)
        assert run.received.endswith(b"57\r\n")
    board.unplug()


async def test_a_silent_board_is_spoken_to_after_its_boot_time(board: Pty) -> None:
    board.plug()
    async with running(settings_for(str(board.link))) as run:
        await eventually(lambda: run.opened == 1)
        assert run.received == b""
    board.unplug()


async def test_a_board_that_never_stops_talking_is_spoken_to_all_the_same(board: Pty) -> None:
    board.plug()
    async with running(settings_for(str(board.link), boot_s=0.01, quiet_s=10.0)) as run:
        await eventually(lambda: run.link.connected)
        async with asyncio.timeout(20):
            while not run.opened:
                board.say(b".")
                await asyncio.sleep(0.02)
    board.unplug()


async def test_reopening_closes_the_port_and_says_why(board: Pty) -> None:
    board.plug()
    async with running(settings_for(str(board.link))) as run:
        await eventually(lambda: run.opened == 1)
        run.link.reopen("no answer to `AT`")
        await eventually(lambda: run.opened == 2)
        assert run.lost == ["no answer to `AT`"]
        assert run.link.last_error == ""
    board.unplug()


async def test_a_missing_port_is_named_and_waited_for(board: Pty) -> None:
    async with running(settings_for(str(board.link))) as run:
        await eventually(lambda: run.lost)
        assert "is not there: is the board plugged in?" in run.link.last_error
        with pytest.raises(LinkError, match="is not there"):
            run.link.write(b"AT\r\n")
        board.plug()
        await eventually(lambda: run.opened)
    board.unplug()


async def test_a_port_in_use_is_not_shared(board: Pty) -> None:
    board.plug()
    other = os.open(board.link, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    async with running(settings_for(str(board.link))) as run:
        await eventually(lambda: run.lost)
        assert "in use by another program" in run.lost[0]
        os.close(other)
        await eventually(lambda: run.opened)
    board.unplug()


async def test_a_board_that_takes_nothing_cannot_fill_the_memory(board: Pty) -> None:
    board.plug()
    async with running(settings_for(str(board.link))) as run:
        await eventually(lambda: run.opened)
        with pytest.raises(LinkError, match="takes no bytes"):
            fill(run.link)
    board.unplug()


async def test_what_was_said_before_the_board_vanished_still_arrives(board: Pty) -> None:
    board.plug()
    async with running(settings_for(str(board.link))) as run:
        await eventually(lambda: run.opened)
        board.say(b"last words")
        await eventually(lambda: run.received == b"last words")
        board.unplug()
        await eventually(lambda: run.lost)
        assert "was unplugged" in run.lost[0]


def fill(link: SerialLink) -> None:
    for _ in range(1000):
        link.write(b"x" * 1024)


def port(device: str, usb: str, serial_number: str) -> SerialPort:
    return SerialPort(device, "", usb, "", "", serial_number)


def test_a_port_is_found_by_its_usb_identity() -> None:
    ports = [
        port("/dev/ttyUSB0", "1a86:7523", ""),
        port("/dev/ttyACM0", "2341:0043", "A1"),
        port("/dev/ttyACM1", "2341:0043", "B2"),
    ]
    assert find_port("usb:1A86:7523", lambda: ports) == "/dev/ttyUSB0"
    assert find_port("usb:2341:0043:B2", lambda: ports) == "/dev/ttyACM1"
    assert find_port("/dev/ttyS0", lambda: ports) == "/dev/ttyS0"
    with pytest.raises(LinkError, match="add its serial number"):
        find_port("usb:2341:0043", lambda: ports)
    with pytest.raises(LinkError, match="10c4:ea60 is plugged in"):
        find_port("usb:10c4:ea60", lambda: ports)
