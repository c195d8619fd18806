"""`lora-gateway downlink`: a command through the running gateway, followed to where it gets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
import uuid
from pathlib import Path

from gateway.codecs import format_rfc3339
from gateway.commands.wire import visit
from gateway.config import Config, ConnectionConfig, load
from gateway.control import FINAL, sign
from gateway.errors import ConfigError, GatewayError
from gateway.publishers import Topics
from gateway.types import Delivery, DevEui, DownlinkState, Json, Message

NOT_DONE = frozenset({"failed", "nacked", "expired", "superseded"})
_DEV_EUI = re.compile(r"[0-9A-Fa-f]{16}")


def run(
    config_path: Path | None,
    dev_eui: str | None,
    *,
    hex_data: str | None,
    object_json: str | None,
    f_port: int | None,
    confirmed: bool,
    wait_s: float,
    as_json: bool,
    command: str | None = None,
    duration_s: float | None = None,
    by: str | None = None,
    dry_run: bool = False,
    group: str | None = None,
) -> int:
    """Send to a device or a group and follow; return 0 unless it was refused or failed."""
    config = load(config_path)
    target = _target(config, dev_eui, group)
    named = [one for one in (hex_data, object_json, command) if one is not None]
    if len(named) != 1 and not (hex_data is None and len(named) == 2):  # noqa: PLR2004 - a pair
        raise ConfigError("Give exactly one of --hex, --object and --command.")
    command_id = str(uuid.uuid4())
    body: dict[str, object] = {"id": command_id, "confirmed": confirmed, "by": name_of(config, by)}
    given = {
        "hex": hex_data,
        "object": _object(object_json) if object_json is not None else None,
        "command": command,
        "duration_s": duration_s,
        "f_port": f_port,
        "dry_run": dry_run or None,
    }
    body |= {key: value for key, value in given.items() if value is not None}
    if group is None:
        sign_for(config, target, body)
    else:
        sign_for(config, "", body, group=group)
    connection = config.mqtt.model_copy(update={"client_id": f"lora-gateway-cli-{command_id[:8]}"})
    last = asyncio.run(
        _send(
            connection, config.mqtt.base, target, body, wait_s, in_group=group is not None,
            as_json=as_json,
        )
    )  # fmt: skip
    if not as_json and (hint := hint_of(last)):
        print(hint)
    return 1 if last["state"] in {"refused", "failed", "nacked", "expired", "partial"} else 0


def _target(config: Config, dev_eui: str | None, group: str | None) -> str:
    """Return the device's key in topics, or the group's."""
    if (dev_eui is None) == (group is None):
        raise ConfigError("Give a DevEUI, or --group NAME.")
    if group is not None:
        if group not in config.groups:
            known = ", ".join(sorted(config.groups)) or "none"
            raise ConfigError(f"{group!r} is no group of the settings; there are: {known}.")
        return group
    if dev_eui is None or not _DEV_EUI.fullmatch(dev_eui):
        raise ConfigError(f"{dev_eui!r} is not a DevEUI: give its 16 hex digits.")
    return dev_eui.lower()


def name_of(config: Config, by: str | None) -> str:
    """Return who commands; where operators are named, one of them must be."""
    if by is None and config.operators:
        raise ConfigError(f"Say who you are with --by: {', '.join(sorted(config.operators))}.")
    return by or "command line"


def sign_for(config: Config, dev_eui: str, body: dict[str, object], **more: str) -> None:
    """Sign for an operator who has a key, which must be readable here; `more` is signed too."""
    operator = config.operators.get(str(body["by"]))
    if operator is not None and (key := operator.key()):
        body["time"] = format_rfc3339(time.time())
        body["signature"] = sign(key, dev_eui, {**body, **more})


async def _send(
    connection: ConnectionConfig,
    base: str,
    target: str,
    body: dict[str, object],
    wait_s: float,
    *,
    in_group: bool,
    as_json: bool,
) -> dict[str, Json]:
    """Publish it and print each state; return the last one."""
    topics, identity = Topics(base), str(body["id"])
    one = topics.command(DevEui(target), identity)
    state_topic = topics.group_command(target, identity) if in_group else one
    ended = asyncio.Event()
    states: list[dict[str, Json]] = []

    async def hear(delivery: Delivery) -> None:
        if not delivery.payload:
            return
        state = json.loads(delivery.payload)
        states.append(state)
        print(json.dumps(state) if as_json else _line(state))
        over = state["state"] != "under_way" if in_group else _is_over(state["state"])
        if over:
            ended.set()

    async with visit(connection, subscriptions=((state_topic, 1),), hear=hear) as link:
        to = f"{base}/{'group' if in_group else 'device'}/{target}/set"
        await link.publish(Message(to, json.dumps(body).encode()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await ended.wait()
    if not states and wait_s:
        raise GatewayError("No answer: is the gateway running, and may this user publish?")
    return states[-1] if states else {"state": ""}


def hint_of(state: dict[str, Json]) -> str:
    """Return what people may want to do or know after a command's last state, "" for nothing."""
    name, detail = state["state"], str(state.get("detail", ""))
    if name == "refused":
        return "On the command line that is --duration." if "`duration_s`" in detail else ""
    if state.get("held_for") == "confirmation":
        return (
            f"Until {state['held_until']} another operator may let it go: "
            f"lora-gateway order confirm --command {state['id']} --by NAME"
        )
    lines = []
    if name in {"accepted", "queued", "held"}:
        soon = f", when the device is expected at {state['eta']}" if state.get("eta") else ""
        lines.append(f"It goes on without this command line{soon}; its id is {state['id']}.")
    if name not in {"", "rehearsed", *NOT_DONE} and state.get("duration_s"):
        lines.append(f"It lasts {state['duration_s']:g} s, and is ended then without a command.")
    return "\n".join(lines)


def _line(state: dict[str, Json]) -> str:
    """Return one step as people read it; of a group, how many are where and who was refused."""
    detail = f"  {state['detail']}" if state.get("detail") else ""
    if "counts" in state:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(state["counts"].items()))
        refused = [one for one in state["members"] if one["state"] == "refused"]
        detail = f"  {counts}{detail}"
        detail += "".join(f"\n  {one['dev_eui']}: {one['detail']}" for one in refused)
    return f"{state['changed']}  {state['state']}{detail}"


def _is_over(state: str) -> bool:
    return DownlinkState(state) in FINAL


def _object(text: str) -> object:
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--object is not JSON: {error}.") from None
    if not isinstance(tree, dict):
        raise ConfigError("--object must be a JSON object, such as '{\"valve\": true}'.")
    return tree
