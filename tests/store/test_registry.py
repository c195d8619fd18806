"""The registry: beside a daemon, over restarts and migrations, and for its owner's eyes alone."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config import StoreConfig
from gateway.errors import StoreError
from gateway.store import (
    AirtimeRecord,
    Batch,
    CounterRecord,
    RadioBatch,
    RadioDeviceRecord,
    Registry,
    SessionRecord,
    Store,
    copy,
    put_back,
)
from gateway.store.schema import STEPS, VERSION, migrate
from gateway.types import DevEui

EUI = DevEui("70b3d57ed0001234")
DEVICE = RadioDeviceRecord(EUI, {"name": "tomato"}, {"app_key": bytes(range(16))}, 5.0)
SESSION = SessionRecord(EUI, 7.0, {"f_cnt_up": 3}, bytes(range(32)))
COUNTER = CounterRecord(EUI, {"dev_nonces": [1, 2]})


def opened(path: Path) -> Registry:
    return Registry.open(path, StoreConfig())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def store_of(path: Path, radio: RadioBatch) -> None:
    store = Store.open(path, StoreConfig())
    await store.commit(Batch(radio=radio))
    await store.close()


async def test_what_is_registered_beside_a_daemon_is_seen_by_it(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    store = Store.open(path, StoreConfig())
    assert store.radio_version() == 0
    with closing(opened(path)) as registry:
        registry.put([DEVICE])
        assert store.radio_devices() == [DEVICE]
        assert store.radio_version() == 1
        assert registry.remove(EUI)
        assert not registry.remove(EUI)
    assert store.radio_devices() == []
    assert store.radio_version() == 3
    await store.commit(Batch(radio=RadioBatch(sessions=(SESSION,))))
    await store.close()


async def test_sessions_counters_and_airtime_come_back(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "gateway.db", StoreConfig())
    sent = AirtimeRecord("serial", "g1", 10.0, 10.1)
    newer = replace(SESSION, started_s=9.0)
    await store.commit(
        Batch(radio=RadioBatch(sessions=(newer, SESSION), counters=(COUNTER,), airtime=(sent,)))
    )
    assert store.radio_sessions() == [SESSION, newer]
    assert store.radio_counters() == [COUNTER]
    assert store.radio_airtime(10.0) == [sent]
    assert store.radio_airtime(11.0) == []
    changed = replace(newer, body={"f_cnt_up": 4})
    later = replace(sent, start_s=8000.0, end_s=8000.1)
    await store.commit(
        Batch(radio=RadioBatch(sessions=(changed,), dropped=((EUI, 7.0),), airtime=(later,)))
    )
    assert store.radio_sessions() == [changed]
    assert store.radio_airtime(0.0) == [later]
    await store.close()


async def test_a_device_that_comes_back_goes_on_counting_with_the_same_keys_only(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gateway.db"
    with closing(opened(path)) as registry:
        registry.put([DEVICE])
        await store_of(path, RadioBatch(sessions=(SESSION,), counters=(COUNTER,)))
        registry.remove(EUI)
        registry.put([replace(DEVICE, body={"name": "other"})])
        assert registry.sessions(EUI) == [SESSION]
        assert registry.counters(EUI) == [COUNTER]
        registry.put([replace(DEVICE, keys={"app_key": bytes(16)})])
        assert registry.sessions() == []
        assert registry.counters() == []


async def test_forgetting_takes_sessions_and_counters(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with closing(opened(path)) as registry:
        registry.put([DEVICE])
        await store_of(path, RadioBatch(sessions=(SESSION,), counters=(COUNTER,)))
        assert registry.remove(EUI, forget=True)
        assert registry.sessions() == []
        assert registry.counters() == []


async def test_a_file_of_the_first_version_takes_the_step(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, STEPS[:1])
        connection.execute("INSERT INTO meta VALUES ('cursor', '{}')")
    assert Registry.look(path) is None
    with closing(opened(path)) as registry:
        registry.put([DEVICE])
        assert registry.devices() == [DEVICE]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


async def test_a_running_daemon_of_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    store = Store.open(path, StoreConfig())
    for version, words in ((1, "Restart the service"), (VERSION + 1, "Install the newer")):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(StoreError, match=words):
            opened(path)
    await store.close()


def test_there_is_nothing_to_look_at_before_the_first_start(tmp_path: Path) -> None:
    assert Registry.look(tmp_path / "gateway.db") is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="Create the folder"):
        opened(tmp_path / "none" / "gateway.db")


async def test_the_database_and_its_copies_are_for_their_owner_alone(tmp_path: Path) -> None:
    path, backup = tmp_path / "gateway.db", tmp_path / "copy.db"
    before = os.umask(0)
    try:
        with closing(opened(path)) as registry:
            registry.put([DEVICE])
            made = [mode(path.with_name(path.name + end)) for end in ("", "-wal", "-shm")]
        copy(path, backup)
        put_back(backup, tmp_path / "restored.db")
    finally:
        os.umask(before)
    assert made == [0o600, 0o600, 0o600]
    assert mode(backup) == mode(tmp_path / "restored.db") == 0o600
    path.chmod(0o644)
    store = Store.open(path, StoreConfig())
    assert mode(path) == 0o600
    path.chmod(0o644)
    with closing(opened(path)) as registry:
        registry.put([DEVICE])
    assert mode(path) == 0o600
    await store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    path = tmp_path / "gateway.db"
    with closing(opened(path)) as registry:
        registry.put([DEVICE])
        owners = {
            (file.name, file.stat().st_uid, file.stat().st_gid) for file in tmp_path.iterdir()
        }
    assert owners == {(f"gateway.db{end}", 12345, 12346) for end in ("", "-wal", "-shm", "-lock")}


def test_a_session_without_both_keys_is_a_bug() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SessionRecord(EUI, 1.0, {}, bytes(16))
    assert repr(SESSION.keys) not in repr(SESSION)
    assert "keys" not in repr(SESSION) + repr(DEVICE)
