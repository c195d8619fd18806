"""A gateway without wires, for tests: deliveries in, outcomes and a real store out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.assembly import assemble
from gateway.clocks import EventClock
from gateway.config import Config
from gateway.outcome import Outcome, batch_of
from gateway.store import Store, StoredUplink
from gateway.types import Delivery

NOW_S = 1_790_000_000.0
"""When these tests take place: a fixed moment in 2026."""

Topical = tuple[str, bytes]


def settings(**sections: Mapping[str, Any]) -> Config:
    """Return the defaults with these sections changed, and without a model unless it is named."""
    tree: dict[str, Any] = {"inference": {"enabled": False}, **sections}
    return Config.model_validate(tree)


def delivery(
    event: Topical,
    received_s: float,
    *,
    source: str = "chirpstack",
    retained: bool = False,
    token: object | None = None,
    properties: Mapping[str, str] | None = None,
) -> Delivery:
    """Return an event as it arrived."""
    topic, payload = event
    return Delivery(
        source=source,
        topic=topic,
        payload=payload,
        received_s=received_s,
        qos=1,
        retained=retained,
        token=token,
        properties=properties or {},
    )


class Bench:
    """The stages and a store on one bench; time is that of the newest delivery."""

    def __init__(
        self,
        config: Config,
        path: Path | None = None,
        *,
        start_s: float = NOW_S,
        live: bool = False,
    ) -> None:
        self.clock = EventClock(start_s)
        self.store = Store.open(path, config.store)
        self.assembly = assemble(config, clock=self.clock, store=self.store, live=live)
        self.telemetry = self.assembly.telemetry

    async def take(self, *deliveries: Delivery) -> Outcome:
        """Work these as one batch and commit it."""
        for one in deliveries:
            self.clock.observe(one.received_s)
        outcome = self.assembly.stages.work(deliveries)
        await self.store.commit(batch_of([outcome]))
        return outcome

    async def hear(self, *events: Topical, received_s: float | None = None) -> Outcome:
        """Take events of the network server as one batch, heard at `received_s`."""
        at_s = self.clock.now_s() if received_s is None else received_s
        return await self.take(*(delivery(event, at_s) for event in events))

    async def ask(self, topic: str, payload: bytes = b"", *, retained: bool = False) -> Outcome:
        """Take one message of our own broker."""
        now_s = self.clock.now_s()
        asked = delivery((topic, payload), now_s, source="operator", retained=retained)
        return await self.take(asked)

    async def wait(self, seconds: float) -> Outcome:
        """Let time pass."""
        self.clock.observe(self.clock.now_s() + seconds)
        return await self.take()

    def stored(self) -> list[StoredUplink]:
        """Return every stored uplink, in the order of storing."""
        return self.store.after(0, 1_000_000)

    def uids(self) -> list[str]:
        """Return the ids of every stored uplink, in the order of storing."""
        return [row.record.uid for row in self.stored()]

    def facts(self) -> set[tuple[object, ...]]:
        """Return every stored reading as (device, channel, time, value)."""
        return {
            (reading.dev_eui, reading.channel, reading.time_s, reading.value)
            for row in self.stored()
            for reading in row.record.readings
        }


@asynccontextmanager
async def bench(
    config: Config, path: Path | None = None, *, start_s: float = NOW_S
) -> AsyncIterator[Bench]:
    """Give a bench and close its store in the end."""
    made = Bench(config, path, start_s=start_s)
    try:
        yield made
    finally:
        made.assembly.codecs.close()
        await made.store.close()
