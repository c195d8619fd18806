"""When a batch is committed, when it is acknowledged, and that how it is cut does not matter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, delivery, settings

from gateway.config import Config
from gateway.errors import StoreError
from gateway.outcome import Outcome
from gateway.pipeline import Pipeline
from gateway.store import Batch, Committed, Store
from gateway.types import Delivery, Message

HOT = {"name": "hot", "channel": "air.temperature", "above": 30.0}
LONG_S = 60.0
"""A wait for company that no test sits through."""

SOON_S = 15.0
"""Far less than `LONG_S`, and enough for a machine that is busy with other things."""


class GatedStore:
    """A store that writes when it is let, and refuses as often as it is told to."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.refusals = 0
        self.asked = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def commit(self, batch: Batch) -> Committed:
        self.asked.set()
        await self.open.wait()
        if self.refusals:
            self.refusals -= 1
            raise StoreError("disk I/O error: change the card")
        return await self.store.commit(batch)


@dataclass
class Running:
    """A pipeline at work and what came out of it, in order."""

    bench: Bench
    store: GatedStore
    pipeline: Pipeline
    acknowledged: list[object] = field(default_factory=list)
    settled: list[Outcome] = field(default_factory=list)

    async def feed(self, *deliveries: Delivery) -> None:
        for one in deliveries:
            await self.pipeline.inbox.put(one)

    async def until(self, holds: Callable[[], bool], within_s: float = SOON_S) -> None:
        async with asyncio.timeout(within_s):
            while not holds():  # noqa: ASYNC110 - it looks from outside
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(config: Config | None = None, wait_s: float = LONG_S) -> AsyncIterator[Running]:
    bench = Bench(config or settings())
    store = GatedStore(bench.store)
    acknowledged: list[object] = []
    settled: list[Outcome] = []

    def acknowledge(deliveries: Sequence[Delivery]) -> None:
        acknowledged.extend(one.token for one in deliveries)

    def no_messages(_outcome: Outcome) -> list[Message]:
        return []

    pipeline = Pipeline(
        bench.assembly.stages,
        store,  # type: ignore[arg-type]
        bench.telemetry,
        acks={"chirpstack": acknowledge},
        durable=no_messages,
        settled=lambda outcomes, _head: settled.extend(outcomes),
        cursor=lambda: None,
        queue=1024,
        commit_wait_s=wait_s,
    )
    task = asyncio.create_task(pipeline.run())
    try:
        yield Running(bench, store, pipeline, acknowledged, settled)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bench.store.close()


def uplink(number: int, temperature_c: float = 20.0) -> Delivery:
    event = up(eui(number % 5), number, NOW_S + number, {"TempC_SHT": temperature_c})
    return delivery(event, NOW_S + number, token=number)


async def test_nothing_is_acknowledged_before_the_commit_has_returned() -> None:
    async with running(wait_s=0.0) as gateway:
        gateway.store.open.clear()
        await gateway.feed(*(uplink(number) for number in range(5)))
        await gateway.store.asked.wait()
        await asyncio.sleep(0.05)
        assert gateway.acknowledged == []
        assert gateway.settled == []
        gateway.store.open.set()
        await gateway.until(lambda: len(gateway.acknowledged) == 5)
        assert len(gateway.bench.stored()) == 5


async def test_acknowledgements_come_in_the_order_of_receipt() -> None:
    async with running(wait_s=0.0) as gateway:
        broken = delivery(("nonsense", b"{"), NOW_S, token=-1)
        repeat = uplink(3)
        await gateway.feed(*(uplink(number) for number in range(40)), broken, repeat)
        await gateway.until(lambda: len(gateway.acknowledged) == 42)
        assert gateway.acknowledged == [*range(40), -1, 3]


async def test_a_store_that_fails_is_tried_again_and_nothing_is_acknowledged_meanwhile() -> None:
    async with running(wait_s=0.0) as gateway:
        gateway.store.refusals = 1
        await gateway.feed(uplink(1))
        await gateway.until(lambda: bool(gateway.pipeline.degraded))
        assert gateway.acknowledged == []
        assert "disk I/O error" in gateway.bench.telemetry.last_error
        await gateway.until(lambda: gateway.acknowledged == [1])
        assert len(gateway.bench.stored()) == 1
        await gateway.until(lambda: gateway.pipeline.degraded == "")


async def test_an_alert_waits_for_no_company() -> None:
    async with running(settings(alerts={"threshold": [HOT]})) as gateway:
        await gateway.feed(uplink(1, temperature_c=50.0))
        await gateway.until(lambda: gateway.acknowledged == [1])
        assert [event.alert.rule for one in gateway.settled for event in one.alerts] == ["hot"]


async def test_a_quiet_batch_waits_for_company_but_not_for_ever() -> None:
    async with running(wait_s=0.3) as gateway:
        await gateway.feed(uplink(1))
        await asyncio.sleep(0.05)
        await gateway.feed(uplink(2))
        await gateway.until(lambda: len(gateway.acknowledged) == 2)
    async with running(wait_s=LONG_S) as gateway:
        await gateway.feed(uplink(1))
        await asyncio.sleep(0.3)
        assert gateway.acknowledged == []


@pytest.mark.parametrize("together", [True, False], ids=["in a burst", "one after another"])
async def test_a_broker_that_has_sent_all_it_may_is_not_kept_waiting(*, together: bool) -> None:
    async with running(wait_s=LONG_S) as gateway:
        for number in range(16):
            await gateway.feed(uplink(number))
            if not together:
                await asyncio.sleep(0.002)
        await gateway.until(lambda: gateway.acknowledged == list(range(16)))


async def test_what_was_worked_is_committed_at_the_end() -> None:
    async with running(wait_s=LONG_S) as gateway:
        await gateway.feed(uplink(1))
        await gateway.until(lambda: gateway.bench.telemetry.counts["uplinks"] == 1)
        assert gateway.bench.stored() == []
        await gateway.pipeline.close()
        assert len(gateway.bench.stored()) == 1
        assert gateway.acknowledged == [1]


async def test_the_lag_is_that_of_the_oldest_uncommitted_delivery() -> None:
    async with running(wait_s=LONG_S) as gateway:
        assert gateway.pipeline.lag_s(NOW_S) == 0.0
        await gateway.feed(uplink(1), uplink(2))
        await gateway.until(lambda: gateway.bench.telemetry.counts["uplinks"] == 2)
        assert gateway.pipeline.lag_s(NOW_S + 31.0) == 30.0


async def test_an_idle_pipeline_still_makes_progress() -> None:
    async with running(wait_s=0.0) as gateway:
        begun_s = gateway.pipeline.progress_s
        gateway.pipeline.nudge()
        await gateway.until(lambda: gateway.pipeline.progress_s > begun_s)
