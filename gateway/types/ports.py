"""Where stages meet: clocks, sources, brokers, and what runs codecs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.types.arrivals import Delivery
from gateway.types.commands import Message
from gateway.types.names import Json


class Clock(Protocol):
    """What time it is: the machine's own, or that of a recording or a simulation."""

    def now_s(self) -> float:
        """Return POSIX seconds."""
        ...

    def observe(self, time_s: float) -> None:
        """Learn that an event of `time_s` has come; the machine's own clock ignores it."""
        ...


Deliver = Callable[[Delivery], Awaitable[None]]
"""Puts a delivery in the pipeline's bounded queue; waits while it is full."""


class Source(Protocol):
    """Where deliveries come from."""

    name: str

    async def run(self, deliver: Deliver) -> None:
        """Receive until cancelled. Reconnects by itself."""
        ...

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge what has been committed, in the order received."""
        ...

    def health(self) -> Mapping[str, Json]:
        """State for `bridge/health`: at least `connected` (bool) and `last_error` (str)."""
        ...


@dataclass(frozen=True, slots=True)
class Script:
    """A codec's text, made ready to run, and its limits.

    `prelude` are texts evaluated before it in its context; `time_s` is CPU time per message,
    `memory_bytes` its heap. `isolated` asks for a context of its own for each message.
    """

    prelude: tuple[str, ...]
    wrapped: str
    time_s: float
    memory_bytes: int
    isolated: bool


@dataclass(frozen=True, slots=True)
class OpenedScript:
    """A script that can be called by `number`, and which of a codec's functions it defines."""

    number: int
    functions: tuple[str, ...]
    isolated: bool
    memory_bytes: int


class ScriptEngine(Protocol):
    """Runs payload codecs written in JavaScript: `links/` has it as a process, and a twin.

    One caller at a time; never shared between threads.
    """

    def open(self, script: Script) -> OpenedScript:
        """Make a script ready.

        Raises
        ------
        BadInput
            `codec_exception` when its text cannot be run, or the limit that was met.

        """
        ...

    def call(self, number: int, direction: str, request: str) -> str:
        """Run it for one message, JSON in and out.

        Raises
        ------
        BadInput
            `codec_time_limit`, `codec_memory_limit`, `codec_crash` or `codec_exception`.

        """
        ...

    def close(self, number: int) -> None:
        """Forget a script."""
        ...

    def stop(self) -> None:
        """Give back everything; a later call starts anew."""
        ...


class MqttPort(Protocol):
    """An MQTT connection as stages see it: `links/` has the real one and its in-memory twin.

    It reconnects by itself with capped and jittered backoff, and subscribes again each time.
    """

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us."""
        ...

    @property
    def last_error(self) -> str:
        """The last thing that went wrong, "" when nothing did."""
        ...

    async def run(
        self,
        on_message: Callable[[Delivery], Awaitable[None]],
        on_connect: Callable[[], Awaitable[None]],
    ) -> None:
        """Connect, subscribe and dispatch until cancelled; `on_connect` after every connect."""
        ...

    async def publish(self, message: Message) -> None:
        """Publish and return once the broker has it (QoS 1: PUBACK).

        Raises
        ------
        LinkError
            Not connected, or the connection broke before the broker answered.

        """
        ...

    def ack(self, token: object) -> None:
        """Acknowledge one received QoS 1 message; a token of a lost connection is ignored."""
        ...
