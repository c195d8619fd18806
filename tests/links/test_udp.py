"""The UDP link on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.errors import LinkError
from gateway.links import UdpLink, UdpSettings

pytestmark = pytest.mark.network


class Running:
    def __init__(self, link: UdpLink) -> None:
        self.link = link
        self.received: asyncio.Queue[tuple[bytes, object]] = asyncio.Queue()
        self.opened = asyncio.Event()
        self.lost: list[str] = []

    async def on_bytes(self, data: bytes, peer: object | None) -> None:
        self.received.put_nowait((data, peer))

    async def on_open(self) -> None:
        self.opened.set()

    async def on_lost(self, reason: str) -> None:
        self.lost.append(reason)


@contextlib.asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[Running]:
    settings = UdpSettings(port=port, reconnect_min_s=0.01, reconnect_max_s=0.02)
    run = Running(UdpLink(settings, name="forwarders"))
    task = asyncio.create_task(run.link.run(run.on_bytes, run.on_open, run.on_lost))
    try:
        async with asyncio.timeout(20):
            yield run
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.contextmanager
def forwarder() -> contextlib.AbstractContextManager[socket.socket]:  # type: ignore[misc]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(20)
        yield sock


async def test_every_datagram_arrives_whole_with_its_sender_and_is_answered_there() -> None:
    async with running() as run:
        await run.opened.wait()
        assert run.link.address is not None
        with forwarder() as one, forwarder() as two:
            for sock, data in ((one, b"a" * 2000), (two, b""), (one, b"b")):
                sock.sendto(data, run.link.address)
                assert await run.received.get() == (data, sock.getsockname())
            run.link.write(b"to two", two.getsockname())
            assert await asyncio.to_thread(two.recv, 100) == b"to two"
        with pytest.raises(LinkError, match="nobody"):
            run.link.write(b"to nobody")


async def test_a_vanished_forwarder_does_not_end_the_link() -> None:
    async with running() as run:
        await run.opened.wait()
        assert run.link.address is not None
        with forwarder() as sock:
            gone = sock.getsockname()
        for _ in range(5):
            run.link.write(b"x", gone)
            await asyncio.sleep(0)
        with forwarder() as sock:
            sock.sendto(b"here", run.link.address)
            assert (await run.received.get())[0] == b"here"
        assert run.lost == []


async def test_a_taken_port_is_named_and_waited_for() -> None:
    with forwarder() as sock:
        taken = sock.getsockname()[1]
        async with running(taken) as run:
            while not run.lost:  # noqa: ASYNC110 - set by the link
                await asyncio.sleep(0.005)
            assert "Address already in use" in run.link.last_error
            sock.close()
            await run.opened.wait()
            assert run.link.connected


async def test_the_socket_is_bound_anew_when_told() -> None:
    async with running() as run:
        await run.opened.wait()
        run.opened.clear()
        run.link.reopen("told to")
        await run.opened.wait()
        assert run.lost == ["told to"]
        assert run.link.health()["openings"] == 2
