"""The serial radio source over the in-memory wire, and once over a real pty."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable

import pytest
from radio_transcripts import transcripts

from gateway.codecs.radio import Board, Reyax, RNode, read_heard, write_heard
from gateway.codecs.radio.board_frames import BoardStream, Type, read_frame, write_frame
from gateway.errors import ConfigError
from gateway.links import MemorySerial, SerialLink, SerialSettings
from gateway.sources import SerialRadioSource
from gateway.types import BytePort, Delivery, RadioSettings, Transmit, TransmitOutcome

SETTINGS = RadioSettings(868_100_000)
LIFE = next(one for one in transcripts() if one.device == "board")
INFORMATION = read_frame(LIFE.said[0].strip(b"\x00")).body


class FakeBoard:
    """Answers as firmware/SPEC.md says; `sends` False: it takes packets and never tells."""

    def __init__(self, *, sends: bool = True) -> None:
        self.commands: list[int] = []
        self._stream = BoardStream()
        self.sends = sends
        self._events = 0

    def __call__(self, data: bytes) -> bytes:
        return b"".join(self._answer(stuffed) for stuffed in self._stream.feed(data))

    def heard(self, payload: bytes, *, crc: int = 1, dropped: int = 0) -> bytes:
        fixed = bytes.fromhex("40420f00a027be3306ffffff70fe26070705")
        return self._event(
            Type.RECEIVED, fixed + bytes((crc, 0)) + dropped.to_bytes(2, "little") + payload
        )

    def _answer(self, stuffed: bytes) -> bytes:
        frame = read_frame(stuffed)
        self.commands.append(frame.type)
        body = INFORMATION if frame.type == Type.INFO else b""
        if frame.type == Type.TRANSMIT:
            body = frame.body[:4]
        if frame.type == Type.CANCEL and self.sends:
            return write_frame(Type.ERROR, frame.seq, bytes((frame.type, 7)))
        answer = write_frame(frame.type | 0x80, frame.seq, body)
        if frame.type == Type.TRANSMIT and self.sends:
            answer += self._event(Type.TRANSMITTED, bytes((frame.seq, 0)) + frame.body[:4] * 2)
        return answer

    def _event(self, kind: int, body: bytes) -> bytes:
        self._events += 1
        return write_frame(kind, (self._events - 1) % 256, body)


@contextlib.asynccontextmanager
async def running(link: BytePort, received: list[Delivery]) -> AsyncIterator[SerialRadioSource]:
    source = SerialRadioSource(link, Board(), SETTINGS, write_heard, name="barn", now_s=lambda: 7.0)

    async def deliver(delivery: Delivery) -> None:
        received.append(delivery)

    task = asyncio.create_task(source.run(deliver))
    try:
        yield source
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - the condition is set by the source
            await asyncio.sleep(0.002)


async def test_every_heard_frame_is_delivered_once_with_what_the_radio_told() -> None:
    board, received = FakeBoard(), []
    link = MemorySerial(board)
    async with running(link, received) as source:
        await until(lambda: source.health()["listening"])
        link.say(board.heard(b"one") + b"\x13noise\x00" + board.heard(b"two", dropped=3))
        await until(lambda: len(received) == 2)
        assert [read_heard(delivery.payload).payload for delivery in received] == [b"one", b"two"]
        assert received[0].topic == "radio/barn"
        assert (received[0].source, received[0].received_s) == ("barn", 7.0)
        assert read_heard(received[1].payload).rssi_dbm == -100
        health = source.health()
        assert (health["heard"], health["dropped"]) == (2, 3)
        assert (health["board"], health["firmware"]) == ("lora-gateway board (ATmega328P)", "0.3.1")
        assert health["troubles"] == {"board_bad_frame": 1}


async def test_a_frame_with_a_wrong_checksum_is_counted_and_not_delivered() -> None:
    board, received = FakeBoard(), []
    link = MemorySerial(board)
    async with running(link, received) as source:
        await until(lambda: source.health()["listening"])
        link.say(board.heard(b"bad", crc=2) + board.heard(b"good"))
        await until(lambda: received)
        assert [read_heard(delivery.payload).payload for delivery in received] == [b"good"]
        assert source.health()["crc_errors"] == 1


async def test_a_packet_is_sent_and_its_time_told() -> None:
    link = MemorySerial(FakeBoard())
    async with running(link, []) as source:
        await until(lambda: source.health()["listening"])
        sent = await source.transmit(Transmit("a", b"x", at_us=5_000_000))
        assert (sent.outcome, sent.counter_us) == (TransmitOutcome.SENT, 5_000_000)
        assert source.health()["sent"] == 1


async def test_a_packet_without_a_board_is_refused_and_one_cut_off_has_failed() -> None:
    board = FakeBoard(sends=False)
    link = MemorySerial(board, plugged=False)
    async with running(link, []) as source:
        refused = await source.transmit(Transmit("a", b"x"))
        assert refused.outcome is TransmitOutcome.REFUSED
        link.plug()
        await until(lambda: source.health()["listening"])
        sending = asyncio.create_task(source.transmit(Transmit("b", b"x")))
        await until(lambda: Type.TRANSMIT in board.commands)
        link.unplug()
        assert (await sending).outcome is TransmitOutcome.FAILED
        assert source.health()["connected"] is False
        assert source.health()["listening"] is False


async def test_a_packet_is_taken_back_and_its_sender_told() -> None:
    board = FakeBoard(sends=False)
    link = MemorySerial(board)
    async with running(link, []) as source:
        await until(lambda: source.health()["listening"])
        sending = asyncio.create_task(source.transmit(Transmit("a", b"x", at_us=5_000_000)))
        await until(lambda: Type.TRANSMIT in board.commands)
        assert await asyncio.gather(source.cancel("a"), source.cancel("a")) == ["", ""]
        assert (await sending).outcome is TransmitOutcome.CANCELLED
        assert await source.cancel("a") == "no such packet waits to be sent"


async def test_a_packet_that_nobody_waits_for_any_more_is_taken_back() -> None:
    board = FakeBoard(sends=False)
    link = MemorySerial(board)
    async with running(link, []) as source:
        await until(lambda: source.health()["listening"])
        sending = asyncio.create_task(source.transmit(Transmit("a", b"x", at_us=5_000_000)))
        await until(lambda: Type.TRANSMIT in board.commands)
        sending.cancel()
        await until(lambda: Type.CANCEL in board.commands)
        await until(sending.cancelled)


async def test_a_packet_that_cannot_be_taken_back_says_why_and_ends_as_it_would() -> None:
    board = FakeBoard(sends=False)
    link = MemorySerial(board)
    async with running(link, []) as source:
        await until(lambda: source.health()["listening"])
        sending = asyncio.create_task(source.transmit(Transmit("a", b"x")))
        await until(lambda: Type.TRANSMIT in board.commands)
        board.sends = True
        assert await source.cancel("a") == "nothing to cancel"
        assert not sending.done()
        link.unplug()
        assert (await sending).outcome is TransmitOutcome.FAILED


async def test_a_board_that_comes_back_is_set_up_again() -> None:
    board, received = FakeBoard(), []
    link = MemorySerial(board)
    async with running(link, received) as source:
        for round_ in range(1, 4):
            await until(lambda: source.health()["listening"])
            link.say(board.heard(b"%d" % round_))
            await until(lambda wanted=round_: len(received) == wanted)  # type: ignore[misc]
            link.unplug()
            await until(lambda: not source.health()["listening"])
            link.plug()
        await until(lambda: source.health()["listening"])
    assert board.commands.count(Type.CONFIGURE) == 4


async def test_a_dead_board_has_its_port_opened_again() -> None:
    link = MemorySerial()
    async with running(link, []):
        await until(lambda: link.openings == 2)


def test_settings_a_board_cannot_have_are_refused_at_once() -> None:
    for dialect in (RNode(), Reyax()):
        with pytest.raises(ConfigError, match="sync word"):
            SerialRadioSource(MemorySerial(), dialect, SETTINGS, write_heard)


async def test_a_real_port_carries_it_all() -> None:
    master, slave = os.openpty()
    os.set_blocking(master, False)
    board, received = FakeBoard(), []
    loop = asyncio.get_running_loop()
    loop.add_reader(master, lambda: os.write(master, board(os.read(master, 4096))))
    link = SerialLink(SerialSettings(os.ttyname(slave), 500_000, boot_s=0.01), name="barn")
    try:
        async with running(link, received) as source:
            await until(lambda: source.health()["listening"])
            for number in range(50):
                os.write(master, board.heard(b"%d" % number))
            await until(lambda: len(received) == 50)
            assert (await source.transmit(Transmit("a", b"x"))).outcome is TransmitOutcome.SENT
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)
