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
    asyncio.run(_run_until_signal(config))
    return 0


async def _run_until_signal(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_app(config, stop=stop, systemd=Systemd())
