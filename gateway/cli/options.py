"""Options that many commands have, and where the settings are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_CONFIG = Path("/etc/lora-gateway/lora-gateway.toml")
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="LORA_GATEWAY_CONFIG", help="Settings file (TOML)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def config_path(given: Path | None) -> Path | None:
    """Return the settings file to read: the one given, or the usual one when it is there."""
    if given is not None:
        return given
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
