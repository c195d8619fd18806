"""Recordings of a network server's events: their lines, and a gateway that lives through them.

A line is what `mosquitto_sub -t 'application/#' -F '%J'` (or `%j`) writes: an object with `tst`,
`topic`, `qos`, `retain` and `payload`. mosquitto writes `tst` as local time with a stray `Z` before
the offset (`2026-11-23T21:06:15.368982Z+0530`); RFC 3339 is read as well.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from gateway.assembly import Assembly, assemble
from gateway.clocks import EventClock
from gateway.codecs import parse_rfc3339
from gateway.config import Config
from gateway.errors import BadInput, GatewayError
from gateway.outcome import Outcome, batch_of
from gateway.pipeline import BATCH
from gateway.stages import TICK_S
from gateway.store import Store
from gateway.types import AlertEvent, Delivery, Rejected

TOGETHER_S = 10.0
"""Deliveries recorded within so long of each other may share a batch."""

_TICKS_IN_A_GAP = 2880
"""A day of silence is lived through at the daemon's own pace, a longer one in longer steps."""

_MOSQUITTO_OFFSET = re.compile(r"Z?([+-][0-9]{2})([0-9]{2})$")


def read(file: Path) -> Iterator[tuple[int, Delivery | Rejected]]:
    """Yield (line number, delivery or why it is none) for each line of a recording.

    Raises
    ------
    GatewayError
        The file cannot be read.

    """
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, delivery(line)
    except (OSError, EOFError) as error:
        raise GatewayError(f"{file} cannot be read: {error}.") from error


def delivery(line: bytes) -> Delivery | Rejected:
    """Return what one line of a recording holds, or why it holds nothing."""
    try:
        record: Any = json.loads(line)
        payload = record["payload"]
        received_s = parse_rfc3339(_MOSQUITTO_OFFSET.sub(r"\1:\2", record["tst"]))
        text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
        return Delivery(
            source="chirpstack",
            topic=str(record["topic"]),
            payload=text.encode("utf-8", "surrogatepass"),
            received_s=received_s,
            qos=int(record.get("qos", 0)),
            retained=bool(record.get("retain", 0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadInput) as error:
        return Rejected("invalid_recording_line", str(error)[:200], "replay", "", line[:1024], 0.0)


class Relived:
    """A gateway without wires that lives through deliveries at their own times.

    Between them its clock goes on as a daemon's would: who falls silent is missed. Nothing is kept
    when it ends. `alerts` holds every step told so far, with the moment it was told.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store = Store.open(None, config.store)
        self._working: tuple[Assembly, EventClock] | None = None
        self._batch: list[Delivery] = []
        self._broken: list[Rejected] = []
        self.alerts: list[tuple[float, AlertEvent]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._working is not None:
            self._working[0].codecs.close()
        await self._store.close()

    async def take(self, item: Delivery | Rejected) -> None:
        """Take one line; a batch is worked when it is full or the next comes much later."""
        if isinstance(item, Rejected):
            self._broken.append(item)
            return
        batch = self._batch
        if batch and (len(batch) >= BATCH or item.received_s - batch[0].received_s > TOGETHER_S):
            await self._settle()
            await self.wait_until(item.received_s)
        self._batch.append(item)

    async def wait_until(self, until_s: float) -> None:
        """Let time pass, up to just before `until_s`."""
        assembly, clock = self._begin(until_s)
        step_s = max(TICK_S, (until_s - clock.now_s()) / _TICKS_IN_A_GAP)
        while clock.now_s() + step_s < until_s:
            clock.observe(clock.now_s() + step_s)
            await self._work(assembly, ())

    async def finish(self) -> Assembly:
        """Work what is left, count what was no line, and return the parts."""
        if self._batch:
            await self._settle()
        assembly, _ = self._begin(time.time())
        for rejected in self._broken:
            assembly.telemetry.put_aside(rejected)
        return assembly

    def _begin(self, start_s: float) -> tuple[Assembly, EventClock]:
        if self._working is None:
            clock = EventClock(start_s)
            self._working = assemble(self._config, clock=clock, store=self._store), clock
        return self._working

    async def _settle(self) -> None:
        batch, self._batch = self._batch, []
        assembly, clock = self._begin(batch[0].received_s)
        clock.observe(batch[-1].received_s)
        await self._work(assembly, batch)

    async def _work(self, assembly: Assembly, batch: Sequence[Delivery]) -> None:
        outcome = assembly.stages.work(batch)
        self.alerts += [(outcome.now_s, event) for event in outcome.alerts]
        if batch or _matters(outcome):
            await assembly.store.commit(batch_of([outcome]))


def _matters(outcome: Outcome) -> bool:
    return bool(outcome.urgent or outcome.availability)
