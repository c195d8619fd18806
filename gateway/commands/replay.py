"""`lora-gateway replay`: a recording through the whole pipeline in recorded time."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.commands.recording import Relived, read
from gateway.commands.wire import endpoint, visit
from gateway.config import Config, load
from gateway.errors import GatewayError
from gateway.links import MqttLink
from gateway.publishers import payloads, values
from gateway.telemetry import configure_logging
from gateway.types import AlertEvent, Message, Rejected

PER_SECOND = 400.0
"""How fast `--broker` publishes at speed 0: what a broker with its default queue can pass on."""


def run(
    file: Path,
    *,
    config_path: Path | None,
    broker: str | None,
    speed: float,
    alerts: Path | None = None,
    as_json: bool,
) -> int:
    """Replay a file; print the summary; return 0."""
    config = load(config_path)
    configure_logging(config.log.model_copy(update={"level": "warning"}))
    work = _publish(file, broker, speed) if broker else _work(file, config, alerts)
    summary = asyncio.run(work)
    print(json.dumps(summary) if as_json else _readable(summary))
    return 0


async def _work(file: Path, config: Config, alerts: Path | None) -> Mapping[str, object]:
    started_s = time.perf_counter()
    async with Relived(config) as gateway:
        for _, item in read(file):
            await gateway.take(item)
        assembly = await gateway.finish()
        if alerts is not None:
            _write(alerts, gateway.alerts)
        return {**assembly.summary(), "seconds": round(time.perf_counter() - started_s, 3)}


def _write(file: Path, told: Sequence[tuple[float, AlertEvent]]) -> None:
    try:
        with file.open("w", encoding="utf-8") as lines:
            for now_s, event in told:
                about = {"time": values.rfc3339(now_s), "dev_eui": event.alert.dev_eui}
                line = json.dumps(about | payloads.alert(event), ensure_ascii=False)
                lines.write(line + "\n")
    except OSError as error:
        raise GatewayError(f"{file} cannot be written: {error.strerror}.") from error


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
