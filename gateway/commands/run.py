"""`lora-gateway run`: the daemon, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from gateway.app import run_app
from gateway.config import Config, load
from gateway.links import Systemd
from gateway.telemetry import configure_logging


def run(config_path: Path | None) -> int:
    """Run until stopped; return 0 after a clean stop."""
    config = load(config_path)
    configure_logging(config.log)
    _settle_size(config)
    asyncio.run(_run_until_signal(config))
    return 0


def _settle_size(config: Config) -> None:
    """Find out once which of the packs that ship is for this machine, before it is busy."""
    if config.inference.enabled and not config.inference.pack:
        from gateway.inference.sizes import settle  # noqa: PLC0415 - onnxruntime, where it is used

        settle(config.inference.packs)


async def _run_until_signal(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_app(config, stop=stop, systemd=Systemd())
