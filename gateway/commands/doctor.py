"""`lora-gateway doctor`: everything the gateway needs here, tried, with a remedy for what fails."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from gateway.codecs.radio import DIALECTS
from gateway.commands.doctor_api import try_api
from gateway.commands.models import verify_pack
from gateway.commands.wire import visit
from gateway.config import Config, ConnectionConfig, RadioConfig, load
from gateway.errors import ConfigError, GatewayError, LinkError
from gateway.inference import active
from gateway.links.probing import identify
from gateway.radios import SEMTECH_UDP, radios_of, serial_settings
from gateway.store import Reader
from gateway.types import RadioSettings

MIN_FREE_MB = 200
ANSWER_S = 3.0
"""How long a board may take to say who it is, once it has booted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried."""

    what: str
    good: bool
    detail: str


def run(config_path: Path | None, *, as_json: bool) -> int:
    """Try everything; return 0 when all is good, 1 when something is not, 2 for bad settings."""
    config = load(config_path)
    findings = [
        _try("machine", _machine),
        _try("disk", lambda: _disk(config)),
        _try("database", lambda: _database(config)),
        _try("model pack", lambda: _pack(config)),
        *_sources(config),
        _try("our broker", lambda: _broker(config.mqtt)),
    ]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{'good' if finding.good else 'BAD '}  {finding.what}: {finding.detail}")
    return 0 if all(finding.good for finding in findings) else 1


def _try(what: str, probe: Callable[[], str]) -> Finding:
    try:
        return Finding(what, good=True, detail=probe())
    except ConfigError:
        raise
    except (GatewayError, OSError) as error:
        return Finding(what, good=False, detail=str(error))


def _machine() -> str:
    if sys.maxsize <= 2**32:
        raise GatewayError("this is a 32-bit system; install the 64-bit one.")
    return f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores"


def _disk(config: Config) -> str:
    folder = config.store.path.parent
    while not folder.exists():
        folder = folder.parent
    free_mb = shutil.disk_usage(folder).free // 2**20
    if free_mb < MIN_FREE_MB:
        raise GatewayError(f"{free_mb} MB free at {folder}; make room or lower store.max_mb.")
    return f"{free_mb} MB free at {folder}"


def _database(config: Config) -> str:
    path = config.store.path
    if not path.exists():
        return f"{path} will be made at the first start"
    if not os.access(path, os.R_OK | os.W_OK):
        raise GatewayError(f"{path} cannot be read and written by this user; try with sudo.")
    reader = Reader.beside(path)
    with closing(reader.connection):
        counts = reader.counts()
    return f"{path}: {counts.uplinks} uplinks of {counts.devices} devices"


def _pack(config: Config) -> str:
    path = active(config.inference)
    report = verify_pack(path)
    return ", ".join(f"{name} {value}" for name, value in report.items())


def _sources(config: Config) -> list[Finding]:
    """Try each place that uplinks come from."""
    found = []
    if config.chirpstack.enabled:
        found.append(_try("ChirpStack's broker", lambda: _broker(config.chirpstack.mqtt)))
    if config.chirpstack.api.server:
        found.append(_try("ChirpStack's API", lambda: try_api(config, _own_devices(config))))
    for radio in radios_of(config):
        settings = config.radios[radio.name]
        found.append(_try(f"radio {radio.name}", partial(_board, settings, radio.settings)))
    return found


def _own_devices(config: Config) -> set[str]:
    """Return the devices that are registered for our own radios."""
    if not config.store.path.exists():
        return set()
    reader = Reader.beside(config.store.path)
    with closing(reader.connection):
        return {str(one.dev_eui) for one in reader.radio_devices()}


def _board(config: RadioConfig, settings: RadioSettings) -> str:
    """Ask the board who it is; a port that the running gateway holds is no fault."""
    if config.dialect == SEMTECH_UDP:
        return f"waits for packet forwarders at udp {config.listen_host}:{config.listen_port}"
    port = serial_settings(config)
    dialect = DIALECTS[config.dialect]()
    try:
        info = asyncio.run(identify(port, dialect, settings, ANSWER_S + config.boot_s))
    except LinkError as error:
        if "in use" in str(error):
            return f"{error} That is well when it is the running gateway."
        raise
    if info is None:
        raise GatewayError(
            f"nothing at {config.port} answers as {config.dialect} at {port.baud} baud; "
            "`lora-gateway detect --probe` says what is there."
        )
    return f"{info.board} {info.firmware} answers at {config.port}"


def _broker(connection: ConnectionConfig) -> str:
    probe = connection.model_copy(update={"client_id": f"lora-gateway-doctor-{os.getpid()}"})
    asyncio.run(_connect(probe))
    return f"{connection.host}:{connection.port} answers"


async def _connect(connection: ConnectionConfig) -> None:
    async with visit(connection):
        pass
