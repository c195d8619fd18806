"""`lora-gateway detect`: what is plugged in, and with `--probe` which boards answer."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from gateway.codecs.radio import BAUD_RATES, DIALECTS
from gateway.errors import LinkError
from gateway.links.probing import identify
from gateway.links.serial import SerialSettings
from gateway.links.serial_ports import SerialPort, serial_ports
from gateway.types import BoardInfo, RadioSettings

WITHIN_S = 3.0
"""How long one dialect may try: an Arduino that was just reset answers after 2 s."""

ORDER = ("board", "rnode", "rn2483", "reyax", "rak811")
"""Binary dialects first: what they send is not a command to any board of text."""

_RADIO = RadioSettings(frequency_hz=868_100_000)


@dataclass(frozen=True, slots=True)
class Found:
    """What a port answered; `error` when it could not be opened. All "" when nobody answered."""

    speaks: str = ""
    baud: int = 0
    board: str = ""
    firmware: str = ""
    error: str = ""


def run(*, as_json: bool, probe: bool = False) -> int:
    """Print the serial ports of this machine under the names that survive unplugging."""
    ports = serial_ports()
    found = asyncio.run(_probe_all(ports, as_json=as_json)) if probe else {}
    if as_json:
        print(json.dumps([_tree(port, found.get(port.device)) for port in ports]))
    elif not ports:
        print("No serial port with a device behind it.")
    else:
        for port in ports:
            what = " ".join(filter(None, (port.manufacturer, port.product))) or "no USB device"
            print(f"{port.stable or port.device}  {port.usb or '-'}  {what}")
            if port.device in found:
                print(f"    {_words(found[port.device])}")
                if found[port.device].speaks:
                    print(_settings(port, found[port.device]))
        if not probe:
            print("Which board speaks what: --probe asks them (it opens each port; some reset).")
    return 0


async def probe_port(device: str, within_s: float = WITHIN_S) -> Found:
    """Ask one port in every dialect, at every rate that dialect is spoken at."""
    for name in ORDER:
        for baud in BAUD_RATES[name]:
            settings = SerialSettings(port=device, baud=baud)
            try:
                info = await identify(settings, DIALECTS[name](), _RADIO, within_s)
            except LinkError as error:
                return Found(error=str(error))
            if info is not None:
                return _found(name, baud, info)
    return Found()


def _found(name: str, baud: int, info: BoardInfo) -> Found:
    return Found(speaks=name, baud=baud, board=info.board, firmware=info.firmware)


async def _probe_all(ports: Iterable[SerialPort], *, as_json: bool) -> dict[str, Found]:
    """Ask every port, one after the other: two boards at once would only slow each other."""
    found: dict[str, Found] = {}
    for port in ports:
        if not as_json and sys.stderr.isatty():
            print(f"asking {port.device} ...", file=sys.stderr)
        found[port.device] = await probe_port(port.device)
    return found


def _tree(port: SerialPort, found: Found | None) -> dict[str, object]:
    tree: dict[str, object] = dict(asdict(port))
    return tree if found is None else tree | {"probe": asdict(found)}


def _settings(port: SerialPort, found: Found) -> str:
    """Return what to write in the settings to use this board."""
    lines = [
        "[radios.board]",
        f'dialect = "{found.speaks}"',
        f'port = "{port.stable or port.device}"',
        f"baud = {found.baud}",
    ]
    return "\n".join(f"    {line}" for line in ("To use it, in the settings file:", *lines))


def _words(found: Found) -> str:
    if found.error:
        return found.error
    if not found.speaks:
        return "no radio board that this gateway knows answers"
    return f"{found.board} {found.firmware} speaks {found.speaks} at {found.baud} baud"
