"""The in-memory broker behaves as a real one where it matters."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gateway.errors import LinkError
from gateway.links import MemoryBroker, MemoryLink
from gateway.links.memory import matches
from gateway.types import Delivery, Message


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+/c", "a//c", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
    ],
)
def test_wildcards_match_as_mqtt_says(pattern: str, topic: str, *, expected: bool) -> None:
    assert matches(pattern, topic) is expected


async def test_retained_messages_wills_and_outages() -> None:
    broker = MemoryBroker()
    broker.publish(Message("s", b"kept", retain=True))
    broker.publish(Message("gone", b"x", retain=True))
    broker.publish(Message("gone", b"", retain=True))
    will = Message("state", b"offline", retain=True)
    link = MemoryLink(broker, name="l", subscriptions=[("#", 1)], will=will)
    received: list[Delivery] = []
    connects: list[int] = []

    async def on_message(delivery: Delivery) -> None:
        received.append(delivery)

    async def on_connect() -> None:
        connects.append(1)

    task = asyncio.create_task(link.run(on_message, on_connect))
    await asyncio.sleep(0.01)
    assert [(d.topic, d.retained) for d in received] == [("s", True)]
    broker.stop()
    assert broker.retained["state"].payload == b"offline"
    with pytest.raises(LinkError):
        await link.publish(Message("a", b""))
    broker.start()
    await asyncio.sleep(0.01)
    await link.publish(Message("state", b"online", retain=True))
    assert len(connects) == 2
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert broker.retained["state"].payload == b"offline"
