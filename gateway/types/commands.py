"""The way back, and what is published: commands and messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.types.names import DevEui, Json


class DownlinkState(StrEnum):
    """How far a command has come; those from NACKED on are final.

    HELD waits for a second person, or for its time. ACKED is final unless the command has a reading
    that proves it: VERIFIED is that proof. REHEARSED was checked and encoded, and not sent, as
    asked.
    """

    HELD = "held"
    ACCEPTED = "accepted"
    QUEUED = "queued"
    SENT = "sent"
    ACKED = "acked"
    NACKED = "nacked"
    EXPIRED = "expired"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    VERIFIED = "verified"
    REHEARSED = "rehearsed"


@dataclass(frozen=True, slots=True)
class Downlink:
    """A command on its way to a device. `id` is a UUID of ours.

    It is the server's queue id too, where the server was told over MQTT; over its API it makes one
    of its own, `queue_id`.

    `command` is its name in the device's command schema, "" for free bytes; `effect` is what it
    does there (`open`, `close`, `start`, `stop`, or ""), for `duration_s`, with `volume_l`.
    `held_for` says what a HELD one waits for (`confirmation`, `schedule`, its `turn` among others),
    until `held_until_s`;
    `ends` is the id of the open that a scheduled close ends. `handed_s` is when the network server
    or a radio was given it, None while it certainly was not; `sent_s` when a radio gateway
    transmitted it, `eta_s` when that may be expected. `signed`: `by` was proved by a signature.
    `attempt` counts how often it was given again, `retry_of` is the first of them, where it is no
    close. `log_code` is the server's, of the error that ended it. `offered`: it is stored that the
    network server is about to be told, so after a crash it may have been.
    """

    id: str
    dev_eui: DevEui
    application_id: str
    f_port: int
    data: bytes
    object: Mapping[str, Json] | None
    confirmed: bool
    expires_s: float
    created_s: float
    changed_s: float
    state: DownlinkState
    by: str = ""
    detail: str = ""
    command: str = ""
    effect: str = ""
    duration_s: float | None = None
    volume_l: float | None = None
    held_for: str = ""
    held_until_s: float | None = None
    ends: str = ""
    handed_s: float | None = None
    sent_s: float | None = None
    eta_s: float | None = None
    signed: bool = False
    confirmed_by: str = ""
    attempt: int = 0
    queue_id: str = ""
    offered: bool = False
    retry_of: str = ""
    log_code: str = ""


RESPONSE_TOPIC = "$response_topic"
"""Key in `properties` of `Delivery` and `Message`: where an MQTT 5 requester wants its answer."""

CORRELATION_DATA = "$correlation_data"
"""Key in `properties`: the bytes, as hex, that an MQTT 5 requester wants back with it."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish. An empty payload with `retain` clears a retained topic.

    `durable` messages go through the outbox in the batch's own transaction and are published at
    least once, in order, also after a crash; the others show the present state and are made
    again at every reconnect.
    """

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 1
    durable: bool = False
    expiry_s: int | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
