"""The heart: one batch, one transaction.

::

    drain -> decode -> deduplicate -> window -> infer -> decide -> COMMIT -> ack -> publish
             `----------------- stages.py -----------------'

Sources put deliveries in one bounded queue; when it is full they wait, and the broker keeps what
they have not acknowledged. A message is acknowledged only after the transaction that holds all it
led to, and published only after that. So an acknowledged uplink is never lost, and one that comes
twice changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from gateway.errors import StoreError
from gateway.outcome import Outcome, batch_of
from gateway.stages import Stages
from gateway.store import Batch, HistoryCursor, Store
from gateway.telemetry import Telemetry
from gateway.types import Delivery, Message

Acknowledge = Callable[[Sequence[Delivery]], None]

BATCH = 64
DRAIN_S = 0.05
BROKER_WINDOW = 16
"""Commit when so many deliveries wait for their acknowledgement: mosquitto stops sending at 20."""

IDLE_S = 5.0
"""The loop goes round at least this often: it drives ticks, health and the watchdog."""

DISK_FULL = "The disk is full: the oldest telemetry was given up to go on storing."

STORE_RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0)


class Pipeline:
    """Runs batches until cancelled. `inbox` is the bounded queue that sources fill."""

    def __init__(
        self,
        stages: Stages,
        store: Store,
        telemetry: Telemetry,
        *,
        acks: Mapping[str, Acknowledge],
        durable: Callable[[Outcome], Sequence[Message]],
        settled: Callable[[Sequence[Outcome], int], None],
        cursor: Callable[[], HistoryCursor | None],
        queue: int,
        commit_wait_s: float,
    ) -> None:
        self.inbox: asyncio.Queue[Delivery] = asyncio.Queue(queue)
        self.progress_s = time.monotonic()
        self.degraded = ""
        self._stages = stages
        self._store = store
        self._telemetry = telemetry
        self._acks = acks
        self._durable = durable
        self._settled = settled
        self._cursor = cursor
        self._commit_wait_s = commit_wait_s
        self._waiting: list[tuple[Outcome, Sequence[Delivery]]] = []
        self._unacked = 0
        self._due_s = 0.0

    async def run(self) -> None:
        """Drain, work, commit, acknowledge, publish, for ever."""
        while True:
            deliveries = await self._drain()
            self._work(deliveries)
            if self._must_commit():
                await self._commit()
            self.progress_s = time.monotonic()

    async def close(self) -> None:
        """Commit what was worked but not yet committed."""
        if self._waiting:
            await self._commit()

    def nudge(self) -> None:
        """Make the loop go round now."""
        if self.inbox.empty():
            self.inbox.put_nowait(NUDGE)

    def lag_s(self, now_s: float) -> float:
        """Return how long the oldest uncommitted delivery has waited."""
        waiting = [d.received_s for _, deliveries in self._waiting for d in deliveries]
        return max(0.0, now_s - min(waiting)) if waiting else 0.0

    async def _drain(self) -> list[Delivery]:
        timeout_s = self._due_s - time.monotonic() if self._waiting else IDLE_S
        deliveries: list[Delivery] = []
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                deliveries.append(await self.inbox.get())
        except TimeoutError:
            return deliveries
        deadline_s = time.monotonic() + DRAIN_S
        while len(deliveries) < BATCH and time.monotonic() < deadline_s:
            try:
                deliveries.append(self.inbox.get_nowait())
            except asyncio.QueueEmpty:
                break
        return [delivery for delivery in deliveries if delivery is not NUDGE]

    def _work(self, deliveries: Sequence[Delivery]) -> None:
        outcome = self._stages.work(deliveries)
        if not self._waiting:
            self._due_s = time.monotonic() + self._commit_wait_s
        self._waiting.append((outcome, deliveries))
        self._unacked += sum(delivery.token is not None for delivery in deliveries)

    def _must_commit(self) -> bool:
        return (
            self._unacked >= BROKER_WINDOW
            or time.monotonic() >= self._due_s
            or any(outcome.urgent for outcome, _ in self._waiting)
        )

    async def _commit(self) -> None:
        waiting, self._waiting, self._unacked = self._waiting, [], 0
        outcomes = [outcome for outcome, _ in waiting]
        durable = [message for outcome in outcomes for message in self._durable(outcome)]
        batch = batch_of(outcomes, messages=durable, cursor=self._cursor())
        head_seq = await self._write(batch)
        for _, deliveries in waiting:
            self._acknowledge(deliveries)
        self._settled(outcomes, head_seq)

    async def _write(self, batch: Batch) -> int:
        """Commit; while the disk will not have it, try again: till then nothing is acknowledged."""
        attempt = 0
        while True:
            try:
                committed = await self._store.commit(batch)
            except StoreError as error:
                self.degraded = str(error)
                self._telemetry.trouble("commit_failed", error)
                await asyncio.sleep(STORE_RETRY_S[min(attempt, len(STORE_RETRY_S) - 1)])
                attempt += 1
            else:
                self.degraded = DISK_FULL if committed.freed else ""
                return committed.head

    def _acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        by_source: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            if delivery.token is not None:
                by_source.setdefault(delivery.source, []).append(delivery)
        for name, group in by_source.items():
            self._acks[name](group)


NUDGE = Delivery(source="", topic="", payload=b"", received_s=0.0)
