"""`lora-gateway replay`: a recording through the whole pipeline in recorded time.

A line is what `mosquitto_sub -t 'application/#' -F '%J'` (or `%j`) writes: an object with `tst`,
`topic`, `qos`, `retain` and `payload`. mosquitto writes `tst` as local time with a stray `Z` before
the offset (`2026-11-23T21:06:15.368982Z+0530`); RFC 3339 is read as well.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from gateway.assembly import Assembly, assemble
from gateway.clocks import EventClock
from gateway.codecs import parse_rfc3339
from gateway.commands.wire import endpoint, visit
from gateway.config import Config, load
from gateway.errors import BadInput, GatewayError
from gateway.links import MqttLink
from gateway.outcome import batch_of
from gateway.pipeline import BATCH
from gateway.store import Store
from gateway.telemetry import configure_logging
from gateway.types import Delivery, Message, Rejected

TOGETHER_S = 10.0
"""Deliveries recorded within so long of each other may share a batch."""

PER_SECOND = 400.0
"""How fast `--broker` publishes at speed 0: what a broker with its default queue can pass on."""


_MOSQUITTO_OFFSET = re.compile(r"Z?([+-][0-9]{2})([0-9]{2})$")


def run(
    file: Path, *, config_path: Path | None, broker: str | None, speed: float, as_json: bool
) -> int:
    """Replay a file; print the summary; return 0."""
    config = load(config_path)
    configure_logging(config.log.model_copy(update={"level": "warning"}))
    work = _publish(file, broker, speed) if broker else _work(file, config)
    summary = asyncio.run(work)
    print(json.dumps(summary) if as_json else _readable(summary))
    return 0


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
                    yield number, _delivery(line)
    except (OSError, EOFError) as error:
        raise GatewayError(f"{file} cannot be read: {error}.") from error


def _delivery(line: bytes) -> Delivery | Rejected:
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


async def _work(file: Path, config: Config) -> Mapping[str, object]:
    started_s = time.perf_counter()
    async with _Desk(config) as desk:
        for _, item in read(file):
            await desk.take(item)
        assembly = await desk.finish()
        return {**assembly.summary(), "seconds": round(time.perf_counter() - started_s, 3)}


class _Desk:
    """Works a recording's lines as they come, in batches, by the recording's own clock."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._store = Store.open(None, config.store)
        self._working: tuple[Assembly, EventClock] | None = None
        self._batch: list[Delivery] = []
        self._broken: list[Rejected] = []

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
        self._batch.append(item)

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
        outcome = assembly.stages.work(batch)
        await assembly.store.commit(batch_of([outcome]))


async def _publish(file: Path, broker: str, speed: float) -> Mapping[str, object]:
    async with visit(endpoint(broker, "lora-gateway-replay")) as link:
        return await _publish_all(file, link, speed)


async def _publish_all(file: Path, link: MqttLink, speed: float) -> Mapping[str, object]:
    started_s = time.perf_counter()
    first_s: float | None = None
    published = left_out = 0
    for _, item in read(file):
        if isinstance(item, Rejected) or item.retained:  # an old one: live it would be news
            left_out += 1
            continue
        first_s = item.received_s if first_s is None else first_s
        due_s = (item.received_s - first_s) / speed if speed else published / PER_SECOND
        await asyncio.sleep(max(0.0, due_s - (time.perf_counter() - started_s)))
        await link.publish(Message(topic=item.topic, payload=item.payload, qos=1))
        published += 1
        if published % 1000 == 0 and sys.stderr.isatty():
            print(f"{published} published", file=sys.stderr)
    seconds = round(time.perf_counter() - started_s, 3)
    return {"published": published, "not_published": left_out, "seconds": seconds}


def _readable(summary: Mapping[str, object]) -> str:
    return "\n".join(f"{name:>15}: {json.dumps(value)}" for name, value in summary.items())
