"""A source without a wire: for tests, replays and dry runs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.types import Deliver, Delivery, Json


class MemorySource:
    """Delivers what it is fed, in order; `acknowledged` lists what came back committed."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.acknowledged: list[Delivery] = []
        self._waiting: deque[Delivery] = deque()
        self._fed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def feed(self, deliveries: Iterable[Delivery]) -> None:
        """Put deliveries at the end of the line."""
        self._waiting.extend(replace(delivery, source=self.name) for delivery in deliveries)
        if self._waiting:
            self._idle.clear()
            self._fed.set()

    async def drained(self) -> None:
        """Wait until everything fed has been taken."""
        await self._idle.wait()

    async def run(self, deliver: Deliver) -> None:
        """Deliver until cancelled."""
        while True:
            while self._waiting:
                await deliver(self._waiting[0])
                self._waiting.popleft()
            self._idle.set()
            self._fed.clear()
            await self._fed.wait()

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Remember what has been committed."""
        self.acknowledged.extend(deliveries)

    def health(self) -> Mapping[str, Json]:
        """Return that nothing can go wrong here."""
        return {"connected": True, "last_error": "", "waiting": len(self._waiting)}
