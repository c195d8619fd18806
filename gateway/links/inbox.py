"""The hand-over from the network thread to the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from gateway.types import Delivery


@dataclass(frozen=True, slots=True)
class Token:
    """What acknowledges a delivery: only the connection that brought it can."""

    generation: int
    mid: int


class Inbox:
    """Deliveries in the order received; `put` from any thread, `get` on the loop.

    When full (`limit`), a QoS 0 delivery is dropped and counted in `dropped`. QoS 1 is always
    taken: the broker itself stops at its window of unacknowledged messages.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self.dropped = 0
        self._loop = loop
        self._limit = limit
        self._waiting: deque[Delivery] = deque()
        self._filled = asyncio.Event()
        self._announced = False
        self._since = 0

    def __len__(self) -> int:
        """Return how many deliveries wait."""
        return len(self._waiting)

    def put(self, delivery: Delivery) -> None:
        """Hand one delivery over. Never waits."""
        if delivery.qos == 0 and len(self._waiting) >= self._limit:
            self.dropped += 1
            return
        self._waiting.append(delivery)
        if not self._announced:  # one wake-up serves all that came before the loop looks
            self._announced = True
            self._loop.call_soon_threadsafe(self._filled.set)

    async def get(self) -> Delivery:
        """Return the oldest delivery that will not come again; waits while there is none."""
        while True:
            while not self._waiting:
                self._filled.clear()
                self._announced = False
                if not self._waiting:  # a `put` may have come before the flag was down
                    await self._filled.wait()
            delivery = self._waiting.popleft()
            token = delivery.token
            if not isinstance(token, Token) or token.generation >= self._since:
                return delivery

    def resumed(self, generation: int) -> None:
        """Skip what earlier connections brought to be acknowledged: it is sent again."""
        self._since = generation
