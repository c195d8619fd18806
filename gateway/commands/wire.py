"""A short visit to a broker, for commands that say or ask one thing and go."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from gateway.config import ConnectionConfig
from gateway.errors import ConfigError, GatewayError
from gateway.links import MqttLink
from gateway.publishers import Topics
from gateway.types import Delivery, Json, Message

CONNECT_S = 10.0

Hear = Callable[[Delivery], Awaitable[None]]


@asynccontextmanager
async def visit(
    connection: ConnectionConfig,
    *,
    subscriptions: Sequence[tuple[str, int]] = (),
    hear: Hear | None = None,
) -> AsyncIterator[MqttLink]:
    """Connect, subscribe, and disconnect at the end.

    Raises
    ------
    GatewayError
        The broker does not accept us within `CONNECT_S`; says why.

    """
    link = MqttLink(connection, name=connection.client_id, subscriptions=subscriptions, clean=True)
    connected = asyncio.Event()

    async def on_message(delivery: Delivery) -> None:
        link.ack(delivery.token)
        if hear is not None:
            await hear(delivery)

    async def on_connect() -> None:
        connected.set()

    task = asyncio.create_task(link.run(on_message, on_connect), name="visit")
    try:
        try:
            async with asyncio.timeout(CONNECT_S):
                await connected.wait()
        except TimeoutError:
            where = f"{connection.host}:{connection.port}"
            raise GatewayError(link.last_error or f"{where} does not answer.") from None
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def ask(
    connection: ConnectionConfig, base: str, verb: str, body: dict[str, object], wait_s: float
) -> dict[str, Json]:
    """Ask a running gateway, by `bridge/request/<verb>`, and return its answer.

    Raises
    ------
    GatewayError
        There was none within `wait_s`.

    """
    answered: asyncio.Queue[dict[str, Json]] = asyncio.Queue()
    mark = str(uuid.uuid4())

    async def hear(delivery: Delivery) -> None:
        answer = json.loads(delivery.payload)
        if answer.get("transaction") == mark:
            answered.put_nowait({**answer, "transaction": None})  # the mark was for us alone

    topic = Topics(base).response(verb)
    async with visit(connection, subscriptions=((topic, 1),), hear=hear) as link:
        asked = json.dumps({**body, "transaction": mark}).encode()
        await link.publish(Message(f"{base}/bridge/request/{verb}", asked))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                return await answered.get()
    raise GatewayError("No answer: is the gateway running, and may this user publish?")


def endpoint(text: str, client_id: str) -> ConnectionConfig:
    """Return the connection that HOST:PORT on a command line means."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004 - TCP's range
        raise ConfigError(f"--broker {text!r} is not HOST:PORT, such as 127.0.0.1:1883.")
    return ConnectionConfig(host=host, port=int(port), client_id=client_id)
