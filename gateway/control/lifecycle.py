"""How far a command has come, told from what the network server says of it.

Its states and what moves it between them are in `states.py`. An event may come early, late, twice
or not at all. An acknowledged command that has a reading to prove it is followed on, as `acked`,
until that reading comes or its time is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.config import DownlinkConfig, VerifyConfig
from gateway.control.states import FINAL, Step, moved, proves
from gateway.speech import phrase, say, words_of
from gateway.types import (
    Ack,
    Channel,
    DevEui,
    DeviceEvent,
    Downlink,
    DownlinkState,
    Join,
    Reading,
    ServerLog,
    TxAck,
)

STRAYS = 256
"""Events of ids that nobody knows (yet), kept for the server's answer that may name them."""

SETTLE_S = 3600.0
EXPIRY_SLACK_S = 60.0  # a transmission at the last moment may still be on its way to us
_UNCONFIRMED = phrase(
    "Transmitted; the device was not asked to confirm, so nothing more will be known."
)
_CONFIRMED = phrase("Transmitted; waiting for the device's answer with its next uplink.")
_QUIET = phrase(
    "The network server has said nothing of this command. A class A device must speak first; if it "
    "has since, look in the server's log: over MQTT it reports no errors."
)
_REJOINED = phrase("The device joined anew; the network server may have emptied its queue.")
_CONFIRMED_IT = phrase("The device confirmed it.")
_REFUSED_IT = phrase(
    "The device answered without confirming it; the network server does not try again."
)
_NO_ANSWER = phrase("Transmitted, but no answer came from the device in time.")
_UNCONFIRMED_BY_PEOPLE = phrase("No second person confirmed it in time.")
_FATAL = {
    "DOWNLINK_PAYLOAD_SIZE": phrase("The payload is too long for the device's present data rate."),
    "DOWNLINK_CODEC": phrase("The network server's codec could not encode the object."),
    "F_CNT_DOWN": phrase("The network server dropped it: the downlink frame counter had moved on."),
}

TRANSIENT = frozenset({"F_CNT_DOWN"})
"""Of these, what says nothing against the same command a little later."""

ProofOf = Callable[[Downlink], VerifyConfig | None]
"""Which reading proves a command; None where none does."""


def _no_proof(_: Downlink) -> VerifyConfig | None:
    return None


class DownlinkTracker:
    """Follows the commands that are not at their end. Bounded by rate and expiry."""

    def __init__(self, config: DownlinkConfig, proof_of: ProofOf = _no_proof) -> None:
        self._silence_s = config.silence_s
        self._proof_of = proof_of
        self._open: dict[str, Downlink] = {}
        self._queue_ids: dict[str, str] = {}
        self._strays: deque[TxAck | Ack | ServerLog] = deque(maxlen=STRAYS)

    def add(self, downlink: Downlink) -> None:
        """Begin to follow a command; a known id changes nothing."""
        if downlink.state not in FINAL or self._awaits_proof(downlink):
            self._open.setdefault(downlink.id, downlink)
            if downlink.queue_id:
                self._queue_ids[downlink.queue_id] = downlink.id

    def named(self, identity: str, queue_id: str, now_s: float, detail: str) -> list[Downlink]:
        """Note that the network server has a command, under an id of its own.

        What was said of that id before we knew it is taken now: a class C device may be faster than
        the server's answer to us.
        """
        before = self._open.get(identity)
        if before is None:
            return []
        self._open[identity] = replace(before, queue_id=queue_id)
        self._queue_ids[queue_id] = identity
        steps = self._step(identity, Step.QUEUED, now_s, detail)
        for event in [one for one in self._strays if _item_of(one) == queue_id]:
            self._strays.remove(event)
            steps += self.on_event(event)
        return steps

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

    def released(self, identity: str, now_s: float, detail: str) -> list[Downlink]:
        """Note that a held command need not wait any longer."""
        return self._step(identity, Step.RELEASED, now_s, detail)

    def amend(self, downlink: Downlink) -> list[Downlink]:
        """Take an open command with facts that are new, its state as it was."""
        before = self._open.get(downlink.id)
        if before is None or before == downlink or before.state is not downlink.state:
            return []
        self._open[downlink.id] = downlink
        return [downlink]

    def expired(self, identity: str, now_s: float, detail: str) -> list[Downlink]:
        """Note that it is too late for a command."""
        return self._step(identity, Step.EXPIRED, now_s, detail)

    def on_readings(self, readings: Sequence[Reading], now_s: float) -> list[Downlink]:
        """Return the commands that these readings of one uplink prove."""
        return [
            changed
            for downlink in self.open()
            if (proof := self._proof_of(downlink)) is not None
            and any(proves(proof, downlink, reading) for reading in readings)
            for changed in self._step(
                downlink.id,
                Step.VERIFIED,
                now_s,
                say(
                    "{channel} shows that it took effect.", channel=words_of(Channel(proof.channel))
                ),
            )
        ]

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
            said = say(_CONFIRMED_IT if event.acknowledged else _REFUSED_IT)
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
        if downlink.state in {DownlinkState.SENT, DownlinkState.ACKED}:
            return self._age_sent(downlink, now_s)
        if downlink.state is DownlinkState.HELD and downlink.held_for == "confirmation":
            if now_s > (downlink.held_until_s or 0.0):
                return self._step(downlink.id, Step.EXPIRED, now_s, say(_UNCONFIRMED_BY_PEOPLE))
            return []
        slack_s = EXPIRY_SLACK_S if downlink.state is DownlinkState.QUEUED else 0.0
        if now_s > downlink.expires_s + slack_s:
            said = say("Its time ran out before it was transmitted.")
            return self._step(downlink.id, Step.EXPIRED, now_s, said)
        if (downlink.state is DownlinkState.QUEUED
                and now_s - downlink.changed_s > self._silence_s
                and say(_QUIET) not in downlink.detail):  # fmt: skip
            return self._note(downlink, now_s, say(_QUIET))
        return []

    def _age_sent(self, downlink: Downlink, now_s: float) -> list[Downlink]:
        waited_s = now_s - downlink.changed_s
        proof = self._proof_of(downlink)
        settle_s = max(SETTLE_S, proof.within_s) if proof is not None else SETTLE_S
        if downlink.confirmed and downlink.state is DownlinkState.SENT:
            if waited_s > settle_s and now_s > downlink.expires_s:
                return self._step(downlink.id, Step.FAILED, now_s, say(_NO_ANSWER))
            return []
        if waited_s <= (proof.within_s if proof is not None else SETTLE_S):
            return []
        del self._open[downlink.id]
        self._queue_ids.pop(downlink.queue_id, None)
        said = downlink.detail
        if proof is not None:
            unproved = say(
                "No reading of {channel} has shown within {span} s that it took effect.",
                channel=words_of(Channel(proof.channel)), span=f"{proof.within_s:.0f}",
            )  # fmt: skip
            said = f"{said} {unproved}"
        return [replace(downlink, changed_s=now_s, detail=said.strip())]

    def _awaits_proof(self, downlink: Downlink) -> bool:
        return downlink.state is DownlinkState.ACKED and self._proof_of(downlink) is not None

    def _on_txack(self, event: TxAck) -> list[Downlink]:
        identity = self._known(event, event.queue_item_id)
        confirmed = identity != "" and self._open[identity].confirmed
        said = say(_CONFIRMED if confirmed else _UNCONFIRMED)
        return self._step(identity, Step.SENT, event.received_s, said)

    def _on_log(self, event: ServerLog) -> list[Downlink]:
        named = event.context.get("queue_item_id", "")
        identity = self._known(event, named) if named else self._meant(event)
        if not identity:
            return []
        code = event.code.upper()
        said = event.description[:200].strip()
        if code == "EXPIRED":
            ran_out = say("The network server dropped it: its time ran out.")
            return self._step(identity, Step.EXPIRED, event.received_s, ran_out)
        if code in _FATAL:
            detail = f"{say(_FATAL[code])} {said}".strip()
            self._open[identity] = replace(self._open[identity], log_code=code)
            return self._step(identity, Step.FAILED, event.received_s, detail)
        # DOWNLINK_GATEWAY and whatever else: the item stays in the server's queue and is tried on.
        return self._note(self._open[identity], event.received_s, f"{code}: {said}")

    def _meant(self, event: ServerLog) -> str:
        """Return the id of the command that a log event without one must mean, "" in doubt.

        Older servers (4.0) name no item when they drop one that is too long, only its size.
        """
        if event.code.upper() != "DOWNLINK_PAYLOAD_SIZE":
            return ""
        size = event.context.get("item_size", "")
        meant = [
            one.id
            for one in self.open_for(event.device.dev_eui)
            if one.state is DownlinkState.QUEUED and size in {"", str(len(one.data))}
        ]
        return meant[0] if len(meant) == 1 else ""

    def _on_join(self, event: Join) -> list[Downlink]:
        return [
            changed
            for downlink in self.open()
            if downlink.dev_eui == event.device.dev_eui and downlink.state is DownlinkState.QUEUED
            for changed in self._note(downlink, event.received_s, say(_REJOINED))
        ]

    def _known(self, event: TxAck | Ack | ServerLog, identity: str) -> str:
        """Return the id of the open command an event speaks of, "" when there is none."""
        given = identity.lower()
        identity = self._queue_ids.get(given, given)
        downlink = self._open.get(identity)
        if downlink is None and given and given not in self._queue_ids:
            self._strays.append(event)
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
        changed = moved(downlink, step, now_s, detail)
        if changed is None:
            return []
        if changed.state in FINAL and not self._awaits_proof(changed):
            del self._open[identity]
            self._queue_ids.pop(changed.queue_id, None)
        else:
            self._open[identity] = changed
        return [changed]


def _item_of(event: TxAck | Ack | ServerLog) -> str:
    if isinstance(event, ServerLog):
        return event.context.get("queue_item_id", "").lower()
    return event.queue_item_id.lower()
