"""`lora-gateway devices list` and `show`: the registry, with all but its keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.codecs import format_rfc3339
from gateway.commands.devices import devices_in, parsed
from gateway.config import load
from gateway.errors import GatewayError
from gateway.network import RadioDevice
from gateway.network.devices import to_json
from gateway.store import Heard, Registry, SessionRecord
from gateway.types import Json

_NONE = "No device is registered. `lora-gateway devices add --help` says how."
_WIDTH = 140
_TITLE = 20
_SHOWN = 8
_LINK = "radio."
_SNR = "radio.snr"


def list_devices(config_path: Path | None, *, as_json: bool) -> int:
    """Print every registered device."""
    registry = Registry.look(load(config_path).store.path)
    rows: list[dict[str, Json]] = []
    if registry is not None:
        with closing(registry):
            heard = registry.heard()
            rows = [
                _row(device, heard.get(device.dev_eui), registry.sessions(device.dev_eui))
                for device in devices_in(registry.devices())
            ]
    if as_json:
        print(json.dumps(rows))
    elif not rows:
        print(_NONE)
    else:
        _print_table(rows)
    return 0


def show(config_path: Path | None, dev_eui: str, *, as_json: bool) -> int:
    """Print everything of one device but its keys.

    Raises
    ------
    GatewayError
        It is not registered.

    """
    eui = parsed(dev_eui)
    registry = Registry.look(load(config_path).store.path)
    if registry is None:
        raise GatewayError(f"{eui} is not registered: no device is, yet.")
    with closing(registry):
        record = registry.device(eui)
        found = devices_in([record] if record else [])
        if not found:
            raise GatewayError(f"{eui} is not registered.")
        sessions = registry.sessions(eui)
        shown: dict[str, Json] = {
            **to_json(found[0]),
            "keys": dict.fromkeys(found[0].keys, "set"),
            **_last(heard := registry.heard().get(eui)),
            "link": _link(heard),
            "sessions": [{**session.body, "keys": "set"} for session in sessions],
            "counters": [
                {name: value for name, value in counter.body.items() if name != "keys"}
                for counter in registry.counters(eui)
            ],
        }
    if as_json:
        print(json.dumps(shown))
    else:
        _print_facts(shown)
    return 0


def _print_facts(facts: Mapping[str, Json], indent: str = "") -> None:
    """Print what is known, a line each; of a long list how many it has."""
    for name, value in facts.items():
        if value in (None, "", [], {}) or name == "format":
            continue
        title = f"{indent}{name.replace('_', ' '):<{_TITLE - len(indent)}}"
        if isinstance(value, dict):
            print(title.rstrip())
            _print_facts(value, indent + "  ")
        elif isinstance(value, list) and isinstance(value[0], dict):
            for one in value:
                print(title.rstrip())
                _print_facts(one, indent + "  ")
        elif isinstance(value, list) and len(value) > _SHOWN:
            print(f"{title} {len(value)} of them")
        else:
            print(f"{title} {value}")


def _row(
    device: RadioDevice, heard: Heard | None, sessions: list[SessionRecord]
) -> dict[str, Json]:
    address = device.dev_addr or (sessions[-1].body.get("dev_addr") if sessions else None)
    return {
        "dev_eui": device.dev_eui,
        "name": device.name,
        "kind": device.kind.value,
        "class": device.device_class.value,
        "codec": device.codec,
        "dev_addr": address,
        "keys": "set" if device.keys else "none",
        **_last(heard),
    }


def _last(heard: Heard | None) -> Mapping[str, Json]:
    """Return when a device was last heard, how far it counted, and how well it is received."""
    if heard is None:
        return {"last_heard": None, "f_cnt": None, "lost_percent": None, "snr_db": None}
    readings = heard.latest.readings if heard.latest else ()
    snr_db = next((reading.value for reading in readings if reading.channel == _SNR), None)
    sent = heard.received + heard.missing
    return {
        "last_heard": format_rfc3339(heard.record.last_seen_s),
        "f_cnt": heard.record.f_cnt,
        "lost_percent": round(100 * heard.missing / sent, 1) if sent else None,
        "snr_db": snr_db,
    }


def _link(heard: Heard | None) -> Mapping[str, Json]:
    """Return how the newest message was received: channel -> value with its unit."""
    readings = heard.latest.readings if heard is not None and heard.latest else ()
    return {
        reading.channel.removeprefix(_LINK): f"{reading.value:g} {reading.unit}".strip()
        for reading in readings
        if reading.channel.startswith(_LINK) and isinstance(reading.value, int | float)
    }


def _print_table(rows: list[dict[str, Json]]) -> None:
    table = Table()
    for title in rows[0]:
        table.add_column(title.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row.values()))
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH)).print(table)
