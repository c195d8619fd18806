"""The tables of our own radio: registered devices with their keys, sessions, counters, airtime.

Keys are in two columns, `radio_device.keys` and `radio_session.keys`, and nowhere else. They are
as secret as the file: it is readable by its owner alone (`database.narrow`).

`version` rises with every write of the registry, so that a running gateway sees that there is
something new to read.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.store.encoding import from_json, to_json
from gateway.store.records import (
    AirtimeRecord,
    CounterRecord,
    RadioBatch,
    RadioDeviceRecord,
    SessionRecord,
)
from gateway.types import DevEui

Ask = Callable[..., list[Any]]
"""Runs a query with its values and returns every row."""

AIRTIME_KEPT_S = 7200.0
"""Twice the hour that duty cycles are counted over."""


def write(connection: sqlite3.Connection, batch: RadioBatch) -> None:
    """Write what a radio's turn came to; call it inside a transaction."""
    connection.executemany(
        "INSERT INTO radio_session (dev_eui, started_s, body, keys) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (dev_eui, started_s) DO UPDATE SET body = excluded.body,"
        " keys = excluded.keys",
        [(s.dev_eui, s.started_s, to_json(dict(s.body)), s.keys) for s in batch.sessions],
    )
    connection.executemany(
        "DELETE FROM radio_session WHERE dev_eui = ? AND started_s = ?", batch.dropped
    )
    connection.executemany(
        "INSERT OR REPLACE INTO radio_counter (dev_eui, body) VALUES (?, ?)",
        [(counter.dev_eui, to_json(dict(counter.body))) for counter in batch.counters],
    )
    _write_airtime(connection, batch.airtime)


def _write_airtime(connection: sqlite3.Connection, airtime: tuple[AirtimeRecord, ...]) -> None:
    """Add transmissions, and forget what is old beside them, or far ahead by a clock gone wrong."""
    if not airtime:
        return
    connection.executemany(
        "INSERT INTO radio_airtime (radio, band, start_s, end_s) VALUES (?, ?, ?, ?)",
        [(item.radio, item.band, item.start_s, item.end_s) for item in airtime],
    )
    newest_s = max(item.end_s for item in airtime)
    connection.execute(
        "DELETE FROM radio_airtime WHERE end_s < ? OR start_s > ?",
        (newest_s - AIRTIME_KEPT_S, newest_s + AIRTIME_KEPT_S),
    )


def put(connection: sqlite3.Connection, records: Iterable[RadioDeviceRecord]) -> None:
    """Register devices or change them; call it inside a transaction.

    A device that comes with other keys than it last had begins anew: its sessions and counters
    belong to the old ones and go.
    """
    for record in records:
        connection.execute(
            "INSERT OR REPLACE INTO radio_device (dev_eui, body, keys, changed_s)"
            " VALUES (?, ?, ?, ?)",
            (
                record.dev_eui,
                to_json(dict(record.body)),
                to_json({name: key.hex() for name, key in record.keys.items()}),
                record.changed_s,
            ),
        )
        if record.keys:
            _begin_anew_with_other_keys(connection, record)
    _raise_version(connection)


def remove(connection: sqlite3.Connection, dev_eui: DevEui, *, forget: bool) -> bool:
    """Take a device out; tell whether it was there. Call it inside a transaction.

    Its sessions and counters stay, so that it goes on counting should it come back with the same
    keys; `forget` takes them too.
    """
    found = connection.execute("DELETE FROM radio_device WHERE dev_eui = ?", (dev_eui,)).rowcount
    if forget:
        _forget(connection, dev_eui)
        connection.execute("DELETE FROM radio_past WHERE dev_eui = ?", (dev_eui,))
    _raise_version(connection)
    return bool(found)


def devices(ask: Ask) -> list[RadioDeviceRecord]:
    """Return every registered device, by DevEUI."""
    rows = ask("SELECT dev_eui, body, keys, changed_s FROM radio_device ORDER BY dev_eui")
    return [
        RadioDeviceRecord(dev_eui, from_json(body), _keys(keys), changed_s)
        for dev_eui, body, keys, changed_s in rows
    ]


def version(ask: Ask) -> int:
    """Return a number that rises with every write of the registry; 0 before the first."""
    rows = ask("SELECT value FROM meta WHERE name = 'radio_version'")
    return int(rows[0][0]) if rows else 0


def sessions(ask: Ask) -> list[SessionRecord]:
    """Return every session, those of one device the older first."""
    rows = ask(
        "SELECT dev_eui, started_s, body, keys FROM radio_session ORDER BY dev_eui, started_s"
    )
    return [
        SessionRecord(dev_eui, started_s, from_json(body), keys)
        for dev_eui, started_s, body, keys in rows
    ]


def counters(ask: Ask) -> list[CounterRecord]:
    """Return what is kept of each device beside its sessions, by DevEUI."""
    rows = ask("SELECT dev_eui, body FROM radio_counter ORDER BY dev_eui")
    return [CounterRecord(dev_eui, from_json(body)) for dev_eui, body in rows]


def airtime(ask: Ask, since_s: float) -> list[AirtimeRecord]:
    """Return transmissions that ended at `since_s` or later, in the order of their end."""
    rows = ask(
        "SELECT radio, band, start_s, end_s FROM radio_airtime WHERE end_s >= ? ORDER BY end_s, id",
        since_s,
    )
    return [AirtimeRecord(*row) for row in rows]


def _begin_anew_with_other_keys(connection: sqlite3.Connection, record: RadioDeviceRecord) -> None:
    digest = _digest(record.keys)
    past = connection.execute(
        "SELECT digest FROM radio_past WHERE dev_eui = ?", (record.dev_eui,)
    ).fetchone()
    if past is not None and past[0] != digest:
        _forget(connection, record.dev_eui)
    connection.execute("INSERT OR REPLACE INTO radio_past VALUES (?, ?)", (record.dev_eui, digest))


def _forget(connection: sqlite3.Connection, dev_eui: DevEui) -> None:
    connection.execute("DELETE FROM radio_session WHERE dev_eui = ?", (dev_eui,))
    connection.execute("DELETE FROM radio_counter WHERE dev_eui = ?", (dev_eui,))


def _raise_version(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO meta VALUES ('radio_version', '1')"
        " ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)"
    )


def _keys(text: str) -> dict[str, bytes]:
    return {name: bytes.fromhex(digits) for name, digits in from_json(text).items()}


def _digest(keys: Mapping[str, bytes]) -> bytes:
    """Know keys again without keeping them: 128 random bits cannot be guessed from it."""
    whole = "\n".join(f"{name} {key.hex()}" for name, key in sorted(keys.items()))
    return hashlib.sha256(whole.encode()).digest()
