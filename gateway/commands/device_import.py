"""`lora-gateway devices import`: a whole file of devices, or none of it."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

from gateway.commands.devices import devices_in, keeping_restart, warn
from gateway.config import StoreConfig, load
from gateway.errors import BadInput, ConfigError
from gateway.network import to_record
from gateway.network.listings import MAX_BYTES, Listed, Mistake, read
from gateway.store import Registry


def run(config_path: Path | None, file: Path, *, dry_run: bool, force: bool) -> int:
    """Register every device of the file; return 1, with every mistake named, when any is wrong.

    Raises
    ------
    ConfigError
        The file cannot be read, or holds no devices.
    StoreError
        The database cannot be used.

    """
    config = load(config_path).store
    try:
        listed, mistakes = read(_text(file))
    except BadInput as error:
        raise ConfigError(f"{file}: {error.detail}.") from None
    if not force:
        mistakes = (*mistakes, *_there_already(config.path, listed))
    for mistake in sorted(mistakes, key=lambda mistake: mistake.line):
        print(f"line {mistake.line}: {mistake.what}", file=sys.stderr)
    if mistakes:
        print(f"Nothing was imported: {len(mistakes)} mistakes.", file=sys.stderr)
        return 1
    if dry_run:
        print(f"{len(listed)} devices are good; nothing was changed.")
        return 0
    _put(config, listed)
    print(f"{len(listed)} devices imported.")
    return 0


def _put(config: StoreConfig, listed: tuple[Listed, ...]) -> None:
    now_s = time.time()
    with closing(Registry.open(config.path, config)) as registry:
        before = {record.dev_eui: record for record in registry.devices()}
        others = devices_in(before.values())
        for item in listed:
            warn(item.device, others)
        registry.put(
            to_record(keeping_restart(item.device, before.get(item.device.dev_eui)), now_s)
            for item in listed
        )


def _there_already(path: Path, listed: tuple[Listed, ...]) -> list[Mistake]:
    registry = Registry.look(path)
    if registry is None:
        return []
    with closing(registry):
        there = {record.dev_eui for record in registry.devices()}
    return [
        Mistake(item.line, f"{item.device.dev_eui} is registered already; --force changes it")
        for item in listed
        if item.device.dev_eui in there
    ]


def _text(file: Path) -> str:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(MAX_BYTES + 1)
        return data.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is no UTF-8 text.") from None
