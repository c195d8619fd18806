"""The gateway's memory: one SQLite file, one writer, one row per uplink. See README.md here."""

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
    BackupReport,
    Batch,
    Committed,
    Counts,
    DeviceRecord,
    EventRecord,
    Pruned,
    StoredUplink,
    UplinkRecord,
)
from gateway.store.store import Store

__all__ = [
    "BackupReport",
    "Batch",
    "Committed",
    "Counts",
    "DeviceRecord",
    "EventRecord",
    "HistoryCursor",
    "Pruned",
    "Reader",
    "Store",
    "StoreDamaged",
    "StoreFull",
    "StoredUplink",
    "UplinkRecord",
    "check_backup",
    "copy",
    "missed",
    "next_gap",
    "pending",
    "published",
    "put_back",
    "without_pruned",
]
