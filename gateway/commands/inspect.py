"""Looking at a gateway from outside: its devices, a copy of its database, a report for helpers."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from gateway import __version__
from gateway.codecs import format_rfc3339
from gateway.config import Config, load
from gateway.errors import GatewayError
from gateway.store import Reader, copy, put_back

PACKAGES = (
    "paho-mqtt", "onnxruntime", "numpy", "pyserial", "chirpstack-api", "pydantic", "structlog",
)  # fmt: skip


def devices(config_path: Path | None, *, as_json: bool) -> int:
    """Print every device the store knows, newest first."""
    config = load(config_path)
    with reading(config) as store:
        alerts = Counter(alert.dev_eui for alert in store.open_alerts())
        known = sorted(store.devices(), key=lambda device: -device.last_seen_s)
    rows = [
        {
            "dev_eui": device.info.dev_eui,
            "name": device.info.name,
            "profile": device.info.profile,
            "last_seen": format_rfc3339(device.last_seen_s),
            "f_cnt": device.f_cnt,
            "alerts": alerts[device.info.dev_eui],
        }
        for device in known
    ]
    if as_json:
        print(json.dumps(rows))
    elif not rows:
        print("No device was heard yet.")
    else:
        for row in rows:
            print("{dev_eui}  {last_seen}  {alerts:>2} alerts  {name}  ({profile})".format(**row))
    return 0


def backup(config_path: Path | None, out: Path) -> int:
    """Copy the database to `out`, also while the gateway runs."""
    config = load(config_path)
    with reading(config):
        pass
    copy(config.store.path, out)
    print(f"{out} written.")
    return 0


def restore(config_path: Path | None, file: Path, *, force: bool) -> int:
    """Put a checked copy in the place of the database."""
    target = load(config_path).store.path
    if target.exists() and not force:
        raise GatewayError(f"{target} is there already; --force replaces it.")
    put_back(file, target)
    print(f"{target} restored from {file}.")
    return 0


def dump(config_path: Path | None) -> int:
    """Print versions, settings without secrets, and what the database holds."""
    config = load(config_path)
    report: dict[str, object] = {
        "version": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "settings": config.public(),
    }
    if config.store.path.exists():
        with reading(config) as store:
            report["store"] = asdict(store.counts())
            report["quarantine"] = dict(store.quarantine_counts())
    print(json.dumps(report, indent=2))
    return 0


@contextmanager
def reading(config: Config) -> Iterator[Reader]:
    """Open the database beside the daemon that writes it."""
    if not config.store.path.exists():
        raise GatewayError(f"{config.store.path} is not there: the gateway has not run yet.")
    reader = Reader.beside(config.store.path)
    with closing(reader.connection):
        yield reader
