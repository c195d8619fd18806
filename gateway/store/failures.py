"""How a database fails, in the two ways that the pipeline treats differently.

::

    StoreError
    ├── StoreFull      no room even after the oldest telemetry went: go on without storing
    └── StoreDamaged   the file is not a sound database: set it aside or restore a backup
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from gateway.errors import StoreError

_NO_ROOM_BYTES = 1 << 20
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class StoreFull(StoreError):  # noqa: N818 - a state of the disk, named as such in `health`
    """There is no room for this batch. Nothing of it was stored; later commits may work again."""


class StoreDamaged(StoreError):  # noqa: N818 - a state of the file, named as such in `health`
    """The database file is damaged. Nothing was changed by the call that found it."""


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code of an error, -1 when it has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else int(code) & 0xFF


def is_full(error: sqlite3.Error, folder: Path) -> bool:
    """Whether freeing room may help.

    A full disk shows as FULL, in places as IOERR; a dying card shows as IOERR alone and must not
    cost any history, so there the disk is asked.
    """
    code = primary_code(error)
    if code == sqlite3.SQLITE_IOERR:
        return shutil.disk_usage(folder).free < _NO_ROOM_BYTES
    return code == sqlite3.SQLITE_FULL


def translate(error: sqlite3.Error, path: Path) -> StoreError:
    """Say in plain words what SQLite said, with a remedy."""
    code = primary_code(error)
    if is_full(error, path.parent):
        return StoreFull(
            f"{path}: no room to write ({error}). Free space on this disk or lower [store] max_mb."
        )
    if code in _DAMAGED:
        return StoreDamaged(
            f"{path} is damaged ({error}). Restore a backup with `lora-gateway restore`, or move "
            "the file away to begin a fresh one."
        )
    if code == sqlite3.SQLITE_READONLY:
        return StoreError(f"{path} cannot be written. Give the service's user write access.")
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return StoreError(
            f"{path} cannot be opened. Check that its folder exists and belongs to the service's "
            "user."
        )
    return StoreError(f"{path}: {error}. Run `lora-gateway doctor` for a closer look.")
