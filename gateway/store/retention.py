"""What leaves, and when: a bounded step at a time, so that commits never wait long.

Uplinks go by age and by size, from the lowest seq up and never the newest one, so that a seq is
never given twice. Open alerts and open downlinks stay; ended ones are kept twice as long as
telemetry.
"""

from __future__ import annotations

import sqlite3

from gateway.config import StoreConfig
from gateway.store import audit
from gateway.store.database import WAL_BYTES
from gateway.store.records import Pruned

CHUNK = 500
"""Rows of one table that one step deletes."""

VACUUM_PAGES = 500
"""Pages that one step gives back to the file system (2 MB)."""

MAX_OUTBOX = 100_000
"""Messages kept for a broker that stays away; the oldest go first."""

_DAY_S = 86400.0
_MB = 1_000_000
_FILL = 0.95
"""Telemetry goes before the limit is met, so that the file need not be shrunk again and again."""


def step(connection: sqlite3.Connection, config: StoreConfig, now_s: float) -> Pruned:
    """Delete one chunk of what is too old or too much; call it inside a transaction."""
    cutoff_s = now_s - config.max_days * _DAY_S
    crowded = _used_bytes(connection) > _FILL * _budget(config)
    uplinks = delete_oldest(connection) if crowded else _delete_expired(connection, cutoff_s)
    events = _delete_events(connection, None if crowded else cutoff_s)
    kept_s = now_s - 2 * config.max_days * _DAY_S
    alerts = _delete(connection, "alert", "id", "coalesce(end_s, ?1) < ?1", kept_s)
    downlinks = _delete(
        connection,
        "downlink",
        "id",
        "changed_s < ? AND state NOT IN ('held', 'accepted', 'queued', 'sent')",
        kept_s,
    )
    _delete(connection, "seen", "uid", "time_s < ?", cutoff_s)
    messages = _delete(
        connection, "outbox", "seq", "seq <= (SELECT max(seq) FROM outbox) - ?", MAX_OUTBOX
    )
    decisions = audit.prune(connection, kept_s, now_s)
    more = max(uplinks, events, alerts, downlinks, messages) >= CHUNK
    return Pruned(uplinks, events, alerts, downlinks, messages, decisions, more=more)


def delete_oldest(connection: sqlite3.Connection, rows: int = CHUNK) -> int:
    """Delete the `rows` oldest uplinks, never the newest one; return how many went."""
    low, high = connection.execute("SELECT min(seq), max(seq) FROM uplink").fetchone()
    if low is None:
        return 0
    return _delete_up_to(connection, min(low + rows - 1, high - 1))


def _delete_expired(connection: sqlite3.Connection, cutoff_s: float) -> int:
    """Delete from the old end up to the last expired row among the first `CHUNK`.

    A row counts as young if either of its clocks says so; one whose clock was far ahead does not
    hold up those behind it.
    """
    last = connection.execute(
        "SELECT max(seq) FROM (SELECT seq, time_s, received_s FROM uplink"
        " WHERE seq < (SELECT max(seq) FROM uplink) ORDER BY seq LIMIT ?)"
        " WHERE max(time_s, received_s) < ?",
        (CHUNK, cutoff_s),
    ).fetchone()[0]
    return 0 if last is None else _delete_up_to(connection, last)


def _delete_up_to(connection: sqlite3.Connection, seq: int) -> int:
    """Delete uplinks up to `seq`; devices with none left keep their last sign in their own row."""
    connection.execute(
        "UPDATE device SET dev_addr = u.dev_addr, f_cnt = u.f_cnt, last_seen_s = u.time_s"
        " FROM (SELECT device, dev_addr, f_cnt, max(time_s) AS time_s FROM uplink WHERE seq <= ?1"
        " GROUP BY device) u"
        " WHERE device.id = u.device AND device.last_seen_s <= u.time_s AND NOT EXISTS"
        " (SELECT 1 FROM uplink WHERE uplink.device = u.device AND seq > ?1)",
        (seq,),
    )
    return connection.execute("DELETE FROM uplink WHERE seq <= ?", (seq,)).rowcount


def _delete_events(connection: sqlite3.Connection, cutoff_s: float | None) -> int:
    oldest = "SELECT id, time_s FROM event WHERE id < (SELECT max(id) FROM event) ORDER BY id LIMIT"
    last = connection.execute(
        f"SELECT max(id) FROM ({oldest} ?1) WHERE ?2 IS NULL OR time_s < ?2",  # noqa: S608 - ours
        (CHUNK, cutoff_s),
    ).fetchone()[0]
    return connection.execute("DELETE FROM event WHERE id <= ?", (last,)).rowcount if last else 0


def _delete(
    connection: sqlite3.Connection, table: str, key: str, condition: str, value: float
) -> int:
    return connection.execute(
        f"DELETE FROM {table} WHERE {key} IN"  # noqa: S608 - names of our own tables
        f" (SELECT {key} FROM {table} WHERE {condition} LIMIT {CHUNK})",
        (value,),
    ).rowcount


def shrink(connection: sqlite3.Connection, config: StoreConfig) -> int:
    """Give back some pages while the file exceeds its budget; return how many."""
    pages, free, size = _pages(connection)
    count = min(-((_budget(config) - pages * size) // size), free, VACUUM_PAGES)
    if count <= 0:
        return 0
    # As a script, because `execute` stops after the first page.
    connection.executescript(f"PRAGMA incremental_vacuum({count})")
    return pages - _pages(connection)[0]


def _budget(config: StoreConfig) -> int:
    """Bytes the file may have, beside its WAL."""
    return config.max_mb * _MB - WAL_BYTES


def _used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of pages in use; free pages inside the file are used again before it grows."""
    pages, free, size = _pages(connection)
    return (pages - free) * size


def _pages(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Pages of the file, how many of them are free, and the size of one."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return pages, free, size
