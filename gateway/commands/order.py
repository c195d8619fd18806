"""`lora-gateway order`: an emergency stop, its end, or a second person's word."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path

from gateway.commands.downlink import name_of, sign_for
from gateway.commands.wire import visit
from gateway.config import MqttConfig, load
from gateway.control import VERBS
from gateway.errors import ConfigError, GatewayError
from gateway.publishers import Topics
from gateway.types import Delivery, Json, Message


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
        print(answer["error"] or "Done: " + json.dumps(answer["data"]))
    return 0 if answer["status"] == "ok" else 1


async def ask(
    config: MqttConfig, verb: str, body: Mapping[str, object], wait_s: float
) -> dict[str, Json]:
    """Ask the running gateway one thing and return its answer.

    Raises
    ------
    GatewayError
        The broker does not accept us, or no answer comes within `wait_s`.

    """
    mark = uuid.uuid4().hex
    connection = config.model_copy(update={"client_id": f"lora-gateway-cli-{mark[:8]}"})
    answered: asyncio.Queue[dict[str, Json]] = asyncio.Queue()

    async def hear(delivery: Delivery) -> None:
        answer = json.loads(delivery.payload)
        if answer.get("transaction") == mark:  # somebody else may be asking too
            answered.put_nowait({**answer, "transaction": None})  # the mark is ours alone

    topic = Topics(config.base).response(verb)
    asked = json.dumps({**body, "transaction": mark}).encode()
    async with visit(connection, subscriptions=((topic, 1),), hear=hear) as link:
        await link.publish(Message(f"{config.base}/bridge/request/{verb}", asked))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                return await answered.get()
    raise GatewayError("No answer: is the gateway running, and may this user publish?")
