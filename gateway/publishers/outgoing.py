"""The pump: everything that leaves, in the order that people need it.

::

    connect -> bridge/state online -> [ live > snapshot > outbox > history ] until cut off

Live messages go first. `snapshot` publishes every retained topic again after a connect. The outbox
holds alerts and commands, at least once and in order. History is what could not be published when
it was new, at a limited rate. Each is sent in groups whose acknowledgements are awaited together.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import LinkError, StoreError
from gateway.types import Delivery, Json, Message, MqttPort

GROUP = 128
"""Messages sent before their acknowledgements are awaited together.

Brokers hold small answers back for some 40 ms: smaller groups drain slower, larger ones make a
live message wait longer while an outage's backlog goes out.
"""

GROUP_BYTES = 500_000
"""No further live message joins a group from here on: the link holds a copy of each."""

HISTORY_GROUP = 64
"""Uplinks of the backlog read and made into messages in one go: the event loop waits for that."""

WAITING_BYTES = 1_000_000
"""From here on a retained message that waits gives way to a newer one of its topic: forecasts are
large, and a burst of uplinks makes many before the broker takes the first."""

RETRY_S = 1.0
"""Pause when the broker is there but does not take a message now."""


class OutboxStore(Protocol):
    """Durable messages, as the store keeps them."""

    def outbox(self, limit: int, after: int = 0) -> list[tuple[int, Message]]:
        """Return the oldest messages behind `after` that are not done, with their numbers."""
        ...

    async def outbox_done(self, seqs: Sequence[int]) -> None:
        """Forget these: the broker has them."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of backlog: all that is to be said of the uplinks `first` to `last`."""

    first: int
    last: int
    messages: tuple[Message, ...]


class History(Protocol):
    """Which stored uplinks were not published yet. All calls are short and on the event loop."""

    def missed(self) -> None:
        """Count everything stored and not yet published as backlog."""
        ...

    def published(self, first: int, last: int) -> None:
        """Take these uplinks as published."""
        ...

    def chunk(self, limit: int) -> Chunk | None:
        """Return the oldest piece of backlog, of at most `limit` uplinks; None without any."""
        ...


class NoHistory:
    """Without a store there is no backlog."""

    def missed(self) -> None:
        """Do nothing."""

    def published(self, first: int, last: int) -> None:
        """Do nothing."""

    def chunk(self, limit: int) -> Chunk | None:  # noqa: ARG002 - the protocol has it
        """Return that there is none."""
        return None


class _Offer:
    """The live messages of one commit; `whole` until one of them is not published."""

    __slots__ = ("first", "last", "left", "whole")

    def __init__(self, first: int, last: int, left: int, *, whole: bool) -> None:
        self.first = first
        self.last = last
        self.left = left
        self.whole = whole


@dataclass(slots=True)
class _Live:
    message: Message
    offer: _Offer


class Publisher:
    """Runs the link and sends what it is offered.

    `limit` bounds live messages that wait: beyond it a retained one replaces the older of its
    topic (whose uplinks then come as history), and one that is not retained is dropped and
    counted. While there is no connection nothing retained waits: `snapshot` and history tell it.
    `head_seq` is the newest uplink in the store at the start.
    """

    def __init__(
        self,
        link: MqttPort,
        outbox: OutboxStore,
        *,
        online: Message,
        snapshot: Callable[[], Iterable[Message]],
        head_seq: int,
        history: History | None = None,
        history_per_s: int = 1000,
        limit: int = 2048,
    ) -> None:
        self._link = link
        self._outbox = outbox
        self._online = online
        self._snapshot = snapshot
        self._history = history or NoHistory()
        self._history_per_s = history_per_s
        self._limit = limit
        self._live: deque[_Live] = deque()
        self._by_topic: dict[str, _Live] = {}
        self._waiting_bytes = 0
        self._again: Iterator[Message] = iter(())
        self._greeting = asyncio.Event()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._head = head_seq
        self._history_due_s = 0.0
        self._counts = {"published": 0, "historical": 0, "superseded": 0, "dropped": 0}

    def offer(self, live: Sequence[Message], head_seq: int) -> None:
        """Take what a commit leads to: live messages here, durable ones already in the outbox.

        `head_seq` is the newest uplink in the store. Never waits.
        """
        first, self._head = self._head + 1, max(self._head, head_seq)
        messages = [message for message in live if not message.durable]
        told_anyway = self._greeting.is_set() or not self._link.connected
        offer = _Offer(first, self._head, len(messages), whole=not told_anyway)
        for message in messages:
            if not (told_anyway and message.retain):
                self._put(_Live(message, offer))
        self._idle.clear()
        if not messages:
            self._settle(offer)
        self._wake.set()

    def refresh(self) -> None:
        """Publish every retained topic again, such as when Home Assistant comes up."""
        self._again = iter(self._snapshot())
        self._wake.set()

    async def flush(self, within_s: float) -> bool:
        """Wait until what was offered, and the outbox, is out; False when it takes longer.

        For a clean stop: what is not out then goes out after the next start.
        """
        try:
            await asyncio.wait_for(self._idle.wait(), within_s)
        except TimeoutError:
            return False
        return True

    def health(self) -> Mapping[str, Json]:
        """Return counters and state for `bridge/health`."""
        return {
            "connected": self._link.connected,
            "last_error": self._link.last_error,
            "waiting": len(self._live),
            **self._counts,
        }

    async def run(self, on_message: Callable[[Delivery], Awaitable[None]]) -> None:
        """Run the link, and send until cancelled; what the link receives goes to `on_message`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run(on_message, self._on_connect), name="publisher-link")
            group.create_task(self._pump(), name="publisher-pump")

    async def _on_connect(self) -> None:
        self._greeting.set()
        self._wake.set()
        await asyncio.sleep(0)

    async def _pump(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if self._greeting.is_set():
                    await self._greet()
                while not self._greeting.is_set() and self._link.connected and await self._step():
                    pass
                if self._link.connected and not self._wake.is_set():
                    self._idle.set()
            except LinkError:
                if self._link.connected:  # it may only look so, hence no longer than a new connect
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._greeting.wait(), RETRY_S)
                    self._wake.set()

    async def _greet(self) -> None:
        """Say online, and begin again with everything that is retained."""
        self._greeting.clear()
        for item in self._live:
            item.offer.whole = False
        self._live = deque(item for item in self._live if not item.message.retain)
        self._waiting_bytes = sum(len(item.message.payload) for item in self._live)
        self._by_topic.clear()
        self._history.missed()
        self._again = itertools.chain([self._online], self._snapshot())
        await self._send_again(list(itertools.islice(self._again, 1)))

    async def _step(self) -> bool:
        """Send one group of the most urgent kind; False when there is nothing to send now."""
        if self._live:
            await self._send_live()
        elif again := list(itertools.islice(self._again, GROUP)):
            await self._send_again(again)
        elif durable := self._outbox.outbox(GROUP):
            await self._send_durable(durable)
        else:
            return await self._send_history()
        return True

    async def _send_live(self) -> None:
        group = self._take_group()
        sent = await self._send([item.message for item in group])
        for item in group[:sent]:
            item.offer.left -= 1
            if item.offer.left == 0:
                self._settle(item.offer)
        for item in group[sent:]:
            item.offer.whole = False
        self._check(sent, group)

    async def _send_again(self, messages: Sequence[Message]) -> None:
        sent = await self._send(messages)
        self._again = itertools.chain(messages[sent:], self._again)
        self._check(sent, messages)

    async def _send_durable(self, items: Sequence[tuple[int, Message]]) -> None:
        sent = await self._send([message for _, message in items])
        if sent:
            # A store that cannot write says so at every commit; these go out once more then.
            with contextlib.suppress(StoreError):
                await self._outbox.outbox_done([seq for seq, _ in items[:sent]])
        self._check(sent, items)

    async def _send_history(self) -> bool:
        loop = asyncio.get_running_loop()
        wait_s = self._history_due_s - loop.time()
        if wait_s > 0:
            loop.call_later(wait_s, self._wake.set)
            return False
        chunk = self._history.chunk(HISTORY_GROUP)
        if chunk is None:
            return False
        sent = await self._send(chunk.messages)
        self._check(sent, chunk.messages)
        self._history.published(chunk.first, chunk.last)
        self._counts["historical"] += sent
        self._history_due_s = loop.time() + sent / self._history_per_s
        return True

    async def _send(self, messages: Sequence[Message]) -> int:
        """Publish all at once, in order; return how many from the first on the broker has."""
        publications = (self._link.publish(message) for message in messages)
        results = await asyncio.gather(*publications, return_exceptions=True)
        for sent, result in enumerate(results):
            if isinstance(result, LinkError):
                self._counts["published"] += sent
                return sent
            if isinstance(result, BaseException):
                raise result
        self._counts["published"] += len(messages)
        return len(messages)

    def _check(self, sent: int, wanted: Sequence[object]) -> None:
        if sent < len(wanted):
            raise LinkError(self._link.last_error or "The broker did not take a message.")

    def _put(self, item: _Live) -> None:
        topic = item.message.topic
        older = self._by_topic.get(topic)
        if len(self._live) >= self._limit and not item.message.retain:
            self._counts["dropped"] += 1
            item.offer.left -= 1
            item.offer.whole = False
            return
        if (len(self._live) >= self._limit or self._waiting_bytes >= WAITING_BYTES) and older:
            self._counts["superseded"] += 1
            older.offer.whole = False
            self._waiting_bytes += len(item.message.payload) - len(older.message.payload)
            older.message, older.offer = item.message, item.offer
            return
        if item.message.retain:
            self._by_topic[topic] = item
        self._live.append(item)
        self._waiting_bytes += len(item.message.payload)

    def _take_group(self) -> list[_Live]:
        group: list[_Live] = []
        size = 0
        while self._live and len(group) < GROUP and size < GROUP_BYTES:
            group.append(self._take())
            size += len(group[-1].message.payload)
        return group

    def _take(self) -> _Live:
        item = self._live.popleft()
        self._waiting_bytes -= len(item.message.payload)
        if self._by_topic.get(item.message.topic) is item:
            del self._by_topic[item.message.topic]
        return item

    def _settle(self, offer: _Offer) -> None:
        if offer.whole and offer.first <= offer.last:
            self._history.published(offer.first, offer.last)
