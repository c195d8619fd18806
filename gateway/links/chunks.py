"""The hand-over of raw bytes from a wire's thread (or protocol) to the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

Peer = object | None


class Chunks:
    """Pieces of bytes in the order received; `put` from any thread, `get` on the loop.

    When `limit` bytes wait, the newest piece is dropped and its bytes counted in `dropped`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self.dropped = 0
        self._loop = loop
        self._limit = limit
        self._size = 0
        self._waiting: deque[tuple[bytes, Peer]] = deque()
        self._filled = asyncio.Event()
        self._announced = False
        self._lock = threading.Lock()

    def put(self, data: bytes, peer: Peer = None) -> None:
        """Hand one piece over. Never waits. RuntimeError once the loop has ended."""
        with self._lock:
            if self._size + len(data) > self._limit:
                self.dropped += len(data)
                return
            self._size += len(data)
            self._waiting.append((data, peer))
            announce, self._announced = not self._announced, True
        if announce:  # one wake-up serves all that came before the loop looks
            self._loop.call_soon_threadsafe(self._filled.set)

    def take(self) -> tuple[bytes, Peer] | None:
        """Return the oldest piece, None when there is none."""
        with self._lock:
            if not self._waiting:
                self._filled.clear()
                self._announced = False
                return None
            data, peer = self._waiting.popleft()
            self._size -= len(data)
            return data, peer

    async def get(self) -> tuple[bytes, Peer]:
        """Return the oldest piece; waits while there is none."""
        while (piece := self.take()) is None:
            await self._filled.wait()
        return piece
