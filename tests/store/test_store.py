"""Batches go in as a whole and come out as they were."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store import (
    Batch,
    DeviceRecord,
    EventRecord,
    HistoryCursor,
    Store,
    UplinkRecord,
    writing,
)
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    Downlink,
    DownlinkState,
    EventType,
    Message,
    Reading,
    ReadingKind,
    Rejected,
    Severity,
)

EUI = DevEui("a84041000181c061")
OTHER = DevEui("a84041000181c062")
MakeUplink = Callable[..., UplinkRecord]
OpenStore = Callable[..., Store]


def alert(alert_id: str = "a1", end_s: float | None = None) -> Alert:
    return Alert(
        id=alert_id,
        dev_eui=EUI,
        rule="model",
        kind="leak",
        cause="environment",
        severity=Severity.WARNING,
        title="North field: moisture rising",
        advice="Check valve 2",
        reason=(),
        first_seen_s=1.0,
        last_seen_s=2.0,
        end_s=end_s,
    )


def downlink(state: DownlinkState, downlink_id: str = "d1") -> Downlink:
    return Downlink(
        id=downlink_id,
        dev_eui=EUI,
        application_id="app",
        f_port=2,
        data=b"\x01",
        object=None,
        confirmed=False,
        expires_s=99.0,
        created_s=1.0,
        changed_s=2.0,
        state=state,
    )


def rejected(number: int, payload: bytes = b"{") -> Rejected:
    return Rejected("bad_json", f"no {number}", "chirpstack", "application/x", payload, 5.0)


async def test_uplinks_come_back_as_they_were(open_store: OpenStore, uplink: MakeUplink) -> None:
    store = open_store()
    batch = tuple(uplink(n) for n in range(5))
    committed = await store.commit(Batch(uplinks=batch))
    assert committed.head == store.head_seq() == 5
    assert committed.new == {item.uid: n + 1 for n, item in enumerate(batch)}
    assert [stored.record for stored in store.after(0, 10)] == list(batch)
    assert [stored.seq for stored in store.after(2, 2)] == [3, 4]


async def test_history_is_by_time_whatever_the_order_of_arrival(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=tuple(uplink(n) for n in (3, 1, 4, 0, 2))))
    assert [stored.record.f_cnt for stored in store.history(EUI, 3)] == [2, 3, 4]
    before_s = uplink(3).time_s
    assert [s.record.f_cnt for s in store.history(EUI, 2, before_s)] == [1, 2]
    latest = store.latest(EUI)
    assert latest is not None
    assert latest.record == uplink(4)
    assert store.latest(OTHER) is None


async def test_a_repeated_uplink_changes_nothing_and_is_reported(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=(uplink(0),)))
    again = replace(uplink(0), f_cnt=99)
    committed = await store.commit(Batch(uplinks=(again, uplink(1), uplink(1))))
    assert committed.duplicates == (uplink(0).uid, uplink(1).uid)
    assert committed.new == {uplink(1).uid: 2}
    assert [stored.record for stored in store.after(0, 9)] == [uplink(0), uplink(1)]


async def test_ids_of_uplinks_and_of_other_events_are_known_again(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=(uplink(0),), seen=("join-1", "\ud800"), seen_s=5.0))
    asked = [uplink(0).uid, uplink(1).uid, "join-1", "join-2", "\ud800"]
    assert store.seen(asked) == {uplink(0).uid, "join-1", "\ud800"}


async def test_the_same_frame_is_known_within_its_session(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    item = uplink(7)
    await store.commit(Batch(uplinks=(item,)))
    assert store.same_frame(EUI, "01a2b3c4", 7, item.time_s)
    assert not store.same_frame(EUI, "01a2b3c4", 8, 0.0)
    assert not store.same_frame(EUI, "0b0b0b0b", 7, 0.0)
    assert not store.same_frame(OTHER, "01a2b3c4", 7, 0.0)
    assert not store.same_frame(EUI, "01a2b3c4", 7, item.time_s + 1)


async def test_a_device_shows_its_description_and_its_newest_uplink(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    info = DeviceInfo(EUI, "North field", application_id="app", tags={"row": "7"})
    first = uplink(0)
    record = DeviceRecord(info, first.time_s, first.time_s, first.dev_addr, 0)
    await store.commit(Batch(uplinks=(first,), devices=(record,)))
    await store.commit(Batch(uplinks=(uplink(1),)))
    await store.commit(Batch(uplinks=(uplink(2, dev_eui=OTHER),)))
    expected = replace(record, last_seen_s=uplink(1).time_s, f_cnt=1)
    undescribed = DeviceRecord(DeviceInfo(OTHER), uplink(2).time_s, uplink(2).time_s, "01a2b3c4", 2)
    assert store.devices() == [expected, undescribed]


async def test_a_join_after_the_newest_uplink_tells_the_session(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=(uplink(0),)))
    joined_s = uplink(0).time_s + 60
    joined = DeviceRecord(DeviceInfo(EUI, "N"), joined_s, joined_s, "0b0b0b0b", None)
    await store.commit(Batch(devices=(joined,)))
    assert store.devices() == [replace(joined, first_seen_s=uplink(0).time_s)]


async def test_alerts_are_open_until_they_end(open_store: OpenStore) -> None:
    store = open_store()
    events = tuple(AlertEvent(EventType.NEW, alert(name)) for name in ("a1", "a2"))
    await store.commit(Batch(alerts=events))
    assert store.open_alerts() == [alert("a1"), alert("a2")]
    await store.commit(Batch(alerts=(AlertEvent(EventType.END, alert("a1", 3.0)),)))
    assert store.open_alerts() == [alert("a2")]
    assert store.alert("a1") == alert("a1", 3.0)
    assert store.alert("a3") is None


async def test_downlinks_are_open_until_their_state_is_final(open_store: OpenStore) -> None:
    store = open_store()
    states = list(DownlinkState)
    batch = tuple(downlink(state, state.value) for state in states)
    await store.commit(Batch(downlinks=batch))
    assert {item.state for item in store.open_downlinks()} == set(states[:4])
    await store.commit(Batch(downlinks=(downlink(DownlinkState.EXPIRED, "sent"),)))
    assert store.downlink("sent") == downlink(DownlinkState.EXPIRED, "sent")
    assert len(store.open_downlinks()) == 3


async def test_durable_messages_wait_in_order_until_they_are_done(open_store: OpenStore) -> None:
    store = open_store()
    sent = tuple(
        Message(f"t/{n}", b"\x00" * n, retain=n == 1, durable=True, properties={"n": str(n)})
        for n in range(4)
    )
    await store.commit(Batch(messages=(*sent, Message("passing", b""))))
    waiting = store.outbox(10)
    assert [message for _, message in waiting] == list(sent)
    await store.outbox_done([waiting[0][0], waiting[2][0]])
    assert [message.topic for _, message in store.outbox(1)] == ["t/1"]
    assert [message.topic for _, message in store.outbox(10)] == ["t/1", "t/3"]
    await store.commit(Batch(messages=(Message("t/4", b"", durable=True),)))
    assert [message.topic for _, message in store.outbox(10)] == ["t/1", "t/3", "t/4"]
    assert store.counts().outbox == 3


async def test_published_messages_are_gone_after_a_clean_close(open_store: OpenStore) -> None:
    store = open_store()
    await store.commit(Batch(messages=(Message("t", b"", durable=True),)))
    await store.outbox_done([seq for seq, _ in store.outbox(10)])
    await store.close()
    assert open_store().outbox(10) == []


async def test_the_cursor_and_events_are_kept(open_store: OpenStore) -> None:
    store = open_store()
    assert store.cursor() == HistoryCursor()
    cursor = HistoryCursor(((3, 5), (8, 9)), 12)
    events = tuple(EventRecord(EUI, "log", float(n), {"code": "OTAA"}) for n in range(3))
    await store.commit(Batch(cursor=cursor, events=events))
    assert store.cursor() == cursor
    assert store.events(EUI, 2) == list(events[1:])


async def test_the_quarantine_is_bounded_and_its_counts_are_not(open_store: OpenStore) -> None:
    store = open_store(quarantine_rows=10)
    for start in range(0, 40, 8):
        await store.commit(Batch(rejected=tuple(rejected(start + n) for n in range(8))))
    assert [item.detail for item in store.quarantine(50)] == [f"no {n}" for n in range(39, 29, -1)]
    assert store.quarantine_counts() == {"bad_json": 40}
    await store.commit(Batch(rejected=tuple(rejected(n) for n in range(25))))
    assert len(store.quarantine(50)) == 10
    assert store.counts().quarantined == 65


async def test_a_huge_rejected_payload_is_cut_and_says_so(open_store: OpenStore) -> None:
    store = open_store()
    await store.commit(Batch(rejected=(rejected(0, b"x" * 1_000_000),)))
    kept = store.quarantine(1)[0]
    assert kept.payload == b"x" * writing.PAYLOAD_KEPT
    assert kept.detail.endswith("of 1000000 bytes kept)")


async def test_strangers_text_of_any_kind_is_stored(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    odd = "\ud800 \x00 '; DROP TABLE uplink; --"
    item = uplink(0)
    strange = Reading(EUI, Channel(odd), odd, odd, ReadingKind.TEXT, item.time_s, odd)
    item = replace(item, uid=odd, readings=(*item.readings, strange))
    refused = Rejected("bad", odd, odd, odd, b"\xff", 1.0)
    device = DeviceRecord(DeviceInfo(EUI, odd, tags={odd: odd}), 1.0, 2.0)
    await store.commit(
        Batch(
            uplinks=(item,),
            rejected=(refused,),
            devices=(device,),
            events=(EventRecord(EUI, "log", 1.0, {odd: odd}),),
            seen=(odd + "2",),
        )
    )
    assert store.after(0, 1)[0].record == item
    assert store.devices()[0].info == device.info


async def test_a_device_that_invents_channels_does_not_fill_the_table(
    open_store: OpenStore, uplink: MakeUplink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_CHANNELS", 2)
    store = open_store()
    item = uplink(0)
    await store.commit(Batch(uplinks=(item,)))
    assert store.after(0, 1)[0].record == item
    with closing(sqlite3.connect(store.path)) as people:
        assert people.execute("SELECT count(*) FROM channel").fetchone() == (2,)
        rows = people.execute("SELECT channel, value FROM reading ORDER BY channel").fetchall()
    assert rows == [("pulses", 7), ("soil.moisture", 30.5), ("valve.open", 1)]


async def test_views_say_in_plain_columns_what_was_stored(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=(uplink(0),), alerts=(AlertEvent(EventType.NEW, alert()),)))
    with closing(sqlite3.connect(store.path)) as people:
        rows = people.execute("SELECT * FROM reading WHERE channel = 'soil.moisture'").fetchall()
        alerts = people.execute("SELECT id, severity, first_seen, end_time FROM alerts").fetchall()
    assert rows == [
        ("2023-11-14T22:13:20.000Z", EUI, "soil.moisture", 30.5, "%", 0.5, "ok"),
    ]
    assert alerts == [("a1", "warning", "1970-01-01T00:00:01Z", None)]


async def test_counts_are_those_of_the_tables(open_store: OpenStore, uplink: MakeUplink) -> None:
    store = open_store()
    await store.commit(
        Batch(
            uplinks=(uplink(0), uplink(1)),
            alerts=(AlertEvent(EventType.NEW, alert()),),
            downlinks=(downlink(DownlinkState.QUEUED),),
            events=(EventRecord(EUI, "join", 1.0),),
            rejected=(rejected(0),),
        )
    )
    counts = store.counts()
    assert (counts.uplinks, counts.devices, counts.alerts_open, counts.alerts) == (2, 1, 1, 1)
    assert (counts.downlinks_open, counts.events, counts.quarantined) == (1, 1, 1)
    assert counts.bytes > 0


async def test_reads_go_on_while_the_writer_is_busy(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=(uplink(0),)))
    writing_now = asyncio.create_task(
        store.commit(Batch(uplinks=tuple(uplink(n) for n in range(1, 3000))))
    )
    await asyncio.sleep(0)
    heads = set()
    while not writing_now.done():
        heads.add(store.head_seq())
        await asyncio.sleep(0)
    await writing_now
    assert heads <= {1, 3000}
    assert 1 in heads
    assert store.head_seq() == 3000


async def test_a_store_without_a_file_works_alike_and_leaves_nothing(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store(None)
    await store.commit(Batch(uplinks=(uplink(0),)))
    assert store.after(0, 1)[0].record == uplink(0)
    await store.close()
    assert not store.path.parent.exists()


async def test_everything_is_there_after_opening_again(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    await store.commit(Batch(uplinks=(uplink(0),)))
    await store.close()
    again = open_store()
    committed = await again.commit(Batch(uplinks=(uplink(0), uplink(1))))
    assert committed.new == {uplink(1).uid: 2}
    assert [stored.record for stored in again.history(EUI, 9)] == [uplink(0), uplink(1)]


async def test_a_second_daemon_is_kept_out(open_store: OpenStore, tmp_path: Path) -> None:
    first = open_store()
    with pytest.raises(StoreError, match="in use by another"):
        open_store()
    await first.close()
    open_store(tmp_path / "gateway.db")


async def test_a_missing_folder_is_named(open_store: OpenStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere.*Create the folder"):
        open_store(tmp_path / "nowhere" / "gateway.db")


async def test_a_long_history_is_thinned_to_its_newest_uplink_of_each_span(
    open_store: OpenStore, uplink: MakeUplink
) -> None:
    store = open_store()
    sent = [replace(uplink(n), time_s=1000.0 * n) for n in range(20)]
    await store.commit(Batch(uplinks=tuple(sent)))
    thinned = [s.record.f_cnt for s in store.thinned(EUI, 4000.0, 19_000.0, 5000.0)]
    assert thinned == [8, 13, 18]
    assert store.thinned(EUI, 19_500.0, 90_000.0, 5000.0) == []
