"""What goes into the store and what comes out: frozen data, no database in sight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.store.cursor import HistoryCursor
from gateway.types import (
    AlertEvent,
    DevEui,
    DeviceEvent,
    DeviceInfo,
    Downlink,
    Json,
    Message,
    Reading,
    Rejected,
    Verdict,
)

SESSION_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class UplinkRecord:
    """One uplink with all that was made of it: the unit of storage.

    `uid` is the uplink's own id, stored at most once. Readings and verdicts are of `dev_eui`.
    """

    uid: str
    dev_eui: DevEui
    dev_addr: str
    f_cnt: int
    time_s: float
    received_s: float
    late: bool = False
    readings: tuple[Reading, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredUplink:
    """An uplink as it was stored: `seq` rises with every uplink and is never used again.

    Verdicts come back without their forecast and with seven significant digits.
    """

    seq: int
    record: UplinkRecord


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something other than an uplink happened to a device (`kind`: join, log, status, ...)."""

    dev_eui: DevEui
    kind: str
    time_s: float
    detail: Json = None

    @classmethod
    def of(cls, kind: str, event: DeviceEvent) -> EventRecord:
        """Return what is kept of an event: every field but who and when, as the detail."""
        skipped = {"device", "time_s", "received_s"}
        detail = {
            name: value
            for name in event.__slots__
            if name not in skipped and (value := getattr(event, name)) is not None
        }
        return cls(event.device.dev_eui, kind, event.time_s, detail)


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A device as last known: who it is, its session and its newest frame counter."""

    info: DeviceInfo
    first_seen_s: float
    last_seen_s: float
    dev_addr: str = ""
    f_cnt: int | None = None


@dataclass(frozen=True, slots=True)
class RadioDeviceRecord:
    """A registered device of our own radio. `repr` shows no key."""

    dev_eui: DevEui
    body: Mapping[str, Json]
    keys: Mapping[str, bytes] = field(repr=False)
    changed_s: float


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session of such a device; a newer one stands beside the older until it is used.

    `keys` are NwkSKey and AppSKey, 16 bytes each. `repr` shows neither.
    """

    dev_eui: DevEui
    started_s: float
    body: Mapping[str, Json]
    keys: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.keys) != SESSION_KEY_BYTES:
            raise ValueError(f"a session has {SESSION_KEY_BYTES} bytes of keys")


@dataclass(frozen=True, slots=True)
class CounterRecord:
    """What is kept of such a device beside its sessions: DevNonces, a private node's counters."""

    dev_eui: DevEui
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class AirtimeRecord:
    """One transmission of a radio of ours, for its duty cycle."""

    radio: str
    band: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class RadioBatch:
    """What one turn changed of the radio's devices. `dropped` are sessions: DevEUI, start."""

    sessions: tuple[SessionRecord, ...] = ()
    dropped: tuple[tuple[DevEui, float], ...] = ()
    counters: tuple[CounterRecord, ...] = ()
    airtime: tuple[AirtimeRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One decision: what kind it is of, and all that is to be known of it later, as JSON."""

    time_s: float
    kind: str
    detail: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A decision as it stands in the chain; `digest` is the row's hash in hex."""

    seq: int
    time_s: float
    body: str
    digest: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything one turn of the pipeline decided, committed as a whole or not at all.

    `messages` holds durable messages, for the outbox; others are ignored. `seen` holds further
    ids (of joins, statuses) to be known as duplicates later; `seen_s` is when they came. `control`
    replaces what control keeps under each name, `memory` what the life of alerts does; None takes
    it out.
    """

    uplinks: tuple[UplinkRecord, ...] = ()
    alerts: tuple[AlertEvent, ...] = ()
    messages: tuple[Message, ...] = ()
    downlinks: tuple[Downlink, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    events: tuple[EventRecord, ...] = ()
    devices: tuple[DeviceRecord, ...] = ()
    seen: tuple[str, ...] = ()
    seen_s: float = 0.0
    cursor: HistoryCursor | None = None
    radio: RadioBatch = RadioBatch()
    audit: tuple[AuditRecord, ...] = ()
    control: Mapping[str, Json] = field(default_factory=dict)
    memory: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did: `new` maps each uplink id that was stored to its seq.

    `head` is the newest seq in the store (0 when empty); `duplicates` were there before; `freed`
    is how many of the oldest uplinks had to go because the disk was full (0: all is well).
    """

    head: int
    new: Mapping[str, int] = field(default_factory=dict)
    duplicates: tuple[str, ...] = ()
    freed: int = 0


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one bounded step of retention removed; `more` says that another step is due."""

    uplinks: int = 0
    events: int = 0
    alerts: int = 0
    downlinks: int = 0
    messages: int = 0
    audit: int = 0
    pages: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the store holds."""

    uplinks: int
    devices: int
    alerts_open: int
    alerts: int
    downlinks_open: int
    outbox: int
    events: int
    quarantined: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a sound backup holds; `newest_s` is None when it has no uplink."""

    version: int
    uplinks: int
    devices: int
    newest_s: float | None
