"""How far a command has come, told from what the network server says of it.

::

    accepted <─> queued ──> sent ──> acked | nacked        (confirmed)
        │           │         └───> nothing more is known  (unconfirmed)
        └───────────┴──> failed | expired | superseded

`queued` is with whoever transmits: the network server's broker, or a radio of our own, which alone
may give it back (not transmitted, waits for the next chance).

An event may come early, late, twice or not at all: a state is left only for a later one, and a
final one never. `sent` means that a radio gateway transmitted; whether the device heard is only
known when a confirmed downlink is acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from gateway.config import DownlinkConfig
from gateway.types import (
    Ack,
    DevEui,
    DeviceEvent,
    Downlink,
    DownlinkState,
    Join,
    ServerLog,
    TxAck,
)

FINAL = frozenset(
    {
        DownlinkState.ACKED,
        DownlinkState.NACKED,
        DownlinkState.EXPIRED,
        DownlinkState.FAILED,
        DownlinkState.SUPERSEDED,
        DownlinkState.REFUSED,
    }
)
SETTLE_S = 3600.0
EXPIRY_SLACK_S = 60.0  # a transmission at the last moment may still be on its way to us
_UNCONFIRMED = "Transmitted; the device was not asked to confirm, so nothing more will be known."
_CONFIRMED = "Transmitted; waiting for the device's answer with its next uplink."
_QUIET = (
    "The network server has said nothing of this command. A class A device must speak first; if it "
    "has since, look in the server's log: over MQTT it reports no errors."
)
_REJOINED = "The device joined anew; the network server may have emptied its queue."
_CONFIRMED_IT = "The device confirmed it."
_REFUSED_IT = "The device answered without confirming it; the network server does not try again."
_NO_ANSWER = "Transmitted, but no answer came from the device in time."
_FATAL = {
    "DOWNLINK_PAYLOAD_SIZE": "The payload is too long for the device's present data rate.",
    "DOWNLINK_CODEC": "The network server's codec could not encode the object.",
    "F_CNT_DOWN": "The network server dropped it: the downlink frame counter had moved on.",
}


class Step(StrEnum):
    """What may happen to a command."""

    QUEUED = "queued"
    SENT = "sent"
    ACKED = "acked"
    NACKED = "nacked"
    FAILED = "failed"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    RETURNED = "returned"


_TO_END = {
    Step.ACKED: DownlinkState.ACKED,
    Step.NACKED: DownlinkState.NACKED,
    Step.FAILED: DownlinkState.FAILED,
    Step.EXPIRED: DownlinkState.EXPIRED,
    Step.SUPERSEDED: DownlinkState.SUPERSEDED,
}
TRANSITIONS: dict[DownlinkState, dict[Step, DownlinkState]] = {
    DownlinkState.ACCEPTED: {
        Step.QUEUED: DownlinkState.QUEUED,
        Step.SENT: DownlinkState.SENT,
        **_TO_END,
    },
    # A radio of our own says for certain when it did not transmit: the command waits again.
    DownlinkState.QUEUED: {
        Step.SENT: DownlinkState.SENT,
        Step.RETURNED: DownlinkState.ACCEPTED,
        **_TO_END,
    },
    # What was transmitted can no longer be superseded; a radio gateway's word goes before expiry.
    DownlinkState.SENT: {
        Step.ACKED: DownlinkState.ACKED,
        Step.NACKED: DownlinkState.NACKED,
        Step.FAILED: DownlinkState.FAILED,
    },
}


class DownlinkTracker:
    """Follows the commands that are not at their end. Bounded by rate and expiry."""

    def __init__(self, config: DownlinkConfig) -> None:
        self._silence_s = config.silence_s
        self._open: dict[str, Downlink] = {}

    def add(self, downlink: Downlink) -> None:
        """Begin to follow a command; a known id changes nothing."""
        if downlink.state not in FINAL:
            self._open.setdefault(downlink.id, downlink)

    def restore(self, downlinks: Sequence[Downlink]) -> None:
        """Follow again what was open before a restart."""
        for downlink in downlinks:
            self.add(downlink)

    def get(self, identity: str) -> Downlink | None:
        """Return an open command; None once it is at its end or unknown."""
        return self._open.get(identity)

    def open(self) -> list[Downlink]:
        """Return what is open, oldest first."""
        return sorted(self._open.values(), key=lambda downlink: downlink.created_s)

    def waiting(self) -> list[Downlink]:
        """Return what is accepted and not yet handed to the server's broker, oldest first."""
        return [one for one in self.open() if one.state is DownlinkState.ACCEPTED]

    def queued(self, identity: str, now_s: float, detail: str | None = None) -> list[Downlink]:
        """Note that whoever transmits has the command."""
        return self._step(identity, Step.QUEUED, now_s, detail)

    def open_for(self, dev_eui: DevEui) -> list[Downlink]:
        """Return what is open for one device, oldest first."""
        return [one for one in self.open() if one.dev_eui == dev_eui]

    def remark(self, identity: str, now_s: float, detail: str) -> list[Downlink]:
        """Say something of a command without moving it."""
        downlink = self._open.get(identity)
        return [] if downlink is None else self._note(downlink, now_s, detail)

    def returned(self, identity: str, now_s: float, detail: str) -> list[Downlink]:
        """Note that our own radio did not transmit it: it waits for the next chance."""
        return self._step(identity, Step.RETURNED, now_s, detail)

    def failed(self, identity: str, now_s: float, detail: str) -> list[Downlink]:
        """Note that the command could not be handed over and will not be."""
        return self._step(identity, Step.FAILED, now_s, detail)

    def supersede(self, identity: str, now_s: float, detail: str) -> list[Downlink]:
        """Note that a newer command has taken this one's place."""
        return self._step(identity, Step.SUPERSEDED, now_s, detail)

    def on_event(self, event: DeviceEvent) -> list[Downlink]:
        """Return the commands an event has changed; unknown ids and other events change none."""
        if isinstance(event, TxAck):
            return self._on_txack(event)
        if isinstance(event, Ack):
            step = Step.ACKED if event.acknowledged else Step.NACKED
            said = _CONFIRMED_IT if event.acknowledged else _REFUSED_IT
            return self._step(self._known(event, event.queue_item_id), step, event.received_s, said)
        if isinstance(event, ServerLog):
            return self._on_log(event)
        if isinstance(event, Join):
            return self._on_join(event)
        return []

    def tick(self, now_s: float) -> list[Downlink]:
        """Return what time alone has changed: expiry, a server's silence, the end of waiting.

        An unconfirmed command that was transmitted is returned once more, still `sent`, when it is
        no longer followed: `get` then gives None.
        """
        changed: list[Downlink] = []
        for downlink in self.open():
            changed += self._age(downlink, now_s)
        return changed

    def _age(self, downlink: Downlink, now_s: float) -> list[Downlink]:
        waited_s = now_s - downlink.changed_s
        if downlink.state is DownlinkState.SENT:
            if not downlink.confirmed and waited_s > SETTLE_S:
                del self._open[downlink.id]
                return [replace(downlink, changed_s=now_s)]
            if downlink.confirmed and waited_s > SETTLE_S and now_s > downlink.expires_s:
                return self._step(downlink.id, Step.FAILED, now_s, _NO_ANSWER)
            return []
        slack_s = EXPIRY_SLACK_S if downlink.state is DownlinkState.QUEUED else 0.0
        if now_s > downlink.expires_s + slack_s:
            said = "Its time ran out before it was transmitted."
            return self._step(downlink.id, Step.EXPIRED, now_s, said)
        if (downlink.state is DownlinkState.QUEUED and waited_s > self._silence_s
                and _QUIET not in downlink.detail):  # fmt: skip
            return self._note(downlink, now_s, _QUIET)
        return []

    def _on_txack(self, event: TxAck) -> list[Downlink]:
        identity = self._known(event, event.queue_item_id)
        confirmed = identity != "" and self._open[identity].confirmed
        said = _CONFIRMED if confirmed else _UNCONFIRMED
        return self._step(identity, Step.SENT, event.received_s, said)

    def _on_log(self, event: ServerLog) -> list[Downlink]:
        identity = self._known(event, event.context.get("queue_item_id", ""))
        if not identity:
            return []
        code = event.code.upper()
        said = event.description[:200].strip()
        if code == "EXPIRED":
            return self._step(identity, Step.EXPIRED, event.received_s,
                              "The network server dropped it: its time ran out.")  # fmt: skip
        if code in _FATAL:
            detail = f"{_FATAL[code]} {said}".strip()
            return self._step(identity, Step.FAILED, event.received_s, detail)
        # DOWNLINK_GATEWAY and whatever else: the item stays in the server's queue and is tried on.
        return self._note(self._open[identity], event.received_s, f"{code}: {said}")

    def _on_join(self, event: Join) -> list[Downlink]:
        return [
            changed
            for downlink in self.open()
            if downlink.dev_eui == event.device.dev_eui and downlink.state is DownlinkState.QUEUED
            for changed in self._note(downlink, event.received_s, _REJOINED)
        ]

    def _known(self, event: TxAck | Ack | ServerLog, identity: str) -> str:
        """Return the id of the open command an event speaks of, "" when there is none."""
        identity = identity.lower()
        downlink = self._open.get(identity)
        ours = downlink is not None and downlink.dev_eui == event.device.dev_eui
        return identity if ours else ""

    def _note(self, downlink: Downlink, now_s: float, detail: str) -> list[Downlink]:
        """Change what is said of a command, not its state; saying it again changes nothing."""
        if downlink.detail == detail:
            return []
        noted = replace(downlink, detail=detail, changed_s=max(now_s, downlink.changed_s))
        self._open[downlink.id] = noted
        return [noted]

    def _step(self, identity: str, step: Step, now_s: float, detail: str | None) -> list[Downlink]:
        downlink = self._open.get(identity)
        if downlink is None:
            return []
        state = TRANSITIONS[downlink.state].get(step)
        if state is None:
            return []
        changed = replace(
            downlink, state=state, changed_s=max(now_s, downlink.changed_s),
            detail=downlink.detail if detail is None else detail,
        )  # fmt: skip
        if state in FINAL:
            del self._open[identity]
        else:
            self._open[identity] = changed
        return [changed]
