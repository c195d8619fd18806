"""Copies of the database that are whole, and the check that one of them is.

A backup is one ordinary SQLite file; `check_backup` must pass before it takes the place of the
database. It holds the keys of radio devices, so it is for its owner alone.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.errors import StoreError
from gateway.store import database, schema
from gateway.store.failures import translate
from gateway.store.records import BackupReport


def copy(source: Path, target: Path) -> None:
    """Write the newest commit of `source` to `target`, which appears whole or not at all.

    Commits go on meanwhile: WAL gives the copy a state of its own.

    Raises
    ------
    StoreError
        There is no room, or one of the files cannot be opened.

    """
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    database.make(partial, for_service=False)
    try:
        with (
            closing(database.connect(source, read_only=True)) as reader,
            closing(sqlite3.connect(partial, isolation_level=None)) as writer,
        ):
            reader.backup(writer)
            writer.execute("PRAGMA journal_mode = DELETE")
        _sync(partial)
        partial.replace(target)
        _sync(target.parent)
    except sqlite3.Error as error:
        partial.unlink(missing_ok=True)
        raise translate(error, target) from error
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{target} cannot be written: {error.strerror}.") from error


def put_back(source: Path, target: Path) -> BackupReport:
    """Put a backup, once it is found sound, in the place of the database `target`.

    Raises
    ------
    StoreError
        It is not sound, a gateway is using `target`, or there is no room.

    """
    report = check_backup(source)
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = database.lock(target)
        try:
            partial.unlink(missing_ok=True)
            database.make(partial)
            shutil.copyfile(source, partial)
            _sync(partial)
            for leftover in ("-wal", "-shm"):
                target.with_name(target.name + leftover).unlink(missing_ok=True)
            partial.replace(target)
            _sync(target.parent)
        finally:
            os.close(lock)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{target} cannot be written: {error.strerror}.") from error
    return report


def check_backup(path: Path) -> BackupReport:
    """Read all of a backup and say what is in it; nothing is changed.

    Raises
    ------
    StoreError
        It does not exist, is no database of ours, is newer than this program, or is damaged.

    """
    if not path.is_file():
        raise StoreError(f"{path} does not exist.")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as reader:
            version = schema.version_of(reader)
            if not version:
                raise StoreError(f"{path} is not a database of lora-gateway.")
            database.refuse_newer(reader, path)
            database.check(reader, path, thorough=True)
            uplinks, newest_s = reader.execute(
                "SELECT count(*), max(time_s) FROM uplink"
            ).fetchone()
            devices = reader.execute("SELECT count(*) FROM device").fetchone()[0]
    except sqlite3.Error as error:
        raise translate(error, path) from error
    return BackupReport(version, uplinks, devices, newest_s)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
