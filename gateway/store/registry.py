"""The registry of our own radio's devices, opened from the command line, also beside a daemon.

A running daemon holds the lock and goes on; the registry writes in short transactions of its own,
which WAL and SQLite's busy timeout keep apart from the daemon's. With no daemon the lock is taken
for as long as the file is made or migrated, and no longer.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gateway.config import StoreConfig
from gateway.errors import StoreError
from gateway.store import database, radio, schema
from gateway.store.failures import primary_code, translate
from gateway.store.reading import Reader
from gateway.store.records import (
    CounterRecord,
    DeviceRecord,
    RadioDeviceRecord,
    SessionRecord,
    UplinkRecord,
)
from gateway.types import DevEui

T = TypeVar("T")
_FIRST_VERSION = 2
"""The first version of the file that has a registry."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the store knows of a device from its uplinks: `latest` is None before the first.

    `missing` is how many uplinks were lost among the newest `received`, by their counters.
    """

    record: DeviceRecord
    latest: UplinkRecord | None
    received: int
    missing: int


_RECENT = 64
"""So many newest uplinks tell how many are lost."""


class Registry:
    """Registered devices, as an operator sees and changes them. Belongs to one thread.

    Every method raises `StoreError`, in plain words, when the file cannot be used.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._reader = Reader(path, connection)

    @classmethod
    def open(cls, path: Path, _config: StoreConfig) -> Registry:
        """Open the database for writing, also beside a daemon; make or migrate it where none runs.

        Raises
        ------
        StoreError
            It cannot be written, or the daemon beside it is of another version.

        """
        lock = database.try_lock(path)
        if lock is None:
            return cls(path, _beside(path))
        try:
            return cls(path, database.prepare(path))
        finally:
            os.close(lock)

    @classmethod
    def look(cls, path: Path) -> Registry | None:
        """Open the database for looking only; None where there is none, or none with a registry.

        Raises
        ------
        StoreError
            It cannot be read, or is of a newer version.

        """
        try:
            if not path.exists():
                return None
            connection = database.connect(path, read_only=True)
        except sqlite3.Error as error:
            raise translate(error, path) from error
        except OSError as error:
            raise StoreError(
                f"{path} cannot be read: {error.strerror}. Run this as the service's user, or "
                "with sudo."
            ) from error
        with _closed_on_failure(connection, path):
            database.refuse_newer(connection, path)
            if schema.version_of(connection) >= _FIRST_VERSION:
                return cls(path, connection)
        connection.close()
        return None

    def put(self, records: Iterable[RadioDeviceRecord]) -> None:
        """Register devices, or change them: all or none. Those with new keys begin anew."""
        listed = tuple(records)
        if any(record.keys for record in listed):
            database.narrow(self._path)
        self._write(lambda: radio.put(self._connection, listed))
        if any(record.keys for record in listed):
            database.narrow(self._path)

    def remove(self, dev_eui: DevEui, *, forget: bool = False) -> bool:
        """Take a device out; tell whether it was there.

        Its sessions and counters stay for the day it comes back with the same keys; `forget` takes
        them too.
        """
        return self._write(lambda: radio.remove(self._connection, dev_eui, forget=forget))

    def devices(self) -> list[RadioDeviceRecord]:
        """Return every registered device, by DevEUI."""
        return self._reader.radio_devices()

    def device(self, dev_eui: DevEui) -> RadioDeviceRecord | None:
        """Return one registered device, None when it is not there."""
        found = [record for record in self.devices() if record.dev_eui == dev_eui]
        return found[0] if found else None

    def sessions(self, dev_eui: DevEui | None = None) -> list[SessionRecord]:
        """Return sessions, of one device or of all, those of one the older first."""
        everyone = self._reader.radio_sessions()
        return [record for record in everyone if dev_eui in (None, record.dev_eui)]

    def counters(self, dev_eui: DevEui | None = None) -> list[CounterRecord]:
        """Return what is kept beside sessions, of one device or of all."""
        everyone = self._reader.radio_counters()
        return [record for record in everyone if dev_eui in (None, record.dev_eui)]

    def heard(self) -> dict[DevEui, Heard]:
        """Return what the uplinks of each heard device say of it."""
        known = self._reader.devices()
        return {record.info.dev_eui: self._heard(record) for record in known}

    def version(self) -> int:
        """Return a number that rises with every change of the registry."""
        return self._reader.radio_version()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _heard(self, record: DeviceRecord) -> Heard:
        stored = self._reader.history(record.info.dev_eui, _RECENT)
        uplinks = [item.record for item in stored]
        counted = {uplink.f_cnt for uplink in uplinks if uplink.dev_addr == record.dev_addr}
        missing = max(counted) - min(counted) + 1 - len(counted) if counted else 0
        return Heard(record, uplinks[-1] if uplinks else None, len(counted), missing)

    def _write(self, work: Callable[[], T]) -> T:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise _in_plain_words(error, self._path) from error
        return result


def _beside(path: Path) -> sqlite3.Connection:
    """Open the file of a daemon that is running, if it is of our version."""
    try:
        connection = database.connect(path)
    except sqlite3.Error as error:
        raise translate(error, path) from error
    with _closed_on_failure(connection, path):
        database.refuse_newer(connection, path)
        version = schema.version_of(connection)
        if version < schema.VERSION:
            raise StoreError(
                f"{path} is used by a running lora-gateway of an older version ({version}, this "
                f"one has {schema.VERSION}). Restart the service, then try again."
            )
    return connection


@contextlib.contextmanager
def _closed_on_failure(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        connection.close()
        raise _in_plain_words(error, path) from error
    except BaseException:
        connection.close()
        raise


def _in_plain_words(error: sqlite3.Error, path: Path) -> StoreError:
    if primary_code(error) == sqlite3.SQLITE_BUSY:
        return StoreError(f"{path} is busy: the gateway is writing to it. Try again in a moment.")
    return translate(error, path)
