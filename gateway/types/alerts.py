"""What people are told: alerts, from beginning to end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.types.names import Channel, DevEui, Scalar


class EventType(StrEnum):
    """The life of an alert."""

    NEW = "new"
    UPDATE = "update"
    END = "end"


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Reason:
    """One channel's part in an alert; `share` of all parts sums to 1."""

    channel: Channel
    observed: Scalar
    expected: tuple[float, float, float] | None
    share: float
    p_value: float | None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Likeness:
    """When a channel was as it was before an alert, and normal: `value` is what came then.

    `said` is that in a sentence.
    """

    channel: Channel
    time_s: float
    value: float
    said: str


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody said of an alert; `by` is a claim."""

    by: str
    time_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Care:
    """How far an alert was told, and what people made of it.

    `told_s` is when its stream first told it and `said_s` when it last did; `owed` says that there
    is something to tell a little later. `digested_s` is when it went into the digest instead,
    `loudest` the severity it was last told or put to rest with. `recurred` counts how often the
    same trouble had just ended; `well_since_s` is set while such an alert waits to be really over.
    `muted`: a false alarm whose rule has not let go of it yet.
    """

    told_s: float | None = None
    said_s: float | None = None
    owed: bool = False
    digested_s: float | None = None
    loudest: Severity | None = None
    snoozed_until_s: float | None = None
    comments: tuple[Comment, ...] = ()
    recurred: int = 0
    well_since_s: float | None = None
    false_alarm: bool = False
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is wrong, from its beginning to its end, under one `id`.

    `rule` names what raised it (`model`, `silence`, or a threshold's own name); together with
    device and channel it is the key under which the alert is open at most once. `evidence` says in
    sentences why `cause` is the cause; `folded_into` is set where an alert ended because another,
    of that id, now stands for it. `ack` is who has taken it on.
    """

    id: str
    dev_eui: DevEui
    rule: str
    kind: str
    cause: str
    severity: Severity
    title: str
    advice: str
    reason: tuple[Reason, ...]
    first_seen_s: float
    last_seen_s: float
    end_s: float | None = None
    ack: str | None = None
    model: str = ""
    peers: tuple[DevEui, ...] = ()
    nearest: Likeness | None = None
    evidence: tuple[str, ...] = ()
    folded_into: str = ""
    care: Care = Care()


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """A step in an alert's life, to be stored and published.

    One that is not `told` changes what the alert shows and is no news for anybody.
    """

    event_type: EventType
    alert: Alert
    told: bool = True
