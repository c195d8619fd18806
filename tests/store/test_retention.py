"""What leaves the store, in which order, and what never does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config import StoreConfig
from gateway.errors import StoreError
from gateway.store import Batch, EventRecord, Store, UplinkRecord, check_backup, retention
from gateway.types import (
    Alert,
    AlertEvent,
    DevEui,
    Downlink,
    DownlinkState,
    EventType,
    Message,
    Severity,
)

EUI = DevEui("a84041000181c061")
DAY_S = 86400.0
START_S = 1_700_000_000.0
TEN_DAYS = StoreConfig(max_days=10)
Open = Callable[..., Store]
MakeUplink = Callable[..., UplinkRecord]


def ended(alert_id: str, end_s: float | None) -> AlertEvent:
    alert = Alert(
        alert_id, EUI, "model", "leak", "", Severity.INFO, "", "", (), START_S, START_S, end_s
    )
    return AlertEvent(EventType.NEW, alert)


def downlink(downlink_id: str, state: DownlinkState, changed_s: float) -> Downlink:
    return Downlink(
        downlink_id, EUI, "app", 2, b"", None, False, START_S, START_S, changed_s, state
    )


def file_bytes(path: Path) -> int:
    return sum(Path(f"{path}{suffix}").stat().st_size for suffix in ("", "-wal"))


async def prune_all(store: Store, now_s: float) -> int:
    steps = 1
    while (await store.prune(now_s)).more:
        steps += 1
        assert steps < 1000
    return steps


async def test_uplinks_go_when_they_are_too_old(open_store: Open, uplink: MakeUplink) -> None:
    store = open_store(config=TEN_DAYS)
    daily = [uplink(n, time_s=START_S + n * DAY_S) for n in range(20)]
    await store.commit(Batch(uplinks=tuple(daily)))
    pruned = await store.prune(START_S + 19.5 * DAY_S)
    assert pruned.uplinks == 10
    assert [stored.record for stored in store.after(0, 99)] == daily[10:]
    assert store.seen([daily[9].uid, daily[10].uid]) == {daily[10].uid}


async def test_a_step_is_bounded_and_says_that_more_is_due(
    open_store: Open, uplink: MakeUplink
) -> None:
    store = open_store(config=TEN_DAYS)
    old = tuple(uplink(n, time_s=START_S + n) for n in range(retention.CHUNK + 100))
    await store.commit(Batch(uplinks=old))
    first = await store.prune(START_S + 30 * DAY_S)
    assert (first.uplinks, first.more) == (retention.CHUNK, True)
    second = await store.prune(START_S + 30 * DAY_S)
    assert (second.uplinks, second.more) == (99, False)


async def test_the_newest_uplink_stays_so_that_no_seq_comes_twice(
    open_store: Open, uplink: MakeUplink
) -> None:
    store = open_store(config=TEN_DAYS)
    await store.commit(Batch(uplinks=tuple(uplink(n) for n in range(3))))
    await prune_all(store, START_S + 1000 * DAY_S)
    assert store.tail_seq() == 3
    assert (await store.commit(Batch(uplinks=(uplink(5),)))).head == 4


async def test_a_row_from_a_clock_far_ahead_holds_nothing_up(
    open_store: Open, uplink: MakeUplink
) -> None:
    store = open_store(config=TEN_DAYS)
    rows = [uplink(n) for n in range(5)]
    rows[0] = replace(rows[0], received_s=START_S + 9999 * DAY_S)
    await store.commit(Batch(uplinks=tuple(rows)))
    await store.prune(START_S + 30 * DAY_S)
    assert store.tail_seq() == 5


async def test_a_device_without_uplinks_left_keeps_its_last_sign(
    open_store: Open, uplink: MakeUplink
) -> None:
    store = open_store(config=TEN_DAYS)
    other = DevEui("a84041000181c062")
    await store.commit(Batch(uplinks=(uplink(0), uplink(1), uplink(2, dev_eui=other))))
    before = store.devices()
    await prune_all(store, START_S + 30 * DAY_S)
    assert store.latest(EUI) is None
    assert store.devices() == before


async def test_the_file_stays_below_its_limit(open_store: Open, uplink: MakeUplink) -> None:
    config = StoreConfig(max_mb=16)
    store = open_store(config=config)
    filler = "x" * 4000
    for start in range(0, 9000, 100):
        batch = tuple(uplink(n) for n in range(start, start + 100))
        batch = tuple(
            replace(item, readings=(replace(item.readings[0], value=filler),)) for item in batch
        )
        await store.commit(Batch(uplinks=batch, alerts=(ended(f"a{start}", None),)))
        await prune_all(store, START_S)
    assert file_bytes(store.path) <= config.max_mb * 1_000_000
    assert store.head_seq() == 9000
    assert store.counts().uplinks > 1500
    assert len(store.open_alerts()) == 90


async def test_open_alerts_stay_and_ended_ones_stay_twice_as_long(open_store: Open) -> None:
    store = open_store(config=TEN_DAYS)
    await store.commit(
        Batch(alerts=(ended("open", None), ended("old", START_S), ended("new", START_S + DAY_S)))
    )
    await store.prune(START_S + 15 * DAY_S)
    assert store.alert("old") is not None
    await store.prune(START_S + 20.5 * DAY_S)
    assert store.alert("old") is None
    assert store.alert("new") is not None
    await store.prune(START_S + 9999 * DAY_S)
    assert [alert.id for alert in store.open_alerts()] == ["open"]


async def test_open_downlinks_stay_and_final_ones_go(open_store: Open) -> None:
    store = open_store(config=TEN_DAYS)
    await store.commit(
        Batch(
            downlinks=(
                downlink("open", DownlinkState.QUEUED, START_S),
                downlink("done", DownlinkState.ACKED, START_S),
            ),
            seen=("join",),
            seen_s=START_S,
            events=tuple(EventRecord(EUI, "join", START_S + n) for n in range(3)),
        )
    )
    pruned = await store.prune(START_S + 21 * DAY_S)
    assert (pruned.downlinks, pruned.events) == (1, 2)
    assert store.downlink("open") is not None
    assert store.downlink("done") is None
    assert store.seen(["join"]) == set()


async def test_the_outbox_is_bounded(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_OUTBOX", 5)
    store = open_store()
    sent = tuple(Message(f"t/{n}", b"", durable=True) for n in range(8))
    await store.commit(Batch(messages=sent))
    assert (await store.prune(START_S)).messages == 3
    assert [message.topic for _, message in store.outbox(9)] == ["t/3", "t/4", "t/5", "t/6", "t/7"]


async def test_a_backup_is_whole_while_commits_go_on(
    open_store: Open, uplink: MakeUplink, tmp_path: Path
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=tuple(uplink(n) for n in range(500))))
    target = tmp_path / "copy.db"
    await store.backup(target)
    await store.commit(Batch(uplinks=(uplink(500),)))
    report = check_backup(target)
    assert (report.uplinks, report.devices, report.newest_s) == (500, 1, uplink(499).time_s)
    restored = open_store(target)
    assert restored.after(0, 999) == store.after(0, 500)
    assert not target.with_name("copy.db.partial").exists()


async def test_a_backup_that_is_no_good_is_refused(
    open_store: Open, uplink: MakeUplink, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    with pytest.raises(StoreError, match="does not exist"):
        check_backup(target)
    target.write_bytes(b"")
    with pytest.raises(StoreError, match="not a database of lora-gateway"):
        check_backup(target)
    store = open_store()
    await store.commit(Batch(uplinks=tuple(uplink(n) for n in range(500))))
    await store.backup(target)
    whole = target.read_bytes()
    target.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match="damaged"):
        check_backup(target)
    with pytest.raises(StoreError, match="nowhere"):
        await store.backup(tmp_path / "nowhere" / "copy.db")
