"""The MQTT link: paho behind `MqttPort`, reconnecting by itself.

::

    network thread (paho)            event loop
    ---------------------            ---------------------------------------
    PUBLISH  -> Inbox.put   ------>  on_message(delivery)     one at a time
    CONNACK, PUBACK, end    ------>  futures of Connection
                            <------  publish, ack             queued, never blocks

Acknowledgements are manual: a QoS 1 message stays the broker's until `ack` is called with its
token, and comes again over the next connection if that never happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gateway.config import ConnectionConfig
from gateway.errors import LinkError
from gateway.links.backoff import Backoff
from gateway.links.client import Plan
from gateway.links.connection import Connection
from gateway.links.inbox import Inbox, Token
from gateway.types import Delivery, Json, Message

LOCAL_MAX_S = 3.0
"""Longest wait for a broker on this machine: asking costs nobody anything."""

SETTLED_S = 10.0
"""A connection that lasted this long was a good one: the next delay is short again."""

_LOCAL_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


class MqttLink:
    """One broker connection for as long as `run` runs.

    `will` is both the last will and what is published before a clean disconnect. `clean=False`
    keeps the session (and the messages that wait in it) at the broker under the fixed client id.
    `queue` bounds QoS 0 messages not yet taken by `on_message`; more are dropped and counted.
    `on_state` hears of every change as (connected, last_error).
    """

    def __init__(
        self,
        config: ConnectionConfig,
        *,
        name: str,
        subscriptions: Sequence[tuple[str, int]] = (),
        will: Message | None = None,
        clean: bool = True,
        session_expiry_s: int = 7 * 86400,
        receive_maximum: int = 256,
        in_flight: int = 64,
        queue: int = 4096,
        now_s: Callable[[], float] = time.time,
        on_state: Callable[[bool, str], None] | None = None,
    ) -> None:
        self._plan = Plan(
            config=config,
            name=name,
            subscriptions=tuple(subscriptions),
            will=will,
            clean=clean,
            session_expiry_s=session_expiry_s,
            receive_maximum=receive_maximum,
            in_flight=in_flight,
            now_s=now_s,
        )
        most_s = config.reconnect_max_s
        if config.host in _LOCAL_HOSTS:
            most_s = min(most_s, LOCAL_MAX_S)
        self._backoff = Backoff(config.reconnect_min_s, most_s)
        self._queue = queue
        self._on_state = on_state
        self._connection: Connection | None = None
        self._inbox: Inbox | None = None
        self._generation = 0
        self._refused = 0
        self._last_error = ""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us."""
        return self._connection is not None

    @property
    def last_error(self) -> str:
        """The last thing that went wrong, "" when nothing did since the last good connection."""
        return self._last_error

    def health(self) -> Mapping[str, Json]:
        """Return counters and state for `bridge/health`."""
        return {
            "connected": self.connected,
            "last_error": self._last_error,
            "connections": self._generation,
            "waiting": len(self._inbox) if self._inbox is not None else 0,
            "dropped": self._inbox.dropped if self._inbox is not None else 0,
            "refused": self._refused + (self._connection.refused if self._connection else 0),
        }

    async def run(
        self,
        on_message: Callable[[Delivery], Awaitable[None]],
        on_connect: Callable[[], Awaitable[None]],
    ) -> None:
        """Connect, subscribe and dispatch until cancelled; `on_connect` after every connect."""
        inbox = self._inbox = Inbox(asyncio.get_running_loop(), self._queue)
        async with asyncio.TaskGroup() as group:
            group.create_task(_dispatch(inbox, on_message), name=f"{self._plan.name}-dispatch")
            group.create_task(self._stay(inbox, on_connect), name=f"{self._plan.name}-connect")

    async def publish(self, message: Message) -> None:
        """Publish and return once the broker has it (QoS 1: PUBACK).

        A message the broker will never take (no permission, too large) is counted in `refused`
        and named in `last_error`: trying it again would hold up all behind it.

        Raises
        ------
        LinkError
            Not connected, or the connection broke before the broker answered.

        """
        if self._connection is None:
            raise LinkError(self._last_error or "Not connected to the broker.")
        await self._connection.publish(message)

    def ack(self, token: object) -> None:
        """Acknowledge one received QoS 1 message; a token of a lost connection is ignored."""
        connection = self._connection
        if connection is None or not isinstance(token, Token):
            return
        if token.generation == connection.generation:
            connection.ack(token.mid)

    async def _stay(self, inbox: Inbox, on_connect: Callable[[], Awaitable[None]]) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._generation += 1
            connection = Connection(self._plan, self._generation, inbox, self._changed)
            began_s = clock()
            try:
                await self._live(connection, inbox, on_connect)
            except* LinkError:
                self._refused += connection.refused
                self._changed(connection.reason)
            if clock() - began_s >= SETTLED_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    async def _live(
        self, connection: Connection, inbox: Inbox, on_connect: Callable[[], Awaitable[None]]
    ) -> None:
        connection.start()
        try:
            if await connection.opened:
                inbox.resumed(connection.generation)
            self._connection = connection
            self._changed("")
            async with asyncio.TaskGroup() as group:
                group.create_task(_greet(on_connect), name=f"{self._plan.name}-greet")
                await connection.closed.wait()
                raise LinkError(connection.reason)
        finally:
            if connection.closed.is_set():
                self._connection = None
            await connection.close(self._plan.will)
            self._connection = None

    def _changed(self, error: str) -> None:
        self._last_error = error
        if self._on_state is not None:
            self._on_state(self.connected, error)


async def _dispatch(inbox: Inbox, on_message: Callable[[Delivery], Awaitable[None]]) -> None:
    while True:
        await on_message(await inbox.get())


async def _greet(on_connect: Callable[[], Awaitable[None]]) -> None:
    with contextlib.suppress(LinkError):  # it ended meanwhile: the next connection greets again
        await on_connect()
