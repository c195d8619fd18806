"""The source without a wire."""

from __future__ import annotations

import asyncio

from gateway.sources import MemorySource
from gateway.types import Delivery


async def test_what_is_fed_is_delivered_in_order_and_remembered_when_acknowledged() -> None:
    source = MemorySource("replay")
    taken: list[Delivery] = []

    async def deliver(delivery: Delivery) -> None:
        taken.append(delivery)

    task = asyncio.create_task(source.run(deliver))
    source.feed(Delivery("x", "t", b"%d" % n, 0.0) for n in range(5))
    await source.drained()
    source.ack(taken[:2])
    assert [d.payload for d in taken] == [b"0", b"1", b"2", b"3", b"4"]
    assert {d.source for d in taken} == {"replay"}
    assert source.acknowledged == taken[:2]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
