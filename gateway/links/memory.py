"""The MQTT link's in-memory twin: a broker without a wire, for tests, replays and dry runs.

It keeps what matters of a real broker: retained messages, wildcards, persistent sessions that
queue while the client is away, QoS 1 redelivery of what was not acknowledged, and last wills.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from gateway.errors import LinkError
from gateway.links.inbox import Token
from gateway.types import Delivery, Message


def matches(pattern: str, topic: str) -> bool:
    """Tell whether a topic falls under a subscription, by the rules of MQTT 3.1.1 section 4.7."""
    wanted, given = pattern.split("/"), topic.split("/")
    if given[0].startswith("$") and wanted[0] in {"+", "#"}:
        return False
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        given = given[: len(wanted)] if len(given) >= len(wanted) else given
    return len(wanted) == len(given) and all(
        w in ("+", g) for w, g in zip(wanted, given, strict=True)
    )


@dataclass
class _Session:
    """What the broker knows of one client."""

    subscriptions: Sequence[tuple[str, int]] = ()
    link: MemoryLink | None = None
    unacknowledged: dict[int, tuple[Message, bool]] = field(default_factory=dict)
    mids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def receive(self, message: Message, *, retained: bool) -> None:
        granted = [qos for topic, qos in self.subscriptions if matches(topic, message.topic)]
        if not granted:
            return
        message = replace(message, qos=min(message.qos, *granted))
        mid = 0
        if message.qos:
            mid = next(self.mids)
            self.unacknowledged[mid] = (message, retained)
        if self.link is not None:
            self.link.arrived(message, mid, retained=retained)


class MemoryBroker:
    """A broker in this process. `published` lists every message it has taken, oldest first."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.retained: dict[str, Message] = {}
        self.running = True
        self._sessions: dict[str, _Session] = {}
        self._links: list[MemoryLink] = []

    def publish(self, message: Message) -> None:
        """Take one message and pass it on."""
        self.published.append(message)
        if message.retain and message.payload:
            self.retained[message.topic] = message
        elif message.retain:
            self.retained.pop(message.topic, None)
        for session in list(self._sessions.values()):
            session.receive(message, retained=False)

    def stop(self) -> None:
        """Cut every connection and accept none; sessions and retained messages are kept."""
        self.running = False
        for link in self._links:
            link.changed()

    def start(self) -> None:
        """Accept connections again."""
        self.running = True
        for link in self._links:
            link.changed()

    def register(self, link: MemoryLink) -> None:
        """Know a link, so that it hears of `stop` and `start`."""
        self._links.append(link)

    def attach(self, link: MemoryLink, *, clean: bool) -> None:
        """Accept a link: resume its session or make one, then send what waits for it."""
        if clean:
            self._sessions.pop(link.client_id, None)
        session = self._sessions.setdefault(link.client_id, _Session())
        session.link, session.subscriptions = link, link.subscriptions
        for mid, (message, retained) in list(session.unacknowledged.items()):
            link.arrived(message, mid, retained=retained)
        for message in list(self.retained.values()):
            session.receive(message, retained=True)

    def detach(self, link: MemoryLink, *, clean: bool) -> None:
        """Forget the connection, and with `clean` the session too."""
        if clean:
            self._sessions.pop(link.client_id, None)
        elif (session := self._sessions.get(link.client_id)) is not None:
            session.link = None

    def acknowledged(self, client_id: str, mid: int) -> None:
        """Forget one message that its receiver now has."""
        if (session := self._sessions.get(client_id)) is not None:
            session.unacknowledged.pop(mid, None)

    def unacknowledged(self, client_id: str) -> int:
        """Return how many messages a client has not acknowledged."""
        session = self._sessions.get(client_id)
        return len(session.unacknowledged) if session else 0


class MemoryLink:
    """`MqttPort` on a `MemoryBroker`; `disconnect` and `connect` cut and mend the wire."""

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        name: str,
        client_id: str = "",
        subscriptions: Sequence[tuple[str, int]] = (),
        will: Message | None = None,
        clean: bool = True,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.client_id = client_id or name
        self.subscriptions = tuple(subscriptions)
        self.generation = 0
        self._broker = broker
        self._name = name
        self._will = will
        self._clean = clean
        self._now_s = now_s
        self._wire = True
        self._attached = False
        self._inbox: deque[Delivery] = deque()
        self._filled = asyncio.Event()
        self._change = asyncio.Event()
        broker.register(self)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us."""
        return self._attached

    @property
    def last_error(self) -> str:
        """The last thing that went wrong, "" when nothing did."""
        return "" if self._attached else "Not connected to the broker."

    async def run(
        self,
        on_message: Callable[[Delivery], Awaitable[None]],
        on_connect: Callable[[], Awaitable[None]],
    ) -> None:
        """Connect, subscribe and dispatch until cancelled; `on_connect` after every connect."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._dispatch(on_message), name=f"{self._name}-dispatch")
            group.create_task(self._stay(on_connect), name=f"{self._name}-connect")

    async def publish(self, message: Message) -> None:
        """Publish and return once the broker has it.

        Raises
        ------
        LinkError
            Not connected.

        """
        await asyncio.sleep(0)  # a real broker's answer takes at least a turn of the loop
        if not self._attached:
            raise LinkError(self.last_error)
        self._broker.publish(message)

    def ack(self, token: object) -> None:
        """Acknowledge one received QoS 1 message; a token of a lost connection is ignored."""
        if isinstance(token, Token) and token.generation == self.generation and self._attached:
            self._broker.acknowledged(self.client_id, token.mid)

    def disconnect(self) -> None:
        """Cut the wire: the broker publishes the last will."""
        self._wire = False
        self.changed()

    def connect(self) -> None:
        """Mend the wire."""
        self._wire = True
        self.changed()

    def changed(self) -> None:
        """Look again whether the broker can be reached."""
        if self._attached and not (self._wire and self._broker.running):
            self._detach()
            if self._will is not None:
                self._broker.publish(self._will)
        self._change.set()

    def arrived(self, message: Message, mid: int, *, retained: bool) -> None:
        """Take one message from the broker."""
        delivery = Delivery(
            source=self._name,
            topic=message.topic,
            payload=message.payload,
            received_s=self._now_s(),
            qos=message.qos,
            retained=retained,
            token=Token(self.generation, mid) if mid else None,
            properties=dict(message.properties),
        )
        self._inbox.append(delivery)
        self._filled.set()

    async def _dispatch(self, on_message: Callable[[Delivery], Awaitable[None]]) -> None:
        while True:
            while not self._inbox:
                self._filled.clear()
                await self._filled.wait()
            await on_message(self._inbox.popleft())

    async def _stay(self, on_connect: Callable[[], Awaitable[None]]) -> None:
        try:
            while True:
                self._change.clear()
                if self._wire and self._broker.running:
                    self.generation += 1
                    self._attached = True
                    self._broker.attach(self, clean=self._clean)
                    await self._until_cut(on_connect)
                else:
                    await self._change.wait()
        finally:
            if self._attached:
                if self._will is not None:
                    self._broker.publish(self._will)
                self._detach()

    async def _until_cut(self, on_connect: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as group:
            greeting = group.create_task(_greet(on_connect), name=f"{self._name}-greet")
            while self._attached:
                self._change.clear()
                await self._change.wait()
            greeting.cancel()

    def _detach(self) -> None:
        self._attached = False
        self._inbox = deque(item for item in self._inbox if item.token is None or self._clean)
        self._broker.detach(self, clean=self._clean)


async def _greet(on_connect: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(LinkError):  # cut meanwhile: the next connection greets again
        await on_connect()
