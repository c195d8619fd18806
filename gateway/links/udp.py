"""A UDP endpoint for packet forwarders, behind `BytePort`; a peer is its (host, port).

Loopback unless told otherwise: the protocol knows no passwords. `MemorySerial` is its twin.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import cast

from gateway.errors import LinkError
from gateway.links.backoff import Backoff
from gateway.links.chunks import Chunks, Peer
from gateway.types import Json

MOST_UNREAD = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class UdpSettings:
    """Where to listen; forwarders are set to port 1700 or 1680 by their makers."""

    host: str = "127.0.0.1"
    port: int = 1700
    reconnect_min_s: float = 0.5
    reconnect_max_s: float = 5.0


class UdpLink:
    """One UDP socket for as long as `run` runs. `on_state` hears (connected, last_error)."""

    def __init__(
        self,
        settings: UdpSettings,
        *,
        name: str,
        on_state: Callable[[bool, str], None] | None = None,
    ) -> None:
        self._settings = settings
        self._name = name
        self._on_state = on_state
        self._backoff = Backoff(settings.reconnect_min_s, settings.reconnect_max_s)
        self._endpoint: _Endpoint | None = None
        self._last_error = ""
        self._dropped = 0
        self._bytes_in = 0
        self._bytes_out = 0
        self._openings = 0

    @property
    def connected(self) -> bool:
        """Whether the socket is bound."""
        return self._endpoint is not None

    @property
    def last_error(self) -> str:
        """The last thing that went wrong, "" when nothing did since the socket was bound."""
        return self._last_error

    @property
    def address(self) -> tuple[str, int] | None:
        """Where the socket is bound: with port 0 in the settings, the system chose it."""
        return None if self._endpoint is None else self._endpoint.address

    def health(self) -> Mapping[str, Json]:
        """Return counters and state for `bridge/health`."""
        return {
            "connected": self.connected,
            "last_error": self._last_error,
            "port": f"udp://{self._settings.host}:{self._settings.port}",
            "openings": self._openings,
            "bytes_in": self._bytes_in,
            "bytes_out": self._bytes_out,
            "bytes_dropped": self._dropped,
        }

    async def run(
        self,
        on_bytes: Callable[[bytes, Peer], Awaitable[None]],
        on_open: Callable[[], Awaitable[None]],
        on_lost: Callable[[str], Awaitable[None]],
    ) -> None:
        """Bind, receive and bind again until cancelled; the calls come one at a time."""
        while True:
            reason = await self._live(on_bytes, on_open)
            self._changed(reason)
            await on_lost(reason)
            await asyncio.sleep(self._backoff.next_s())

    def write(self, data: bytes, peer: Peer = None) -> None:
        """Send one datagram. Never waits.

        Raises
        ------
        LinkError
            The socket is not bound, the peer is none, or too much waits to be sent.

        """
        if self._endpoint is None:
            raise LinkError(self._last_error or "The socket is not bound.")
        self._endpoint.send(data, peer)
        self._bytes_out += len(data)

    def reopen(self, reason: str) -> None:
        """Close and bind again."""
        if self._endpoint is not None:
            self._endpoint.end(reason)

    async def _live(
        self,
        on_bytes: Callable[[bytes, Peer], Awaitable[None]],
        on_open: Callable[[], Awaitable[None]],
    ) -> str:
        settings = self._settings
        endpoint = _Endpoint()
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: endpoint, local_addr=(settings.host, settings.port)
            )
        except OSError as error:
            return f"udp://{settings.host}:{settings.port}: {error.strerror or error}."
        try:
            self._endpoint = endpoint
            self._openings += 1
            self._backoff.reset()
            self._changed("")
            await on_open()
            while (piece := await endpoint.next()) is not None:
                self._bytes_in += len(piece[0])
                await on_bytes(*piece)
        finally:
            self._endpoint = None
            self._dropped += endpoint.chunks.dropped
            endpoint.end("closed")
            await asyncio.shield(endpoint.closed.wait())
        return endpoint.reason

    def _changed(self, error: str) -> None:
        self._last_error = error
        if self._on_state is not None:
            self._on_state(self.connected, error)


class _Endpoint(asyncio.DatagramProtocol):
    """One bound socket."""

    def __init__(self) -> None:
        self.reason = ""
        self.address: tuple[str, int] | None = None
        self.chunks = Chunks(asyncio.get_running_loop(), MOST_UNREAD)
        self._full = False
        self.closed = asyncio.Event()
        self._ended = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # it is none by inheritance
        host, port = transport.get_extra_info("sockname")[:2]
        self.address = (str(host), int(port))

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        self.chunks.put(data, addr)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False

    def error_received(self, exc: Exception) -> None:
        """Pass over an unreachable peer: another may be there."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        self.end(str(exc) if exc else "The socket was closed.")

    async def next(self) -> tuple[bytes, Peer] | None:
        """Return the next datagram, None when the socket has ended."""
        if (piece := self.chunks.take()) is not None:
            return piece
        getting = asyncio.ensure_future(self.chunks.get())
        ending = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({getting, ending}, return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else None
        finally:
            getting.cancel()
            ending.cancel()

    def send(self, data: bytes, peer: Peer) -> None:
        if self._transport is None or not isinstance(peer, tuple):
            raise LinkError("There is nobody to send this datagram to.")
        if self._full:
            raise LinkError("Too many datagrams wait to be sent.")
        self._transport.sendto(data, peer)

    def end(self, reason: str) -> None:
        if not self._ended.is_set():
            self.reason = reason
            self._ended.set()
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.close()
