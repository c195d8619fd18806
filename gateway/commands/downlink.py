"""`lora-gateway downlink`: a command through the running gateway, followed to where it gets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import uuid
from pathlib import Path

from gateway.commands.wire import visit
from gateway.config import ConnectionConfig, load
from gateway.control import FINAL
from gateway.errors import ConfigError, GatewayError
from gateway.publishers import Topics
from gateway.types import Delivery, DevEui, DownlinkState, Message

_DEV_EUI = re.compile(r"[0-9A-Fa-f]{16}")


def run(
    config_path: Path | None,
    dev_eui: str,
    *,
    hex_data: str | None,
    object_json: str | None,
    f_port: int | None,
    confirmed: bool,
    wait_s: float,
    as_json: bool,
) -> int:
    """Send and follow; return 0 unless it was refused or failed."""
    config = load(config_path)
    if not _DEV_EUI.fullmatch(dev_eui):
        raise ConfigError(f"{dev_eui!r} is not a DevEUI: give its 16 hex digits.")
    command_id = str(uuid.uuid4())
    body: dict[str, object] = {"id": command_id, "confirmed": confirmed, "by": "command line"}
    if (hex_data is None) == (object_json is None):
        raise ConfigError("Give exactly one of --hex and --object.")
    if hex_data is not None:
        body["hex"] = hex_data
    if object_json is not None:
        body["object"] = _object(object_json)
    if f_port is not None:
        body["f_port"] = f_port
    connection = config.mqtt.model_copy(update={"client_id": f"lora-gateway-cli-{command_id[:8]}"})
    last = asyncio.run(
        _send(connection, config.mqtt.base, DevEui(dev_eui.lower()), body, wait_s, as_json=as_json)
    )
    return 1 if last in {"refused", "failed", "nacked", "expired"} else 0


async def _send(
    connection: ConnectionConfig,
    base: str,
    dev_eui: DevEui,
    body: dict[str, object],
    wait_s: float,
    *,
    as_json: bool,
) -> str:
    state_topic = Topics(base).command(dev_eui, str(body["id"]))
    ended = asyncio.Event()
    states = [""]

    async def hear(delivery: Delivery) -> None:
        if not delivery.payload:
            return
        state = json.loads(delivery.payload)
        states.append(state["state"])
        detail = f"  {state['detail']}" if state.get("detail") else ""
        print(json.dumps(state) if as_json else f"{state['changed']}  {state['state']}{detail}")
        if DownlinkState(state["state"]) in FINAL:
            ended.set()

    async with visit(connection, subscriptions=((state_topic, 1),), hear=hear) as link:
        await link.publish(Message(f"{base}/device/{dev_eui}/set", json.dumps(body).encode()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await ended.wait()
    if len(states) == 1 and wait_s:
        raise GatewayError("No answer: is the gateway running, and may this user publish?")
    return states[-1]


def _object(text: str) -> object:
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--object is not JSON: {error}.") from None
    if not isinstance(tree, dict):
        raise ConfigError("--object must be a JSON object, such as '{\"valve\": true}'.")
    return tree
