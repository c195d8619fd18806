"""The whole daemon in this process, with brokers that are in memory too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.app import run_app
from gateway.assembly import Assembly
from gateway.config import Config, ConnectionConfig
from gateway.links import MemoryBroker, MemoryLink
from gateway.types import Message

SOON_S = 20.0
"""For what comes at once; a machine under test is busy with other things too."""


@dataclass
class Farm:
    """A running daemon, the broker it shares with ChirpStack, and the parts within."""

    broker: MemoryBroker
    assembly: Assembly

    def say(self, topic: str, payload: bytes = b"", **properties: str) -> None:
        """Publish as anybody would."""
        self.broker.publish(Message(topic, payload, properties=properties))

    def heard(self, topic: str) -> list[Any]:
        """Return every body published on a topic, None where it was cleared."""
        return [
            json.loads(message.payload) if message.payload else None
            for message in self.broker.published
            if message.topic == topic
        ]

    async def until(self, holds: Callable[[], object], what: str = "what was expected") -> None:
        """Wait for it."""
        try:
            async with asyncio.timeout(SOON_S):
                while not holds():  # noqa: ASYNC110 - it looks from outside
                    await asyncio.sleep(0.01)
        except TimeoutError:
            topics = sorted({message.topic for message in self.broker.published})
            raise AssertionError(f"{what} did not come; there are {topics}") from None


@asynccontextmanager
async def running(config: Config, broker: MemoryBroker | None = None) -> AsyncIterator[Farm]:
    """Run the daemon of these settings until the end of the block, then stop it cleanly."""
    shared = broker or MemoryBroker()
    parts: list[Assembly] = []
    stop, ready = asyncio.Event(), asyncio.Event()

    def make_link(
        connection: ConnectionConfig,
        *,
        name: str,
        subscriptions: Sequence[tuple[str, int]] = (),
        will: Message | None = None,
        clean: bool = True,
        now_s: Callable[[], float],
        on_state: Callable[[bool, str], None] | None = None,
    ) -> MemoryLink:
        del on_state  # the broker in memory has no state worth a log line
        return MemoryLink(
            shared,
            name=name,
            client_id=connection.client_id,
            subscriptions=subscriptions,
            will=will,
            clean=clean,
            now_s=now_s,
        )

    daemon = asyncio.create_task(
        run_app(config, stop=stop, ready=ready, assembled=parts.append, make_link=make_link)
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({daemon, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if daemon.done():
        waiting.cancel()
        daemon.result()
    farm = Farm(shared, parts[0])
    try:
        await farm.until(lambda: farm.heard(f"{config.mqtt.base}/bridge/devices"), "a greeting")
        yield farm
    finally:
        stop.set()
        await asyncio.wait_for(daemon, SOON_S)
