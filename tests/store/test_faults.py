"""Crashes, full disks and damaged files: all or nothing, and plain words."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import gateway
from gateway.errors import StoreError
from gateway.store import (
    Batch,
    HistoryCursor,
    Store,
    StoreDamaged,
    StoreFull,
    UplinkRecord,
    database,
)
from gateway.store.schema import STEPS, VERSION, migrate, version_of
from gateway.types import Alert, AlertEvent, DevEui, EventType, Message, Severity

EUI = DevEui("a84041000181c061")
Open = Callable[..., Store]
MakeUplink = Callable[..., UplinkRecord]


def full_batch(uplink: MakeUplink, first: int, count: int = 8) -> Batch:
    """Make one batch that writes every kind of row a crash could tear apart."""
    alert = Alert(f"a{first}", EUI, "model", "leak", "", Severity.INFO, "", "", (), 1.0, 2.0)
    return Batch(
        uplinks=tuple(uplink(first + n) for n in range(count)),
        alerts=(AlertEvent(EventType.NEW, alert),),
        messages=(Message(f"t/{first}", b"x", durable=True),),
        cursor=HistoryCursor((), first + count),
    )


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Read every row of every table."""
    with closing(sqlite3.connect(path)) as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        return {name: _rows(connection, name) for name in names}


def _rows(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - our own tables


def once_after(steps: int) -> Callable[[], bool]:
    """Make a progress handler that interrupts once, after so many of SQLite's steps."""
    left = iter(range(steps + 1))
    return lambda: next(left, None) == steps


async def test_an_interruption_at_any_point_applies_nothing(
    open_store: Open, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(full_batch(uplink, 0))
    await store.outbox_done([1])
    before = contents(store.path)
    connection = store._writer.connection
    interrupted = 0
    for after_steps in range(1, 100_000, 40):
        connection.set_progress_handler(once_after(after_steps), 1)
        try:
            await store.commit(full_batch(uplink, 8))
        except StoreError:
            interrupted += 1
            assert contents(store.path) == before
        else:
            break
    connection.set_progress_handler(None, 1)
    assert interrupted > 10
    assert store.head_seq() == 16
    assert [message.topic for _, message in store.outbox(9)] == ["t/8"]


async def test_a_record_that_cannot_be_stored_takes_nothing_with_it(
    open_store: Open, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(full_batch(uplink, 0))
    before = contents(store.path)
    broken = uplink(9)
    broken = replace(broken, readings=(replace(broken.readings[0], value=float("nan"), key="k"),))
    with pytest.raises(ValueError, match="JSON compliant"):
        await store.commit(Batch(uplinks=(uplink(8), broken)))
    assert contents(store.path) == before
    sound = replace(broken, readings=(replace(broken.readings[0], value=1.5),))
    await store.commit(Batch(uplinks=(uplink(8), sound)))
    assert store.after(9, 1)[0].record.readings == sound.readings


WORKER = """
import asyncio, sys, uuid
from pathlib import Path
from gateway.config import StoreConfig
from gateway.store import Batch, Store, UplinkRecord
from gateway.types import Alert, AlertEvent, Channel, DevEui, EventType, Message
from gateway.types import Reading, ReadingKind, Severity

EUI = DevEui("a84041000181c061")

def record(uid, n):
    reading = Reading(EUI, Channel("soil.moisture"), 30.5, "%", ReadingKind.NUMERIC, float(n), "m")
    return UplinkRecord(uid, EUI, "01a2b3c4", n, float(n), float(n), readings=(reading,))

async def main():
    store = Store.open(Path(sys.argv[1]), StoreConfig())
    n = store.head_seq()
    print("ready", flush=True)
    while True:
        uids = [str(uuid.uuid4()) for _ in range(1 + n % 5)]
        alert = Alert(uids[0], EUI, "model", "leak", "", Severity.INFO, "", "", (), 1.0, 2.0)
        await store.commit(Batch(
            uplinks=tuple(record(uid, n + i) for i, uid in enumerate(uids)),
            alerts=(AlertEvent(EventType.NEW, alert),),
            messages=(Message(uids[0], b"", durable=True),),
        ))
        n += len(uids)
        print(*uids, flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_killed_process_loses_no_commit_it_reported(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    chance = random.Random(2)  # noqa: S311 - when to kill
    reported: list[list[str]] = []
    for _ in range(20):
        reported += _run_and_kill(path, chance.uniform(0.0, 0.25))
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with closing(sqlite3.connect(path)) as connection:
        stored = [database_uid(row[0]) for row in connection.execute("SELECT uid FROM uplink")]
        alerts = {row[0] for row in connection.execute("SELECT id FROM alert")}
        topics = [row[0] for row in connection.execute("SELECT topic FROM outbox")]
    assert len(stored) == len(set(stored))
    assert {uid for uids in reported for uid in uids} <= set(stored)
    assert {uids[0] for uids in reported} <= alerts
    assert sorted(topics) == sorted(alerts)
    # A commit that was not reported is whole or absent: at most one per kill.
    assert len(alerts) - len(reported) <= 20
    assert len(reported) > 40


def database_uid(stored: bytes) -> str:
    """Decode as `encoding.decode_uid` does, written out once more to check it."""
    text = stored.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _run_and_kill(path: Path, after_s: float) -> list[list[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(gateway.__file__).parents[1],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        timer = threading.Timer(after_s, process.send_signal, (signal.SIGKILL,))
        timer.start()
        lines = process.stdout.readlines()
        timer.join()
    return [line.split() for line in lines if line.endswith("\n")]


async def test_a_full_store_gives_up_its_oldest_uplinks(
    open_store: Open, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=tuple(uplink(n) for n in range(2000))))
    pages = store._writer.connection.execute("PRAGMA page_count").fetchone()[0]
    store._writer.connection.execute(f"PRAGMA max_page_count = {pages + 4}")
    freed, n = 0, 2000
    while not freed:
        committed = await store.commit(full_batch(uplink, n, 50))
        freed, n = committed.freed, n + 50
        assert len(committed.new) == 50
    assert store.tail_seq() == freed + 1
    assert store.head_seq() == n
    assert len(store.open_alerts()) == (n - 2000) // 50


async def test_a_store_that_stays_full_says_so_and_works_again_later(
    open_store: Open, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(full_batch(uplink, 0))
    before = contents(store.path)
    connection = store._writer.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFull, match="Free space on this disk"):
        await store.commit(full_batch(uplink, 8, 400))
    after = contents(store.path)
    assert after["alert"] == before["alert"]
    assert after["uplink"] == before["uplink"][-1:]
    connection.execute("PRAGMA max_page_count = 1000000")
    await store.commit(full_batch(uplink, 8, 400))
    assert store.head_seq() == 408


async def test_without_a_reserve_the_file_leaves_room_to_delete(
    open_store: Open, uplink: MakeUplink, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    await store.commit(full_batch(uplink, 0))
    connection = store._writer.connection
    database.release_reserve(store.path)
    free = shutil.disk_usage(store.path.parent).free
    monkeypatch.setattr(database, "RESERVE_BYTES", 2 * free)  # as if the disk were full
    database.limit_growth(connection, store.path)
    pages, limit = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "max_page_count")
    )
    assert limit <= pages + 100_000
    monkeypatch.undo()
    await store.prune(0.0)
    assert connection.execute("PRAGMA max_page_count").fetchone()[0] > limit


async def test_damage_is_found_and_the_file_set_aside_only_when_asked(
    open_store: Open, uplink: MakeUplink, tmp_path: Path
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=tuple(uplink(n) for n in range(200))))
    await store.close()
    content = bytearray(store.path.read_bytes())
    content[4096 * 5 : 4096 * 9] = b"\x55" * 4096 * 4
    store.path.write_bytes(content)
    with pytest.raises(StoreDamaged, match="Restore a backup"):
        open_store()
    fresh = open_store(set_aside_damaged=True)
    await fresh.commit(Batch(uplinks=(uplink(0),)))
    assert (tmp_path / "gateway.db.damaged-1").read_bytes() == content


@pytest.mark.parametrize("content", [b"not a database at all" * 500, b"\x00" * 5000])
async def test_a_file_of_something_else_is_refused(
    open_store: Open, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "gateway.db").write_bytes(content)
    with pytest.raises(StoreDamaged):
        open_store()


async def test_a_large_file_is_looked_at_quickly(
    open_store: Open, uplink: MakeUplink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_QUICK_CHECK_BYTES", 0)
    store = open_store()
    await store.commit(full_batch(uplink, 0))
    await store.close()
    again = open_store()
    assert again.head_seq() == 8
    await again.check()


async def test_a_newer_file_is_left_alone(open_store: Open, tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"version {VERSION + 1}.*Install the newer"):
        open_store(set_aside_damaged=True)
    assert path.read_bytes() == before


async def test_an_older_file_takes_the_steps_it_lacks(open_store: Open, uplink: MakeUplink) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=(uplink(0),)))
    await store.close()
    later = (*STEPS, ("ALTER TABLE device ADD COLUMN note TEXT", "CREATE TABLE more (id INTEGER)"))
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        migrate(connection, later)
        migrate(connection, later)
        assert version_of(connection) == VERSION + 1
        assert connection.execute("SELECT note FROM device").fetchall() == [(None,)]
        assert connection.execute("SELECT count(*) FROM uplink").fetchone() == (1,)


async def test_a_step_that_fails_leaves_the_file_as_it_was(
    open_store: Open, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=(uplink(0),)))
    await store.close()
    before = contents(store.path)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, (*STEPS, ("DELETE FROM uplink", "CREATE TABLE uplink (id)")))
        assert version_of(connection) == VERSION
    assert contents(store.path) == before


async def test_a_failed_commit_keeps_its_published_messages_for_the_next(
    open_store: Open, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(full_batch(uplink, 0))
    await store.outbox_done([1])
    connection = store._writer.connection
    connection.set_progress_handler(lambda: 1, 1)
    with pytest.raises(StoreError):
        await store.commit(full_batch(uplink, 8))
    connection.set_progress_handler(None, 1)
    assert store.outbox(9) == []
    await store.commit(Batch())
    assert store.counts().outbox == 0
