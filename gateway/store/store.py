"""The store as the pipeline sees it: one writer thread behind `await`, reads answered at once."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gateway.config import StoreConfig
from gateway.errors import StoreError
from gateway.store import backup, database, retention
from gateway.store.failures import StoreDamaged, is_full, translate
from gateway.store.reading import Reader
from gateway.store.records import Batch, Committed, Pruned
from gateway.store.writing import Writer
from gateway.types import Message

T = TypeVar("T")

_OUTBOX_DONE = 256
"""So many published messages are deleted at once, should no commit take them along earlier."""


class Store(Reader):
    """The database of one gateway. Make it with `Store.open`, end it with `await close()`.

    Reads are short, synchronous, for the event loop's thread, and see the newest commit. Writes
    run one after another in the store's own thread. Cancelling an `await` does not undo its
    write.
    """

    def __init__(
        self,
        path: Path,
        config: StoreConfig,
        writer: Writer,
        reader: sqlite3.Connection,
        *,
        lock: int | None = None,
        folder: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        super().__init__(path, reader)
        self._config = config
        self._writer = writer
        self._lock = lock
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._outbox_done: set[int] = set()
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path | None,
        config: StoreConfig,
        *,
        quarantine_rows: int = 2000,
        set_aside_damaged: bool = False,
    ) -> Store:
        """Open the database, creating or migrating it; None makes one that vanishes at close.

        With `set_aside_damaged` a damaged file is renamed to `<name>.damaged-<n>` and a fresh one
        begun.

        Raises
        ------
        StoreError
            The file cannot be used: in use, of a newer version, unreadable, or damaged
            (`StoreDamaged`). The text says what to do.

        """
        if path is None:
            return cls._open_passing(config, quarantine_rows)
        lock = database.lock(path)
        try:
            connection = _prepared(path, set_aside_damaged=set_aside_damaged)
            reader = database.connect(path, read_only=True)
        except BaseException:
            os.close(lock)
            raise
        database.reserve(path)
        database.limit_growth(connection, path)
        return cls(path, config, Writer(connection, quarantine_rows), reader, lock=lock)

    @classmethod
    def _open_passing(cls, config: StoreConfig, quarantine_rows: int) -> Store:
        # A file in a folder of its own rather than ":memory:": two connections on one memory
        # database share a cache, and its reads fail while the writer is busy.
        folder = tempfile.TemporaryDirectory(prefix="lora-gateway-")
        path = Path(folder.name) / "gateway.db"
        writer = Writer(database.prepare(path, durable=False), quarantine_rows)
        reader = database.connect(path, durable=False, read_only=True)
        return cls(path, config, writer, reader, folder=folder)

    async def close(self) -> None:
        """Write what is left, and let go of the file; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._run(self._finish)
        self._thread.shutdown(wait=True)
        self.connection.close()
        if self._lock is not None:
            os.close(self._lock)
        if self._folder is not None:
            self._folder.cleanup()

    async def commit(self, batch: Batch) -> Committed:
        """Store all of `batch` or nothing; return once it would survive a power cut.

        Raises
        ------
        StoreFull
            No room, although the oldest telemetry was given up and the commit tried again.
        StoreDamaged
            The file is damaged.
        StoreError
            The database cannot be written for another reason.

        """
        done = self._take_outbox_done()
        try:
            return await self._run(lambda: self._commit(batch, done))
        except StoreError:
            self._outbox_done |= done
            raise

    async def outbox_done(self, seqs: Sequence[int]) -> None:
        """Note that these messages are out. They are deleted with the next commit.

        After a crash before that they are published once more.
        """
        self._outbox_done.update(seqs)
        if len(self._outbox_done) >= _OUTBOX_DONE:
            await self.commit(Batch())

    def outbox(self, limit: int, after: int = 0) -> list[tuple[int, Message]]:
        """Durable messages that are not done, in the order they were committed."""
        found = super().outbox(limit + len(self._outbox_done), after)
        return [item for item in found if item[0] not in self._outbox_done][:limit]

    async def prune(self, now_s: float) -> Pruned:
        """Take one bounded step towards `max_days` and `max_mb`; call again while `more`.

        Raises
        ------
        StoreError
            The database cannot be written.

        """
        return await self._run(lambda: self._prune(now_s))

    async def backup(self, target: Path) -> None:
        """Copy the newest commit to `target`, while commits go on.

        Raises
        ------
        StoreError
            `target` cannot be written.

        """
        await asyncio.to_thread(backup.copy, self.path, target)

    async def check(self) -> None:
        """Read all of the database and look for damage; slow, commits wait.

        Raises
        ------
        StoreDamaged
            Something does not fit together.

        """
        await self._run(lambda: database.check(self._writer.connection, self.path, thorough=True))

    async def _run(self, work: Callable[[], T]) -> T:
        """Run `work` in the writer thread; SQLite's errors come out as ours."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise translate(error, self.path) from error

    def _take_outbox_done(self) -> set[int]:
        done, self._outbox_done = self._outbox_done, set()
        return done

    def _commit(self, batch: Batch, done: set[int]) -> Committed:
        try:
            return self._writer.transaction(lambda: self._writer.apply(batch, done))
        except sqlite3.Error as error:
            if not is_full(error, self.path.parent):
                raise
        freed = self._make_room()
        committed = self._writer.transaction(lambda: self._writer.apply(batch, done))
        return replace(committed, freed=freed)

    def _make_room(self) -> int:
        """Delete the oldest uplinks on a disk that is full.

        Deleting itself writes to the WAL, so the WAL is emptied into the file first, for which
        the reserve gives the room.
        """
        database.release_reserve(self.path)
        connection = self._writer.connection
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        database.limit_growth(connection, self.path)
        return self._writer.transaction(lambda: retention.delete_oldest(connection))

    def _prune(self, now_s: float) -> Pruned:
        connection = self._writer.connection
        pruned = self._writer.transaction(lambda: retention.step(connection, self._config, now_s))
        pages = retention.shrink(connection, self._config)
        if pages:  # only a checkpoint makes the file itself shorter
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if self._folder is None:
            database.reserve(self.path)
            database.limit_growth(connection, self.path)
        return replace(pruned, pages=pages, more=pruned.more or pages >= retention.VACUUM_PAGES)

    def _finish(self) -> None:
        try:
            done = self._take_outbox_done()
            if done:
                self._writer.transaction(lambda: self._writer.apply(Batch(), done))
        finally:
            self._writer.connection.close()


def _prepared(path: Path, *, set_aside_damaged: bool) -> sqlite3.Connection:
    try:
        return database.prepare(path)
    except StoreDamaged:
        if not set_aside_damaged:
            raise
    database.set_aside(path)
    return database.prepare(path)
