"""`lora-gateway order`: an emergency stop, its end, or a second person's word."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from pathlib import Path

from gateway.commands.downlink import name_of, sign_for
from gateway.commands.wire import ask
from gateway.config import load
from gateway.control import VERBS
from gateway.errors import ConfigError
from gateway.types import Json


def run(
    config_path: Path | None,
    verb: str,
    *,
    command: str | None,
    by: str | None,
    reason: str,
    wait_s: float,
    as_json: bool,
) -> int:
    """Send the order and print the answer; return 0 when it was carried out."""
    config = load(config_path)
    if verb not in VERBS:
        raise ConfigError(f"{verb!r} is no order: give one of {', '.join(sorted(VERBS))}.")
    if (verb == "confirm") != (command is not None):
        raise ConfigError("`confirm` takes --command, and it alone.")
    # Whoever is there may stop: only what lifts safety needs a name.
    name = (by or "command line") if verb == "stop" else name_of(config, by)
    body: dict[str, object] = {"id": str(uuid.uuid4()), "by": name, "reason": reason}
    if command is not None:
        body["command"] = command
    sign_for(config, "", body, order=verb)
    answer = asyncio.run(ask(config.mqtt, verb, body, wait_s))
    if as_json:
        print(json.dumps(answer))
    else:
        print(answer["error"] or _words(verb, answer["data"]))
    failed = answer["status"] != "ok" or answer["data"].get("state") == "failed"
    return 1 if failed else 0


def _words(verb: str, data: Mapping[str, Json]) -> str:
    """Return what an order came to, as people read it."""
    if verb == "stop":
        return (
            f"Stopped: nothing opens or starts, and {data['closes']} closes and stops go out. "
            "`lora-gateway order resume` lifts it."
        )
    if verb == "resume":
        return f"Lifted, after {data['stood_s']} s."
    if data["state"] == "failed":
        return f"Confirmed too late: {data['detail']}"
    return f"Confirmed: {data['id']} is accepted."
