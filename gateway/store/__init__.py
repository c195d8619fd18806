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
    AirtimeRecord,
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
    "check_backup",
    "copy",
    "missed",
    "next_gap",
    "pending",
    "published",
    "put_back",
    "without_pruned",
]
