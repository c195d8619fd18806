"""The tables, and the steps by which an older file becomes a current one.

`PRAGMA user_version` counts the steps a file has taken. A step is a tuple of statements, run in
one transaction; steps are only ever appended.
"""

from __future__ import annotations

import sqlite3

Step = tuple[str, ...]

_TABLES: Step = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE device (
        id INTEGER PRIMARY KEY,
        dev_eui TEXT NOT NULL UNIQUE,
        info TEXT NOT NULL,         -- JSON: names, profile, application, tags
        dev_addr TEXT NOT NULL,
        f_cnt INTEGER,
        first_seen_s REAL NOT NULL,
        last_seen_s REAL NOT NULL   -- as of this row; a newer uplink says better
    ) STRICT""",
    """CREATE TABLE channel (
        id INTEGER PRIMARY KEY,
        channel TEXT NOT NULL,
        unit TEXT NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        UNIQUE (channel, unit, kind, key)
    ) STRICT""",
    """CREATE TABLE uplink (
        seq INTEGER PRIMARY KEY,
        uid ANY NOT NULL UNIQUE,    -- a UUID as 16 bytes, anything else as text
        device INTEGER NOT NULL REFERENCES device (id),
        dev_addr TEXT NOT NULL,
        f_cnt INTEGER NOT NULL,
        time_s REAL NOT NULL,
        received_s REAL NOT NULL,
        late INTEGER NOT NULL,
        readings TEXT NOT NULL,     -- JSON: [[channel id, value], ...]
        verdicts TEXT NOT NULL      -- JSON: [{"r": index of the reading, "s": status, ...}, ...]
    ) STRICT""",
    "CREATE INDEX uplink_by_device ON uplink (device, time_s)",
    "CREATE TABLE seen (uid ANY PRIMARY KEY, time_s REAL NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE event (
        id INTEGER PRIMARY KEY,
        dev_eui TEXT NOT NULL,
        kind TEXT NOT NULL,
        time_s REAL NOT NULL,
        detail TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE alert (
        id TEXT PRIMARY KEY,
        dev_eui TEXT NOT NULL,
        end_s REAL,
        last_seen_s REAL NOT NULL,
        body TEXT NOT NULL          -- JSON: the whole alert
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX alert_open ON alert (id) WHERE end_s IS NULL",
    """CREATE TABLE downlink (
        id TEXT PRIMARY KEY,
        dev_eui TEXT NOT NULL,
        state TEXT NOT NULL,
        changed_s REAL NOT NULL,
        data BLOB NOT NULL,
        body TEXT NOT NULL          -- JSON: the rest
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX downlink_open ON downlink (id)
        WHERE state IN ('accepted', 'queued', 'sent')""",
    """CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        topic TEXT NOT NULL,
        payload BLOB NOT NULL,
        retain INTEGER NOT NULL,
        qos INTEGER NOT NULL,
        expiry_s INTEGER,
        properties TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        source TEXT NOT NULL,
        topic TEXT NOT NULL,
        payload BLOB NOT NULL,
        received_s REAL NOT NULL
    ) STRICT""",
    """CREATE TABLE quarantine_count (
        reason TEXT PRIMARY KEY,
        count INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE VIEW reading AS
        SELECT strftime('%Y-%m-%dT%H:%M:%fZ',
                        coalesce(json_extract(r.value, '$[2]'), u.time_s), 'unixepoch') AS time,
               d.dev_eui AS dev_eui,
               coalesce(c.channel, json_extract(r.value, '$[0][0]')) AS channel,
               json_extract(r.value, '$[1]') AS value,
               coalesce(c.unit, json_extract(r.value, '$[0][1]')) AS unit,
               json_extract(v.value, '$.p') AS p_value,
               json_extract(v.value, '$.s') AS status
        FROM uplink u
        JOIN device d ON d.id = u.device
        JOIN json_each(u.readings) r
        LEFT JOIN channel c ON c.id = json_extract(r.value, '$[0]')
        LEFT JOIN json_each(u.verdicts) v ON json_extract(v.value, '$.r') = r.key""",
    """CREATE VIEW alerts AS
        SELECT id, dev_eui,
               json_extract(body, '$.kind') AS kind,
               json_extract(body, '$.cause') AS cause,
               json_extract(body, '$.severity') AS severity,
               json_extract(body, '$.title') AS title,
               json_extract(body, '$.advice') AS advice,
               strftime('%Y-%m-%dT%H:%M:%SZ', json_extract(body, '$.first_seen_s'), 'unixepoch')
                   AS first_seen,
               strftime('%Y-%m-%dT%H:%M:%SZ', last_seen_s, 'unixepoch') AS last_seen,
               strftime('%Y-%m-%dT%H:%M:%SZ', end_s, 'unixepoch') AS end_time
        FROM alert""",
)

_RADIO: Step = (
    """CREATE TABLE radio_device (
        dev_eui TEXT PRIMARY KEY,
        body TEXT NOT NULL,         -- JSON: everything but keys
        keys TEXT NOT NULL,         -- JSON: {name: 32 hex digits}
        changed_s REAL NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE radio_past (
        dev_eui TEXT PRIMARY KEY,
        digest BLOB NOT NULL        -- SHA-256 of the keys it last had, to know them again
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE radio_session (
        dev_eui TEXT NOT NULL,
        started_s REAL NOT NULL,
        body TEXT NOT NULL,         -- JSON: counters, settings, what is owed
        keys BLOB NOT NULL,         -- NwkSKey, AppSKey
        PRIMARY KEY (dev_eui, started_s)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE radio_counter (
        dev_eui TEXT PRIMARY KEY,
        body TEXT NOT NULL          -- JSON: DevNonces used, a private node's counters
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE radio_airtime (
        id INTEGER PRIMARY KEY,
        radio TEXT NOT NULL,
        band TEXT NOT NULL,
        start_s REAL NOT NULL,
        end_s REAL NOT NULL
    ) STRICT""",
)

_CONTROL: Step = (
    """CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        time_s REAL NOT NULL,
        body TEXT NOT NULL,         -- canonical JSON: everything that was decided
        hash BLOB NOT NULL          -- SHA-256 of the hash before and of the body
    ) STRICT""",
    "CREATE TABLE control (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "DROP INDEX downlink_open",
    """CREATE INDEX downlink_open ON downlink (id)
        WHERE state IN ('held', 'accepted', 'queued', 'sent')""",
    "CREATE INDEX downlink_changed ON downlink (changed_s)",
)

_ALERT_LIFE: Step = (
    "CREATE TABLE alert_memory (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX alert_seen ON alert (last_seen_s)",
    "DROP VIEW alerts",
    """CREATE VIEW alerts AS
        SELECT id, dev_eui,
               json_extract(body, '$.kind') AS kind,
               json_extract(body, '$.cause') AS cause,
               json_extract(body, '$.severity') AS severity,
               json_extract(body, '$.title') AS title,
               json_extract(body, '$.advice') AS advice,
               strftime('%Y-%m-%dT%H:%M:%SZ', json_extract(body, '$.first_seen_s'), 'unixepoch')
                   AS first_seen,
               strftime('%Y-%m-%dT%H:%M:%SZ', last_seen_s, 'unixepoch') AS last_seen,
               strftime('%Y-%m-%dT%H:%M:%SZ', end_s, 'unixepoch') AS end_time,
               json_extract(body, '$.ack') AS ack,
               strftime('%Y-%m-%dT%H:%M:%SZ', json_extract(body, '$.care.snoozed_until_s'),
                        'unixepoch') AS snoozed_until,
               json_extract(body, '$.care.digested_s') IS NOT NULL AS in_digest,
               coalesce(json_extract(body, '$.care.false_alarm'), 0) AS false_alarm
        FROM alert""",
)

STEPS: tuple[Step, ...] = (_TABLES, _RADIO, _CONTROL, _ALERT_LIFE)
VERSION = len(STEPS)


def version_of(connection: sqlite3.Connection) -> int:
    """How many steps this file has taken; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, steps: tuple[Step, ...] = STEPS) -> None:
    """Take the steps that are missing, each in a transaction of its own."""
    for number in range(version_of(connection), len(steps)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in steps[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
