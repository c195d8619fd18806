"""The audit chain: every decision on a command, each row bound to the one before by its hash.

::

    hash = SHA-256( hash of the row before, 32 bytes | body, UTF-8 )       first row: 32 zero bytes
    body = JSON with keys in order, no blanks, ASCII: {"detail":…,"kind":…,"seq":…,"time":…}

A row that is changed, taken out or put in breaks every hash after it. Rows cut off at the end are
missed against the head that each commit notes, and against a head that was written down elsewhere
(`bridge/health` shows it). When old rows leave, a row of kind `checkpoint` first states the hash of
the last of them: the chain then begins at that hash, and the statement is itself in the chain.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.store.records import AuditRecord, AuditRow
from gateway.types import Json

CHECKPOINT = "checkpoint"
SPARE_S = 86400.0
"""Rows leave a day's worth at a time, so that checkpoints are few."""

MAX_ROWS = 200_000
"""Rows kept at most: whoever floods us with commands must not fill the card."""

_START = bytes(32)
_HEAD = "audit_head"

All = Callable[..., list[Any]]


@dataclass(frozen=True, slots=True)
class AuditFault:
    """Where the chain is broken, and how. `seq` is the first row that cannot be trusted."""

    seq: int
    said: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What checking found: rows read, the newest hash, the first fault (None: all is well)."""

    rows: int
    head: str
    fault: AuditFault | None


def canonical(tree: Json) -> str:
    """Return JSON that is the same for the same facts."""
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)


def append(connection: sqlite3.Connection, records: Iterable[AuditRecord]) -> None:
    """Chain decisions to what is there; call it inside the transaction they belong to."""
    records = tuple(records)
    if not records:
        return
    last = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    seq, digest = (last[0], bytes(last[1])) if last else (0, _START)
    rows = []
    for record in records:
        seq += 1
        body = canonical(
            {
                "seq": seq,
                "time": record.time_s,
                "kind": record.kind,
                "detail": dict(record.detail),
            }
        )
        digest = _hash(digest, body)
        rows.append((seq, record.time_s, body, digest))
    connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?)", rows)
    connection.execute(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_HEAD, canonical([seq, digest.hex()]))
    )


def prune(connection: sqlite3.Connection, kept_s: float, now_s: float) -> int:
    """Let old rows go, having stated the last one's hash in the chain; return how many went."""
    first, newest = connection.execute("SELECT min(seq), max(seq) FROM audit").fetchone()
    if first is None:
        return 0
    last = 0
    oldest_s = connection.execute("SELECT time_s FROM audit WHERE seq = ?", (first,)).fetchone()[0]
    if oldest_s < kept_s - SPARE_S:
        last = connection.execute(
            "SELECT coalesce(min(seq), ?2 + 1) - 1 FROM audit WHERE time_s >= ?1", (kept_s, newest)
        ).fetchone()[0]
    if newest - first >= MAX_ROWS:
        last = max(last, newest - MAX_ROWS * 9 // 10)
    if last < first:
        return 0
    digest = connection.execute("SELECT hash FROM audit WHERE seq = ?", (last,)).fetchone()[0]
    detail = {"through": last, "hash": bytes(digest).hex(), "rows": last - first + 1}
    append(connection, [AuditRecord(now_s, CHECKPOINT, detail)])
    return connection.execute("DELETE FROM audit WHERE seq <= ?", (last,)).rowcount


def rows(fetch: All, after: int, limit: int) -> list[AuditRow]:
    """Return rows above `after`, in order."""
    found = fetch(
        "SELECT seq, time_s, body, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", after, limit
    )
    return [AuditRow(seq, time_s, body, bytes(digest).hex()) for seq, time_s, body, digest in found]


def head(fetch: All) -> tuple[int, str]:
    """Return the newest seq and hash as the last commit noted them."""
    found = fetch("SELECT value FROM meta WHERE name = ?", _HEAD)
    if not found:
        return 0, ""
    seq, digest = json.loads(found[0][0])
    return int(seq), str(digest)


def verify(
    chain: Iterable[AuditRow], noted: tuple[int, str] = (0, ""), *, known: Sequence[str] = ()
) -> Verified:
    """Check a chain from its oldest row to its newest.

    `noted` is the head as the store noted it; `known` are hashes that were written down elsewhere
    and must be in the chain.
    """
    check = _Check(set(known))
    for row in chain:
        check.take(row)
        if check.fault is not None:
            break
    fault = check.fault or check.end(noted)
    return Verified(check.count, check.digest, fault)


class _Check:
    """One walk along a chain."""

    def __init__(self, known: set[str]) -> None:
        self.count = 0
        self.digest = ""
        self.fault: AuditFault | None = None
        self._known = known
        self._seq: int | None = None
        self._begins: tuple[int, str] | None = None  # what a checkpoint must state

    def take(self, row: AuditRow) -> None:
        if self._seq is None:
            self._begin(row)
        elif row.seq != self._seq + 1:
            self.fault = AuditFault(self._seq + 1, f"rows up to {row.seq - 1} are missing")
        elif _hash(bytes.fromhex(self.digest), row.body).hex() != row.digest:
            self.fault = AuditFault(row.seq, "the row is not what it was when it was written")
        if self.fault is None:
            self._read(row)
        self.count, self._seq, self.digest = self.count + 1, row.seq, row.digest
        self._known.discard(row.digest)

    def _begin(self, row: AuditRow) -> None:
        """Take the oldest row there is: the very first, or one after rows that were let go."""
        if row.seq > 1:
            self._begins = (row.seq - 1, row.body)
            self._first_digest = row.digest
        elif _hash(_START, row.body).hex() != row.digest:
            self.fault = AuditFault(1, "the row is not what it was when it was written")

    def _read(self, row: AuditRow) -> None:
        try:
            body = json.loads(row.body)
            if (body["seq"], body["time"]) != (row.seq, row.time_s):
                self.fault = AuditFault(row.seq, "the row's columns do not say what it says")
            detail = body["detail"] if body["kind"] == CHECKPOINT else {}
            stated = (detail.get("through"), detail.get("hash", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            self.fault = AuditFault(row.seq, "the row cannot be read")
            return
        if self._begins is not None and stated[0] == self._begins[0]:
            first = _hash(bytes.fromhex(stated[1]), self._begins[1]).hex()
            if first != self._first_digest:
                self.fault = AuditFault(self._begins[0] + 1, "it does not follow its checkpoint")
            self._begins = None

    def end(self, noted: tuple[int, str]) -> AuditFault | None:
        if self._begins is not None:
            through = self._begins[0]
            return AuditFault(through, f"no checkpoint states why rows up to {through} are gone")
        if noted[0] and (self._seq, self.digest) != noted:
            return AuditFault((self._seq or 0) + 1, f"rows up to {noted[0]} were cut off")
        if self._known:
            missing = min(self._known)
            return AuditFault(0, f"the hash {missing} that was written down is not in the chain")
        return None


def _hash(before: bytes, body: str) -> bytes:
    return hashlib.sha256(before + body.encode()).digest()
