"""Batches into tables: everything that runs inside the one transaction.

A `Writer` belongs to the writer thread. It remembers row ids of devices and channels, and forgets
them all when a transaction is rolled back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from gateway.store import audit, encoding, radio
from gateway.store.encoding import Ref, Spec, plain
from gateway.store.records import Batch, Committed, DeviceRecord, EventRecord, UplinkRecord
from gateway.types import AlertEvent, DevEui, Downlink, Json, Message, Rejected

MAX_CHANNELS = 20_000
"""Rows of the `channel` table. A device that invents keys without end writes them inline."""

PAYLOAD_KEPT = 4096
"""Bytes kept of a rejected payload."""

T = TypeVar("T")


class Writer:
    """Applies batches to `connection`, which is in autocommit mode and nobody else's."""

    def __init__(self, connection: sqlite3.Connection, quarantine_rows: int) -> None:
        self.connection = connection
        self._quarantine_rows = quarantine_rows
        self._devices: dict[DevEui, int] = {}
        self._written: dict[DevEui, DeviceRecord] = {}
        self._channels: dict[Spec, int] = {}

    def transaction(self, work: Callable[[], T]) -> T:
        """Run `work` in one transaction: all of it happens, or none."""
        if self.connection.in_transaction:  # a rollback that failed with the disk, say
            self.connection.execute("ROLLBACK")
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            result = work()
            self.connection.execute("COMMIT")
        except BaseException:
            self._devices.clear()
            self._written.clear()
            self._channels.clear()
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        return result

    def apply(self, batch: Batch, outbox_done: Iterable[int]) -> Committed:
        """Write all of `batch`; call it inside `transaction`."""
        self.connection.executemany(
            "DELETE FROM outbox WHERE seq = ?", [(seq,) for seq in outbox_done]
        )
        self._put_devices(batch)
        committed = self._put_uplinks(batch.uplinks)
        self._put_alerts(batch.alerts)
        self._put_downlinks(batch.downlinks)
        self._put_messages(batch.messages)
        self._put_rejected(batch.rejected)
        self._put_events(batch.events)
        self._put_seen(batch)
        radio.write(self.connection, batch.radio)
        audit.append(self.connection, batch.audit)
        self.connection.executemany(
            "INSERT OR REPLACE INTO control VALUES (?, ?)",
            [
                (name, encoding.to_json(value))
                for name, value in batch.control.items()
                if value is not None
            ],
        )
        self.connection.executemany(
            "DELETE FROM control WHERE name = ?",
            [(name,) for name, value in batch.control.items() if value is None],
        )
        self._put_memory(batch.memory)
        if batch.cursor is not None:
            self.connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('cursor', ?)",
                (encoding.encode_cursor(batch.cursor),),
            )
        return committed

    def _put_uplinks(self, uplinks: Iterable[UplinkRecord]) -> Committed:
        new: dict[str, int] = {}
        duplicates = []
        for uplink in uplinks:
            cursor = self.connection.execute(
                "INSERT INTO uplink (uid, device, dev_addr, f_cnt, time_s, received_s, late,"
                " readings, verdicts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (uid) DO NOTHING",
                self._uplink_row(uplink),
            )
            if cursor.rowcount and cursor.lastrowid is not None:
                new[uplink.uid] = cursor.lastrowid
            else:
                duplicates.append(uplink.uid)
        head = self.connection.execute("SELECT max(seq) FROM uplink").fetchone()[0]
        return Committed(head or 0, new, tuple(duplicates))

    def _uplink_row(self, uplink: UplinkRecord) -> tuple[object, ...]:
        readings = encoding.encode_readings(uplink.readings, uplink.time_s, self._channel)
        verdicts = encoding.encode_verdicts(uplink.verdicts, uplink.readings)
        return (
            encoding.encode_uid(uplink.uid),
            self._device(uplink),
            plain(uplink.dev_addr),
            uplink.f_cnt,
            uplink.time_s,
            uplink.received_s,
            int(uplink.late),
            encoding.to_json(readings),
            encoding.to_json(verdicts),
        )

    def _device(self, uplink: UplinkRecord) -> int:
        """Row id of the device, which may be one that nobody has described yet."""
        known = self._devices.get(uplink.dev_eui)
        if known is None:
            self.connection.execute(
                "INSERT INTO device (dev_eui, info, dev_addr, first_seen_s, last_seen_s)"
                " VALUES (?, '{}', ?, ?, ?) ON CONFLICT (dev_eui) DO NOTHING",
                (uplink.dev_eui, plain(uplink.dev_addr), uplink.time_s, uplink.time_s),
            )
            known = int(
                self.connection.execute(
                    "SELECT id FROM device WHERE dev_eui = ?", (uplink.dev_eui,)
                ).fetchone()[0]
            )
            self._devices[uplink.dev_eui] = known
        return known

    def _channel(self, spec: Spec) -> Ref:
        """Row id of a channel's description, or the description itself where no row can be."""
        if not self._channels:
            rows = self.connection.execute("SELECT channel, unit, kind, key, id FROM channel")
            self._channels = {row[:4]: row[4] for row in rows}
        known = self._channels.get(spec)
        if known is not None:
            return known
        if len(self._channels) >= MAX_CHANNELS or not all(map(encoding.is_unicode, spec)):
            return spec
        cursor = self.connection.execute(
            "INSERT INTO channel (channel, unit, kind, key) VALUES (?, ?, ?, ?)", spec
        )
        self._channels[spec] = cursor.lastrowid or 0
        return self._channels[spec]

    def _put_devices(self, batch: Batch) -> None:
        """Write what an uplink's own row does not say: a row that is rarely touched costs little.

        Session, counter and time of last sign are taken from the newest uplink when read.
        """
        speaking = {uplink.dev_eui for uplink in batch.uplinks}
        for record in batch.devices:
            dev_eui = record.info.dev_eui
            before = self._written.get(dev_eui)
            if dev_eui in speaking and before is not None and _same_device(before, record):
                continue
            self.connection.execute(
                "INSERT INTO device (dev_eui, info, dev_addr, f_cnt, first_seen_s, last_seen_s)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (dev_eui) DO UPDATE SET"
                " info = excluded.info, dev_addr = excluded.dev_addr, f_cnt = excluded.f_cnt,"
                " first_seen_s = min(first_seen_s, excluded.first_seen_s),"
                " last_seen_s = max(last_seen_s, excluded.last_seen_s)",
                (
                    dev_eui,
                    encoding.encode_info(record.info),
                    plain(record.dev_addr),
                    record.f_cnt,
                    record.first_seen_s,
                    record.last_seen_s,
                ),
            )
            self._written[dev_eui] = record

    def _put_alerts(self, events: Iterable[AlertEvent]) -> None:
        self.connection.executemany(
            "INSERT OR REPLACE INTO alert (id, dev_eui, end_s, last_seen_s, body)"
            " VALUES (?, ?, ?, ?, ?)",
            [
                (a.id, a.dev_eui, a.end_s, a.last_seen_s, encoding.encode_alert(a))
                for a in (event.alert for event in events)
            ],
        )

    def _put_memory(self, memory: Mapping[str, Json]) -> None:
        gone = [(name,) for name, value in memory.items() if value is None]
        self.connection.executemany("DELETE FROM alert_memory WHERE name = ?", gone)
        self.connection.executemany(
            "INSERT OR REPLACE INTO alert_memory VALUES (?, ?)",
            [
                (name, encoding.to_json(value))
                for name, value in memory.items()
                if value is not None
            ],
        )

    def _put_downlinks(self, downlinks: Iterable[Downlink]) -> None:
        self.connection.executemany(
            "INSERT OR REPLACE INTO downlink (id, dev_eui, state, changed_s, data, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                (d.id, d.dev_eui, d.state.value, d.changed_s, d.data, encoding.encode_downlink(d))
                for d in downlinks
            ],
        )

    def _put_messages(self, messages: Iterable[Message]) -> None:
        self.connection.executemany(
            "INSERT INTO outbox (topic, payload, retain, qos, expiry_s, properties)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    m.topic,
                    m.payload,
                    m.retain,
                    m.qos,
                    m.expiry_s,
                    encoding.to_json(dict(m.properties)),
                )
                for m in messages
                if m.durable
            ],
        )

    def _put_rejected(self, rejected: tuple[Rejected, ...]) -> None:
        if not rejected:
            return
        self.connection.executemany(
            "INSERT INTO quarantine (reason, detail, source, topic, payload, received_s)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [_rejected_row(item) for item in rejected[-self._quarantine_rows :]],
        )
        self.connection.execute(
            "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?",
            (self._quarantine_rows,),
        )
        self.connection.executemany(
            "INSERT INTO quarantine_count VALUES (?, 1)"
            " ON CONFLICT (reason) DO UPDATE SET count = count + 1",
            [(plain(item.reason),) for item in rejected],
        )

    def _put_events(self, events: Iterable[EventRecord]) -> None:
        self.connection.executemany(
            "INSERT INTO event (dev_eui, kind, time_s, detail) VALUES (?, ?, ?, ?)",
            [(e.dev_eui, e.kind, e.time_s, encoding.to_json(e.detail)) for e in events],
        )

    def _put_seen(self, batch: Batch) -> None:
        self.connection.executemany(
            "INSERT OR IGNORE INTO seen VALUES (?, ?)",
            [(encoding.encode_uid(uid), batch.seen_s) for uid in batch.seen],
        )


def _same_device(before: DeviceRecord, record: DeviceRecord) -> bool:
    """Whether the row already says all that the newest uplink will not."""
    return (before.info, before.first_seen_s) == (record.info, record.first_seen_s)


def _rejected_row(item: Rejected) -> tuple[object, ...]:
    detail = plain(item.detail)
    if len(item.payload) > PAYLOAD_KEPT:
        detail += f" (first {PAYLOAD_KEPT} of {len(item.payload)} bytes kept)"
    return (
        plain(item.reason),
        detail,
        plain(item.source),
        plain(item.topic),
        item.payload[:PAYLOAD_KEPT],
        item.received_s,
    )
