"""The ChirpStack source over the in-memory broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from gateway.links import MemoryBroker, MemoryLink
from gateway.sources import ChirpStackSource
from gateway.types import Delivery, Message

TOPIC = "application/+/device/+/event/+"
UP = "application/a/device/0102030405060708/event/up"


@contextlib.asynccontextmanager
async def running(
    broker: MemoryBroker, received: list[Delivery]
) -> AsyncIterator[tuple[ChirpStackSource, MemoryLink]]:
    link = MemoryLink(broker, name="in", subscriptions=[(TOPIC, 1)], clean=False)
    source = ChirpStackSource(link, TOPIC)

    async def deliver(delivery: Delivery) -> None:
        received.append(delivery)

    task = asyncio.create_task(source.run(deliver))
    await settle()
    try:
        yield source, link
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_events_arrive_as_they_were_sent() -> None:
    broker, received = MemoryBroker(), []
    async with running(broker, received) as (source, _):
        broker.publish(Message(UP, b"\x00not json"))
        broker.publish(Message("application/a/device/b/command/down", b"{}"))
        await settle()
        assert [(d.source, d.topic, d.payload) for d in received] == [
            ("chirpstack", UP, b"\x00not json")
        ]
        assert source.health()["connected"] is True
        assert source.health()["received"] == 1


async def test_what_was_not_acknowledged_comes_again_after_a_reconnect() -> None:
    broker, received = MemoryBroker(), []
    async with running(broker, received) as (source, link):
        for n in range(3):
            broker.publish(Message(UP, b"%d" % n))
        await settle()
        source.ack(received[:2])
        link.disconnect()
        await settle()
        assert source.health()["connected"] is False
        broker.publish(Message(UP, b"3"))
        link.connect()
        await settle()
        assert [d.payload for d in received] == [b"0", b"1", b"2", b"2", b"3"]
        source.ack(received[2:3])
        assert broker.unacknowledged("in") == 2
        source.ack(received[3:])
        assert broker.unacknowledged("in") == 0


async def test_messages_wait_at_the_broker_while_the_source_is_away() -> None:
    broker, received = MemoryBroker(), []
    async with running(broker, received):
        pass
    broker.publish(Message(UP, b"while away"))
    async with running(broker, received):
        assert [d.payload for d in received] == [b"while away"]
