"""The serial and UDP links' in-memory twin: a wire whose other end is this program."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from gateway.errors import LinkError
from gateway.types import Json

Peer = object | None


class MemorySerial:
    """`BytePort` without a wire; `board` is called with what is written and returns the answer.

    `say` sends as the board, `unplug` and `plug` cut and mend; `written` is all that was written,
    piece by piece. With peers it stands in for UDP.
    """

    def __init__(
        self, board: Callable[[bytes], bytes] | None = None, *, plugged: bool = True
    ) -> None:
        self.written: list[tuple[bytes, Peer]] = []
        self.openings = 0
        self._board = board
        self._plugged = plugged
        self._open = False
        self._last_error = ""
        self._said: deque[tuple[bytes, Peer]] = deque()
        self._change = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether the wire is open."""
        return self._open

    @property
    def last_error(self) -> str:
        """The last thing that went wrong, "" when nothing did since the wire was opened."""
        return self._last_error

    def health(self) -> Mapping[str, Json]:
        """Return the same state as the real link."""
        return {
            "connected": self._open,
            "last_error": self._last_error,
            "port": "memory",
            "openings": self.openings,
            "bytes_in": 0,
            "bytes_out": sum(len(data) for data, _ in self.written),
            "bytes_dropped": 0,
        }

    def say(self, data: bytes, peer: Peer = None) -> None:
        """Send as the board does; lost while unplugged."""
        if self._plugged:
            self._said.append((data, peer))
            self._change.set()

    def unplug(self) -> None:
        """Take the board away."""
        self._plugged = False
        self._lose("memory was unplugged.")

    def plug(self) -> None:
        """Bring the board back."""
        self._plugged = True
        self._change.set()

    def write(self, data: bytes, peer: Peer = None) -> None:
        """Put bytes on the wire; a `board` answers at once.

        Raises
        ------
        LinkError
            The wire is not open.

        """
        if not self._open:
            raise LinkError(self._last_error or "The port is not open.")
        self.written.append((data, peer))
        if self._board is not None and (answer := self._board(data)):
            self.say(answer, peer)

    def reopen(self, reason: str) -> None:
        """Close and open again."""
        self._lose(reason)

    async def run(
        self,
        on_bytes: Callable[[bytes, Peer], Awaitable[None]],
        on_open: Callable[[], Awaitable[None]],
        on_lost: Callable[[str], Awaitable[None]],
    ) -> None:
        """Open, read and open again until cancelled."""
        try:
            while True:
                self._change.clear()
                if self._plugged:
                    await self._live(on_bytes, on_open)
                    await on_lost(self._last_error)
                else:
                    await self._change.wait()
        finally:
            self._open = False

    async def _live(
        self,
        on_bytes: Callable[[bytes, Peer], Awaitable[None]],
        on_open: Callable[[], Awaitable[None]],
    ) -> None:
        self._open, self._last_error = True, ""
        self.openings += 1
        await on_open()
        while self._open:
            while self._said and self._open:
                await on_bytes(*self._said.popleft())
            self._change.clear()
            if self._open and not self._said:
                await self._change.wait()

    def _lose(self, reason: str) -> None:
        self._open, self._last_error = False, reason
        self._said.clear()
        self._change.set()
