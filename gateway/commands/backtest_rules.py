"""`lora-gateway backtest --rules`: how often rules would have fired on tables, or on the store."""

from __future__ import annotations

import csv
import heapq
import json
import time as clock
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from gateway.codecs import format_rfc3339
from gateway.codecs.dictionary import default_dictionary
from gateway.commands.rules import trial
from gateway.commands.series import Cells, Warn, read_cells, to_stderr
from gateway.config import Config, RuleConfig, read_rules
from gateway.errors import ConfigError, GatewayError
from gateway.inference import Detector, active, load_model
from gateway.rehearsal import Heard, Rehearsal, Tried, stored, summary
from gateway.rulebook import DAY_S, warnings_of
from gateway.store import Reader
from gateway.types import Channel, DevEui, DeviceInfo, Reading, ReadingKind, Scalar

HEADER = (
    "rule", "device", "began", "fired", "ended", "lasted_s", "severity", "title",
)  # fmt: skip
DEVICE = "device"
_EUI_DIGITS = 16
_YES_NO = {"true": True, "false": False}


def run(
    rules_file: Path,
    files: Sequence[Path],
    config: Config,
    *,
    days: int | None,
    time: str | None = None,
    columns: Sequence[str] = (),
    out: Path | None = None,
    as_json: bool = False,
    warn: Warn = to_stderr,
) -> int:
    """Try every rule of a file, print what came of it, write `out`; return the exit status 0.

    `days` asks for the store's last days, None for the tables.

    Raises
    ------
    GatewayError
        A file, the store or the model cannot be used.

    """
    rules = read_rules(rules_file)
    if not rules:
        raise GatewayError(f"{rules_file} holds no [[rule]].")
    if (days is None) != bool(files):
        raise ConfigError("Give tables to try the rules on, or --store for the gateway's history.")
    if days is not None:
        tried = _on_store(config, rules, days, warn)
    else:
        tables = [read_cells(file, time, warn) for file in files]
        rows = list(_rows(tables, columns, config))
        _warn_of_channels(rules, rows, warn)
        span_s = rows[-1].received_s - rows[0].received_s if rows else 0.0
        detector = _detector(config, rules, warn)
        tried = Rehearsal(config, rules, detector, derive=True, span_s=span_s).run(rows)
    found = [summary(tried, rule.name) for rule in rules]
    print(json.dumps(found) if as_json else "\n".join(map(trial, found)))
    if out is not None:
        _write(tried, out)
    return 0


def _on_store(config: Config, rules: Sequence[RuleConfig], days: int, warn: Warn) -> Tried:
    path = config.store.path
    if not path.exists():
        raise GatewayError(f"{path} is not there: the gateway has not run yet.")
    reader = Reader.beside(path)
    with closing(reader.connection):
        infos = {one.info.dev_eui: one.info for one in reader.devices()}
        span_s = days * DAY_S
        detector = _detector(config, rules, warn)
        rehearsal = Rehearsal(config, rules, detector, derive=False, span_s=span_s)
        return rehearsal.run(stored(reader, infos.get, clock.time() - span_s))


def _detector(config: Config, rules: Iterable[RuleConfig], warn: Warn) -> Detector | None:
    """Open the model where a rule asks a forecast."""
    if not any(leaf.within_s for rule in rules for leaf in rule.leaves()):
        return None
    if not config.inference.enabled:
        warn("[inference] is off: conditions on a forecast never hold.")
        return None
    return Detector(load_model(active(config.inference), threads=2), config.inference)


def _rows(tables: Sequence[Cells], columns: Sequence[str], config: Config) -> Iterator[Heard]:
    """Yield the rows of all tables in the order of their time."""
    names = {one.name: eui for eui, one in config.devices.items() if one.name}
    parts = [_heard(table, columns, names, config) for table in tables]
    return heapq.merge(*parts, key=lambda row: row.received_s)


def _heard(
    table: Cells, columns: Sequence[str], names: dict[str, str], config: Config
) -> Iterator[Heard]:
    wanted = [name for name in table.columns if name != DEVICE and (not columns or name in columns)]
    if missing := [name for name in columns if name not in table.columns]:
        raise ConfigError(f"{table.path} has no column {missing[0]!r}.")
    known = default_dictionary().channels
    units = {name: known[name].unit if name in known else "" for name in wanted}
    devices = table.columns.get(DEVICE)
    infos: dict[str, DeviceInfo] = {}
    for row in table.order():
        called = devices[row].strip() if devices is not None else table.path.name.split(".")[0]
        if called not in infos:
            infos[called] = _info(called, names, config)
        info, time_s = infos[called], table.times_s[row]
        readings = tuple(
            Reading(info.dev_eui, Channel(name), value, units[name], _kind(value), time_s, name)
            for name in wanted
            if (value := _value(table.columns[name][row])) is not None
        )
        if readings:
            yield Heard(info, readings, time_s)


def _info(called: str, names: dict[str, str], config: Config) -> DeviceInfo:
    """Return the device that a table means: a DevEUI, a name of the settings, or any word."""
    lower = called.lower()
    if len(lower) == _EUI_DIGITS and set(lower) <= set("0123456789abcdef"):
        known = config.devices.get(lower)
        return DeviceInfo(DevEui(lower), known.name if known else "")
    made = uuid.uuid5(uuid.NAMESPACE_OID, called).hex[:_EUI_DIGITS]
    return DeviceInfo(DevEui(names.get(called, made)), called)


def _value(cell: str) -> Scalar | None:
    text = cell.strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return _YES_NO.get(text.lower(), text)


def _kind(value: Scalar) -> ReadingKind:
    if isinstance(value, bool):
        return ReadingKind.BOOLEAN
    return ReadingKind.ENUM if isinstance(value, str) else ReadingKind.NUMERIC


def _warn_of_channels(rules: Iterable[RuleConfig], rows: Sequence[Heard], warn: Warn) -> None:
    channels = {reading.channel for row in rows for reading in row.readings}
    for rule in rules:
        for text in warnings_of(rule, channels):
            warn(text)


def _write(tried: Tried, out: Path) -> None:
    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            for one in tried.firings:
                alert = one.alert
                end = format_rfc3339(alert.end_s) if alert.end_s is not None else ""
                writer.writerow((
                    one.rule, alert.dev_eui, format_rfc3339(alert.first_seen_s),
                    format_rfc3339(one.fired_s), end, round(tried.lasted_s(one)),
                    alert.severity.value, alert.title,
                ))  # fmt: skip
    except OSError as error:
        raise GatewayError(f"{out} cannot be written: {error.strerror}.") from error
