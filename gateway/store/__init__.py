"""The gateway's memory: one SQLite file, one writer, one row per uplink. See README.md here."""

from gateway.store.audit import AuditFault, Verified, verify
from gateway.store.backup import check_backup, copy, put_back
from gateway.store.cursor import (
    HistoryCursor,
    missed,
    next_gap,
    pending,
    published,
    without_pruned,
)
from gateway.store.failures import StoreDamaged, StoreFull
from gateway.store.reading import Reader
from gateway.store.records import (
    AirtimeRecord,
    AuditRecord,
    AuditRow,
    BackupReport,
    Batch,
    Committed,
    CounterRecord,
    Counts,
    DeviceRecord,
    EventRecord,
    Pruned,
    RadioBatch,
    RadioDeviceRecord,
    SessionRecord,
    StoredUplink,
    UplinkRecord,
)
from gateway.store.registry import Heard, Registry
from gateway.store.store import Store

__all__ = [
    "AirtimeRecord",
    "AuditFault",
    "AuditRecord",
    "AuditRow",
    "BackupReport",
    "Batch",
    "Committed",
    "CounterRecord",
    "Counts",
    "DeviceRecord",
    "EventRecord",
    "Heard",
    "HistoryCursor",
    "Pruned",
    "RadioBatch",
    "RadioDeviceRecord",
    "Reader",
    "Registry",
    "SessionRecord",
    "Store",
    "StoreDamaged",
    "StoreFull",
    "StoredUplink",
    "UplinkRecord",
    "Verified",
    "check_backup",
    "copy",
    "missed",
    "next_gap",
    "pending",
    "published",
    "put_back",
    "verify",
    "without_pruned",
]
