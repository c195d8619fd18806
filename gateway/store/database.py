"""The file: opening it soundly, keeping a second daemon out, and room for a full disk.

Beside `gateway.db` lie SQLite's own `-wal` and `-shm`, `-lock` (held while a daemon writes) and
`-reserve` (space given up when the disk is full, so that old rows can be deleted at all).

The file holds the keys of radio devices, so it and every copy of it are for their owner alone.
What root makes here is given to the owner of the folder: the service's user.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import stat
from pathlib import Path

from gateway.errors import StoreError
from gateway.store import schema
from gateway.store.failures import StoreDamaged, translate

RESERVE_BYTES = 8 << 20
"""Twice the WAL, which must fit into the file before anything can be deleted."""

_QUICK_CHECK_BYTES = 32 << 20
"""Up to here every page is looked at when opening; above, that would take longer than a start."""

_WAL_PAGES = 1000
WAL_BYTES = _WAL_PAGES * (4096 + 24)
"""What the WAL comes to between checkpoints; a single large batch may exceed it for a while."""

_BUSY_S = 5.0
_MODE = 0o600
_MAX_PAGES = 4_294_967_294


def connect(path: Path, *, durable: bool = True, read_only: bool = False) -> sqlite3.Connection:
    """Open one connection in autocommit mode, usable from whichever single thread owns it.

    `durable` syncs the WAL at every commit: what was committed survives a power cut. Without it
    only the process may die.
    """
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(path: Path, *, durable: bool = True) -> sqlite3.Connection:
    """Open for writing: check, create or migrate.

    Raises
    ------
    StoreError
        The file cannot be opened, is of a newer version, or is damaged (`StoreDamaged`).

    """
    make(path)
    with contextlib.suppress(StoreError):  # of another user, or on a file system without modes
        narrow(path)
    try:
        connection = connect(path, durable=durable)
    except sqlite3.Error as error:
        raise translate(error, path) from error
    try:
        refuse_newer(connection, path)
        if not schema.version_of(connection):
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _turn_wal_on(connection, path)
        check(connection, path)
        schema.migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        raise translate(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def make(path: Path, *, for_service: bool = True) -> None:
    """Make an empty file for its owner alone, where none is; SQLite's own would be for everybody.

    `for_service` gives it to the owner of its folder.

    Raises
    ------
    StoreError
        The folder cannot be written.

    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}. Create the folder and give it to the "
            "service's user."
        ) from error
    try:
        if for_service:
            give_to_owner_of(path.parent, descriptor)
    finally:
        os.close(descriptor)


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Give a file that root has made to the owner of its folder, so that the service can use it."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def narrow(path: Path) -> None:
    """Take everybody but the owner their access to the database, and to what SQLite has beside it.

    Raises
    ------
    StoreError
        It is another user's file, or the file system keeps no modes.

    """
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        try:
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                file.chmod(_MODE)
            wide = stat.S_IMODE(file.stat().st_mode) & 0o077
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError(
                f"{file} can be read by others, and its mode cannot be changed: "
                f"{error.strerror}. Run this as the service's user, or with sudo."
            ) from error
        if wide:
            raise StoreError(
                f"{file} can be read by others, and this file system keeps no modes: a key is not "
                "safe there. Put [store] path on a Linux file system."
            )


def _turn_wal_on(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise StoreError(f"{path}: this file system allows no WAL. Use a local disk.")


def refuse_newer(connection: sqlite3.Connection, path: Path) -> None:
    """Leave a newer program's file alone.

    Raises
    ------
    StoreError
        The file has taken steps that this program does not know.

    """
    version = schema.version_of(connection)
    if version > schema.VERSION:
        raise StoreError(
            f"{path} is of version {version}, this program knows {schema.VERSION}. Install the "
            "newer lora-gateway again, or restore a backup made by this one."
        )


def check(connection: sqlite3.Connection, path: Path, *, thorough: bool = False) -> None:
    """Look for damage: all of a small file, the ends of every table of a large one.

    Raises
    ------
    StoreDamaged
        Something does not fit together.
    sqlite3.Error
        SQLite itself stumbled over it.

    """
    if thorough or path.stat().st_size <= _QUICK_CHECK_BYTES:
        found = connection.execute(
            f"PRAGMA {'integrity_check' if thorough else 'quick_check'}(1)"
        ).fetchone()[0]
        if found != "ok":
            raise StoreDamaged(
                f"{path} is damaged ({found}). Restore a backup with `lora-gateway restore`, or "
                "move the file away to begin a fresh one."
            )
        return
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (name,) in tables:
        for order in ("ASC", "DESC"):
            connection.execute(f"SELECT * FROM {name} ORDER BY 1 {order} LIMIT 1").fetchall()  # noqa: S608


def set_aside(path: Path) -> Path:
    """Move a damaged database out of the way, under the first free name; return that name."""
    number = 1
    while (target := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(target)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
    return target


def lock(path: Path) -> int:
    """Take the file for this process and return the lock's descriptor; closing it lets go.

    Raises
    ------
    StoreError
        Another process has it, or the folder cannot be written.

    """
    descriptor = try_lock(path)
    if descriptor is None:
        raise StoreError(
            f"{path} is in use by another lora-gateway. Stop that one, or give this one a "
            "different [store] path."
        )
    return descriptor


def try_lock(path: Path) -> int | None:
    """Take the file as `lock` does, but return None when another process has it.

    Raises
    ------
    StoreError
        The folder cannot be written.

    """
    name = path.with_name(path.name + "-lock")
    try:
        descriptor = _open_lock(name)
    except OSError as error:
        remedy = (
            "Run this as the service's user, or with sudo."
            if isinstance(error, PermissionError) and path.parent.is_dir()
            else "Create the folder and give it to the service's user."
        )
        raise StoreError(f"{name} cannot be written: {error.strerror}. {remedy}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _open_lock(name: Path) -> int:
    """Open the lock's file, or make it: never through a link, for root gives it away."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o640)
    except FileExistsError:
        return os.open(name, flags)
    give_to_owner_of(name.parent, descriptor)
    return descriptor


def reserve(path: Path) -> None:
    """Set space aside for the day the disk is full, if there is plenty now."""
    name = _reserve_of(path)
    if name.exists() or shutil.disk_usage(path.parent).free < 4 * RESERVE_BYTES:
        return
    try:
        with name.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
    except OSError:  # an empty file would pass for a reserve
        name.unlink(missing_ok=True)


def release_reserve(path: Path) -> None:
    """Give the space set aside to whoever needs it now."""
    _reserve_of(path).unlink(missing_ok=True)


def limit_growth(connection: sqlite3.Connection, path: Path) -> None:
    """Keep the file from growing into the last space while there is no reserve.

    Deleting, too, needs room in the WAL; a file that took all of it could never be pruned again.
    """
    pages, limit, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "max_page_count", "page_size")
    )
    if _reserve_of(path).exists():
        limit = _MAX_PAGES
    else:
        spare = shutil.disk_usage(path.parent).free - RESERVE_BYTES // 2
        limit = min(limit, pages + max(spare, 0) // size)
    connection.execute(f"PRAGMA max_page_count = {limit}")


def _reserve_of(path: Path) -> Path:
    return path.with_name(path.name + "-reserve")
