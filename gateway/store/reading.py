"""Tables into records: short reads on the event loop's own connection.

WAL lets them go on while the writer commits; each call sees the newest commit.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.store import audit, database, encoding, radio
from gateway.store.cursor import HistoryCursor
from gateway.store.encoding import Spec
from gateway.store.failures import translate
from gateway.store.records import (
    AirtimeRecord,
    AuditRow,
    CounterRecord,
    Counts,
    DeviceRecord,
    EventRecord,
    RadioDeviceRecord,
    SessionRecord,
    StoredUplink,
    UplinkRecord,
)
from gateway.types import Alert, DevEui, Downlink, Json, Message, Rejected

_UPLINK = (
    "SELECT u.seq, u.uid, d.dev_eui, u.dev_addr, u.f_cnt, u.time_s, u.received_s, u.late,"
    " u.readings, u.verdicts FROM uplink u JOIN device d ON d.id = u.device "
)
_DOWNLINK = "SELECT id, dev_eui, state, changed_s, data, body FROM downlink "
_COUNTS = (
    "SELECT (SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM uplink),"
    " (SELECT count(*) FROM device),"
    " (SELECT count(*) FROM alert WHERE end_s IS NULL),"
    " (SELECT count(*) FROM alert),"
    " (SELECT count(*) FROM downlink WHERE state IN ('held', 'accepted', 'queued', 'sent')),"
    " (SELECT count(*) FROM outbox),"
    " (SELECT coalesce(max(id) - min(id) + 1, 0) FROM event),"
    " (SELECT coalesce(sum(count), 0) FROM quarantine_count), ?"
)


class Reader:
    """Answers questions from `connection`; belongs to one thread.

    Every method raises `StoreError` when the file cannot be read.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._channels: dict[int, Spec] = {}

    @classmethod
    def beside(cls, path: Path) -> Reader:
        """Open a database that a daemon may be writing, for looking only."""
        try:
            return cls(path, database.connect(path, read_only=True))
        except sqlite3.Error as error:
            raise translate(error, path) from error

    def seen(self, uids: Sequence[str]) -> set[str]:
        """Return those of `uids` that were stored before, as uplinks or as other events."""
        return {uid for uid in uids if self._is_seen(encoding.encode_uid(uid))}

    def _is_seen(self, uid: str | bytes) -> bool:
        statement = (
            "SELECT EXISTS (SELECT 1 FROM uplink WHERE uid = ?1)"
            " OR EXISTS (SELECT 1 FROM seen WHERE uid = ?1)"
        )
        return bool(self._all(statement, uid)[0][0])

    def same_frame(self, dev_eui: DevEui, dev_addr: str, f_cnt: int, since_s: float) -> bool:
        """Tell whether this frame of this session was stored with a time of `since_s` or later."""
        found = self._all(
            "SELECT 1 FROM uplink WHERE device = (SELECT id FROM device WHERE dev_eui = ?)"
            " AND time_s >= ? AND f_cnt = ? AND dev_addr = ? LIMIT 1",
            dev_eui,
            since_s,
            f_cnt,
            encoding.plain(dev_addr),
        )
        return bool(found)

    def devices(self) -> list[DeviceRecord]:
        """Return every device, by DevEUI."""
        rows = self._all(
            "SELECT d.dev_eui, d.info, d.dev_addr, d.f_cnt, d.first_seen_s, d.last_seen_s,"
            " u.dev_addr, u.f_cnt, u.time_s FROM device d LEFT JOIN uplink u ON u.seq ="
            " (SELECT seq FROM uplink WHERE device = d.id ORDER BY time_s DESC, seq DESC LIMIT 1)"
            " ORDER BY d.dev_eui"
        )
        return [_device(row) for row in rows]

    def history(
        self, dev_eui: DevEui, limit: int, before_s: float | None = None
    ) -> list[StoredUplink]:
        """Return a device's newest `limit` uplinks (of a time below `before_s`), oldest first."""
        rows = self._all(
            _UPLINK + "WHERE d.dev_eui = ? AND u.time_s < ?"
            " ORDER BY u.time_s DESC, u.seq DESC LIMIT ?",
            dev_eui,
            math.inf if before_s is None else before_s,
            limit,
        )
        return [self._uplink(row) for row in reversed(rows)]

    def thinned(
        self, dev_eui: DevEui, since_s: float, until_s: float, every_s: float
    ) -> list[StoredUplink]:
        """Return a device's newest uplink of each `every_s` between two times, oldest first.

        Days without any cost one look.
        """
        found: list[StoredUplink] = []
        before_s = until_s
        while before_s > since_s and (rows := self.history(dev_eui, 1, before_s)):
            if rows[0].record.time_s < since_s:
                break
            found.append(rows[0])
            before_s = min(before_s - every_s, rows[0].record.time_s)
        return found[::-1]

    def latest(self, dev_eui: DevEui) -> StoredUplink | None:
        """Return the newest uplink of a device by its time, None when there is none."""
        found = self.history(dev_eui, 1)
        return found[0] if found else None

    def after(self, seq: int, limit: int) -> list[StoredUplink]:
        """Return uplinks of every device with a seq above `seq`, in that order."""
        rows = self._all(_UPLINK + "WHERE u.seq > ? ORDER BY u.seq LIMIT ?", seq, limit)
        return [self._uplink(row) for row in rows]

    def head_seq(self) -> int:
        """Return the newest seq, 0 when there is none."""
        return int(self._all("SELECT coalesce(max(seq), 0) FROM uplink")[0][0])

    def tail_seq(self) -> int:
        """Return the oldest seq that retention left, 0 when there is none."""
        return int(self._all("SELECT coalesce(min(seq), 0) FROM uplink")[0][0])

    def seq_before(self, received_s: float) -> int:
        """Return the newest seq that was received before a time, 0 when none was.

        Found by halving, for uplinks are stored nearly in the order of their receiving.
        """
        low, high = self.tail_seq() - 1, self.head_seq()
        while low < high:
            middle = (low + high + 1) // 2
            found = self._all("SELECT received_s FROM uplink WHERE seq <= ? ORDER BY seq DESC"
                              " LIMIT 1", middle)  # fmt: skip
            if found and found[0][0] < received_s:
                low = middle
            else:
                high = middle - 1
        return max(low, 0)

    def newest_received_s(self) -> float:
        """Return when the newest uplink was received, 0 when there is none."""
        found = self._all("SELECT received_s FROM uplink ORDER BY seq DESC LIMIT 1")
        return float(found[0][0]) if found else 0.0

    def alerts_of(self, rules: str, since_s: float) -> list[Alert]:
        """Return the alerts of rules whose name begins so and that were seen since a time."""
        rows = self._all(
            "SELECT body FROM alert WHERE last_seen_s >= ?"
            " AND substr(json_extract(body, '$.rule'), 1, ?) = ?",
            since_s,
            len(rules),
            rules,
        )
        return sorted(
            (encoding.decode_alert(body) for (body,) in rows),
            key=lambda alert: (alert.first_seen_s, alert.id),
        )

    def channels(self) -> set[str]:
        """Return every channel that was ever told of."""
        return {channel for (channel,) in self._all("SELECT DISTINCT channel FROM channel")}

    def cursor(self) -> HistoryCursor:
        """Return the history cursor as last committed, a new one when none was."""
        rows = self._all("SELECT value FROM meta WHERE name = 'cursor'")
        return encoding.decode_cursor(rows[0][0]) if rows else HistoryCursor()

    def events(self, dev_eui: DevEui, limit: int) -> list[EventRecord]:
        """Return the newest events of a device, oldest first."""
        rows = self._all(
            "SELECT dev_eui, kind, time_s, detail FROM event WHERE dev_eui = ?"
            " ORDER BY id DESC LIMIT ?",
            dev_eui,
            limit,
        )
        return [
            EventRecord(eui, kind, time_s, encoding.from_json(detail))
            for eui, kind, time_s, detail in reversed(rows)
        ]

    def open_alerts(self) -> list[Alert]:
        """Return alerts that have not ended, the one first seen first."""
        rows = self._all("SELECT body FROM alert WHERE end_s IS NULL")
        return sorted(
            (encoding.decode_alert(body) for (body,) in rows),
            key=lambda alert: (alert.first_seen_s, alert.id),
        )

    def alert(self, alert_id: str) -> Alert | None:
        """Return one alert in its newest state."""
        rows = self._all("SELECT body FROM alert WHERE id = ?", encoding.plain(alert_id))
        return encoding.decode_alert(rows[0][0]) if rows else None

    def ended_alerts(
        self, since_s: float, dev_eui: DevEui | None = None, limit: int = -1
    ) -> list[Alert]:
        """Return alerts that ended and were last seen at `since_s` or later, the newest first."""
        rows = self._all(
            "SELECT body FROM alert WHERE end_s IS NOT NULL AND last_seen_s >= ?1"
            " AND (?2 IS NULL OR dev_eui = ?2) ORDER BY last_seen_s DESC, id LIMIT ?3",
            since_s,
            dev_eui,
            limit,
        )
        return [encoding.decode_alert(body) for (body,) in rows]

    def alert_memory(self) -> dict[str, Json]:
        """Return what the life of alerts keeps beside them, by name."""
        found = self._all("SELECT name, value FROM alert_memory")
        return {name: encoding.from_json(value) for name, value in found}

    def open_downlinks(self) -> list[Downlink]:
        """Return downlinks whose state is not final, the oldest first."""
        rows = self._all(_DOWNLINK + "WHERE state IN ('held', 'accepted', 'queued', 'sent')")
        return sorted(
            (encoding.decode_downlink(row) for row in rows),
            key=lambda downlink: (downlink.created_s, downlink.id),
        )

    def downlink(self, downlink_id: str) -> Downlink | None:
        """Return one downlink in its newest state."""
        rows = self._all(_DOWNLINK + "WHERE id = ?", encoding.plain(downlink_id))
        return encoding.decode_downlink(rows[0]) if rows else None

    def downlinks_since(self, since_s: float) -> list[Downlink]:
        """Return downlinks that changed at `since_s` or later, the oldest first."""
        rows = self._all(_DOWNLINK + "WHERE changed_s >= ?", since_s)
        return sorted(
            (encoding.decode_downlink(row) for row in rows),
            key=lambda downlink: (downlink.created_s, downlink.id),
        )

    def audit(self, after: int = 0, limit: int = 1000) -> list[AuditRow]:
        """Return rows of the audit chain with a seq above `after`, in their order."""
        return audit.rows(self._all, after, limit)

    def audit_head(self) -> tuple[int, str]:
        """Return the newest row's seq and hash as the last commit noted them; (0, "") for none."""
        return audit.head(self._all)

    def control(self) -> dict[str, Json]:
        """Return what control keeps beside commands, by name."""
        found = self._all("SELECT name, value FROM control")
        return {name: encoding.from_json(value) for name, value in found}

    def outbox(self, limit: int, after: int = 0) -> list[tuple[int, Message]]:
        """Return messages that were not yet reported done, in the order they were written."""
        rows = self._all(
            "SELECT seq, topic, payload, retain, qos, expiry_s, properties FROM outbox"
            " WHERE seq > ? ORDER BY seq LIMIT ?",
            after,
            limit,
        )
        return [(row[0], _message(row)) for row in rows]

    def quarantine(self, limit: int) -> list[Rejected]:
        """Return what was put aside lately, the newest first, payloads cut short."""
        rows = self._all(
            "SELECT reason, detail, source, topic, payload, received_s FROM quarantine"
            " ORDER BY id DESC LIMIT ?",
            limit,
        )
        return [Rejected(*row) for row in rows]

    def quarantine_counts(self) -> dict[str, int]:
        """Return how much was ever put aside, by reason."""
        return dict(self._all("SELECT reason, count FROM quarantine_count"))

    def radio_devices(self) -> list[RadioDeviceRecord]:
        """Return every registered device of our own radio, by DevEUI."""
        return radio.devices(self._all)

    def radio_version(self) -> int:
        """Return a number that rises with every change of the registry; 0 before the first."""
        return radio.version(self._all)

    def radio_sessions(self) -> list[SessionRecord]:
        """Return every session of our own radio's devices, those of one the older first."""
        return radio.sessions(self._all)

    def radio_counters(self) -> list[CounterRecord]:
        """Return what is kept of such devices beside their sessions, by DevEUI."""
        return radio.counters(self._all)

    def radio_airtime(self, since_s: float) -> list[AirtimeRecord]:
        """Return transmissions that ended at `since_s` or later, in the order of their end."""
        return radio.airtime(self._all, since_s)

    def counts(self) -> Counts:
        """Return how much there is. Cheap: uplinks and events leave from the old end only."""
        size = self._all("PRAGMA page_count")[0][0] * self._all("PRAGMA page_size")[0][0]
        return Counts(*self._all(_COUNTS, size)[0])

    def _all(self, statement: str, *values: object) -> list[Any]:
        """Fetch every row at once: an open statement would keep the WAL from starting over."""
        try:
            return self.connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise translate(error, self.path) from error

    def _uplink(self, row: tuple[Any, ...]) -> StoredUplink:
        seq, uid, dev_eui, dev_addr, f_cnt, time_s, received_s, late, readings, verdicts = row
        made = encoding.decode_readings(readings, dev_eui, time_s, self._spec)
        record = UplinkRecord(
            uid=encoding.decode_uid(uid),
            dev_eui=dev_eui,
            dev_addr=dev_addr,
            f_cnt=f_cnt,
            time_s=time_s,
            received_s=received_s,
            late=bool(late),
            readings=made,
            verdicts=encoding.decode_verdicts(verdicts, dev_eui, made),
        )
        return StoredUplink(seq, record)

    def _spec(self, channel_id: int) -> Spec:
        if channel_id not in self._channels:
            rows = self._all("SELECT id, channel, unit, kind, key FROM channel")
            self._channels = {row[0]: row[1:] for row in rows}
        return self._channels[channel_id]


def _device(row: tuple[Any, ...]) -> DeviceRecord:
    """Put together the row and the newest uplink; whichever is newer tells the session."""
    dev_eui, info, dev_addr, f_cnt, first_seen_s, last_seen_s, *newest = row
    if newest[2] is not None and newest[2] >= last_seen_s:
        dev_addr, f_cnt, last_seen_s = newest
    return DeviceRecord(
        encoding.decode_info(info, dev_eui), first_seen_s, last_seen_s, dev_addr, f_cnt
    )


def _message(row: tuple[Any, ...]) -> Message:
    _, topic, payload, retain, qos, expiry_s, properties = row
    return Message(
        topic=topic,
        payload=payload,
        retain=bool(retain),
        qos=qos,
        durable=True,
        expiry_s=expiry_s,
        properties=encoding.from_json(properties),
    )
