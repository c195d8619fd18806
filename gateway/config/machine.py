"""`[site]`, `[store]`, `[limits]`, `[log]`: this installation and what it may use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.config.section import Section


class SiteConfig(Section):
    """`[site]`: what this installation is called in messages, and how those are worded.

    `language` and `units` are those of sentences (titles, reasons, advice, views); the data topics
    keep their own units. Local time in sentences is that of [agronomy] `time_zone`.
    """

    name: str = "Farm"
    language: Literal["en", "zh_CN"] = "en"
    units: Literal["metric", "imperial"] = "metric"


class StoreConfig(Section):
    """`[store]`: the database on this machine.

    A batch without an alert waits up to `commit_wait_s` for company, which spares the SD card.
    """

    path: Path = Path("/var/lib/lora-gateway/gateway.db")
    max_mb: Annotated[int, Field(ge=16)] = 2048
    max_days: Annotated[int, Field(ge=1)] = 90
    commit_wait_s: Annotated[float, Field(ge=0, le=1)] = 1.0


class LimitsConfig(Section):
    """`[limits]`: what strangers' input may cost."""

    payload_bytes: Annotated[int, Field(ge=1024)] = 262144
    object_keys: Annotated[int, Field(ge=1)] = 256
    devices: Annotated[int, Field(ge=1)] = 5000
    new_devices_per_minute: Annotated[int, Field(ge=1)] = 1000
    known_devices_only: bool = False
    queue: Annotated[int, Field(ge=64)] = 4096
    quarantine_rows: Annotated[int, Field(ge=10)] = 2000


class LogConfig(Section):
    """`[log]`: `auto` is JSON under systemd and plain lines on a terminal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
