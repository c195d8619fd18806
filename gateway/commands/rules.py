"""`lora-gateway rules`: people's own rules, through the running gateway."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.commands.downlink import name_of, sign_for
from gateway.commands.wire import ask
from gateway.config import RuleConfig, load, read_rules
from gateway.errors import GatewayError
from gateway.rulebook import TOPIC, written_form
from gateway.speech import duration
from gateway.types import Json

_SHOWN = 20


def run(
    config_path: Path | None,
    verb: str,
    *,
    name: str = "",
    file: Path | None = None,
    days: int | None = None,
    by: str | None = None,
    wait_s: float = 10.0,
    as_json: bool = False,
) -> int:
    """Ask, and print the answers: one for each rule of `file`; return 0 when all went well."""
    config = load(config_path)
    asked: list[dict[str, Json]] = [{"name": name}] if name else [{}]
    if file is not None:
        asked = [{"rule": written_form(rule)} for rule in _of_file(file)]
    status = 0
    for about in asked:
        body: dict[str, Any] = {**about, "id": str(uuid.uuid4()), "by": by or ""}
        if verb not in {"list", "get"}:
            body |= {"by": name_of(config, by)} | ({"days": days} if days is not None else {})
            sign_for(config, "", body, order=TOPIC + verb)
        answer = asyncio.run(ask(config.mqtt, TOPIC + verb, body, wait_s))
        status |= answer["status"] != "ok"
        if as_json:
            print(json.dumps(answer))
        elif answer["error"]:
            print(answer["error"])
        else:
            print(_readable(verb, answer["data"]))
    return status


def _of_file(file: Path) -> tuple[RuleConfig, ...]:
    rules = read_rules(file)
    if not rules:
        raise GatewayError(f"{file} holds no [[rule]].")
    return rules


def _readable(verb: str, data: Mapping[str, Any]) -> str:
    if verb == "list":
        return "\n".join(map(_line, data["rules"])) or "There are no rules."
    if verb == "test":
        return trial(data)
    if data.get("removed"):
        return f"{data['name']}: removed."
    warnings = [f"  warning: {text}" for text in data.get("warnings", ())]
    return "\n".join([_line(data), *warnings])


def _line(rule: Mapping[str, Any]) -> str:
    state = "on " if rule["enabled"] else "off"
    fired = rule["fired"]
    return (
        f"{state} {rule['name']} ({rule['source']}): {rule['said']} Fired "
        f"{_times(fired['last_7_days'])} in 7 days, {_times(fired['last_30_days'])} in 30."
    )


def trial(data: Mapping[str, Any]) -> str:
    """Return what a trial came to, as lines for a terminal."""
    if not data["uplinks"]:
        return f"{data['name']}: there is nothing to try it on."
    said = (
        f"{data['name']}: would have fired {_times(data['fired'])} ({data['per_week']:g} a week) "
        f"from {data['from']} to {data['to']}, on {data['uplinks']} messages of "
        f"{data['devices']} devices."
    )
    lines = [said]
    for one in data["firings"][:_SHOWN]:
        end = f"for {duration(one['lasted_s'])}" if one["ended"] else "and goes on"
        lines.append(f"  {one['fired']}  {one['title']}, {end}")
    hidden = len(data["firings"]) - _SHOWN + data["more"]
    lines += [f"  and {hidden} more."] if hidden > 0 else []
    lines += [f"  {data['hint']}"] if data["hint"] else []
    return "\n".join(lines)


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count} times")
