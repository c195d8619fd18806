"""`lora-gateway devices add`, `remove`, `restart`: the registry of our own radio's devices."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from gateway.commands import device_keys
from gateway.commands.device_keys import KeyWishes
from gateway.config import load
from gateway.errors import BadInput, ConfigError, GatewayError
from gateway.network import Kind, RadioDevice, from_record, to_record
from gateway.network.registration import TITLES, dev_eui_in, doubts, registered
from gateway.store import RadioDeviceRecord, Registry
from gateway.types import DevEui

_RISKS = {
    Kind.OTAA: "whoever recorded an old join-request of it can send that once more; it gets no "
    "keys by it",
    Kind.ABP: "whoever recorded earlier uplinks of it can send some of them again as new ones",
    Kind.PRIVATE: "whoever recorded an earlier frame of it can send that again as a new one",
}


def add(
    config_path: Path | None,
    fields: Mapping[str, str],
    wishes: KeyWishes,
    *,
    force: bool,
    ask: Callable[[str], str] = device_keys.ask_on_terminal,
) -> int:
    """Register one device; keys that were made are shown, this once.

    Raises
    ------
    ConfigError
        What was given describes no device, or one is there already and `force` is not given.
    StoreError
        The database cannot be used.

    """
    config = load(config_path).store
    kind = device_keys.kind_of(fields, wishes)
    found = device_keys.find(kind, wishes, ask)
    try:
        device = registered({**fields, **found.texts, "kind": kind.value})
    except BadInput as error:
        raise ConfigError(f"Not added: {error.detail}.") from None
    with closing(Registry.open(config.path, config)) as registry:
        before = registry.device(device.dev_eui)
        if before is not None and not force:
            raise ConfigError(
                f"{device.dev_eui} is registered already: --force changes it to what you give."
            )
        warn(device, devices_in(registry.devices()))
        registry.put([to_record(keeping_restart(device, before), time.time())])
    print(f"{device.dev_eui} {'changed' if before else 'added'} ({device.kind}).")
    for name in found.made:
        print(f"{TITLES[name]}: {found.texts[name]}   (shown this once: put it into the device)")
    return 0


def remove(config_path: Path | None, dev_eui: str, *, forget: bool) -> int:
    """Take a device out.

    Raises
    ------
    GatewayError
        It is not registered.

    """
    config = load(config_path).store
    eui = parsed(dev_eui)
    _there(config.path)
    with closing(Registry.open(config.path, config)) as registry:
        if not registry.remove(eui, forget=forget):
            raise GatewayError(f"{eui} is not registered.")
    kept = "its sessions and counters too" if forget else "its counters are kept for its return"
    print(f"{eui} removed; {kept}.")
    return 0


def restart(config_path: Path | None, dev_eui: str) -> int:
    """Note that a device's counters or DevNonces may begin again, and say what that risks."""
    config = load(config_path).store
    eui = parsed(dev_eui)
    _there(config.path)
    with closing(Registry.open(config.path, config)) as registry:
        record = registry.device(eui)
        if record is None:
            raise GatewayError(f"{eui} is not registered.")
        now_s = time.time()
        device = replace(from_record(record), restart_s=now_s)
        registry.put([to_record(device, now_s)])
    print(f"{eui} may begin again, once. The risk: {_RISKS[device.kind]}.")
    return 0


def parsed(dev_eui: str) -> DevEui:
    """Return a DevEUI of the command line. Raises `ConfigError`, without what was written."""
    try:
        return dev_eui_in(dev_eui)
    except BadInput as error:
        raise ConfigError(f"{error.detail[:1].upper()}{error.detail[1:]}.") from None


def devices_in(records: Iterable[RadioDeviceRecord]) -> list[RadioDevice]:
    """Return the devices of those records that this version can read."""
    found = []
    for record in records:
        try:
            found.append(from_record(record))
        except BadInput:
            print(f"{record.dev_eui}: its record cannot be read.", file=sys.stderr)
    return found


def keeping_restart(device: RadioDevice, before: RadioDeviceRecord | None) -> RadioDevice:
    """Return the device with the operator's word that was given to its former self."""
    if before is None:
        return device
    try:
        return replace(device, restart_s=from_record(before).restart_s)
    except BadInput:
        return device


def warn(device: RadioDevice, others: Iterable[RadioDevice]) -> None:
    """Say on stderr what may be wrong with a device."""
    for doubt in doubts(device, others):
        print(f"{device.dev_eui}: {doubt}.", file=sys.stderr)


def _there(path: Path) -> None:
    if not path.exists():
        raise GatewayError(f"{path} is not there: no device is registered yet.")
