"""Which states a command has, what moves it from one to the next, and what proves it.

::

    held ──> accepted <─> queued ──> sent ──> acked | nacked        (confirmed)
     │          │           │         ├───> nothing more is known  (unconfirmed)
     │          │           │         └───> verified               (a reading proves it)
     └──────────┴───────────┴──> failed | expired | superseded

`queued` is with whoever transmits: the network server's broker, or a radio of our own, which alone
may give it back (not transmitted, waits for the next chance). A state is left only for a later one,
and a final one never. `held` waits for a second person or for its time. `sent` means that a radio
gateway transmitted; whether the device heard is only known when a confirmed downlink is
acknowledged.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TypedDict

from gateway.config import VerifyConfig
from gateway.speech import phrase, say
from gateway.types import Downlink, DownlinkState, Reading

FINAL = frozenset(
    {
        DownlinkState.ACKED,
        DownlinkState.NACKED,
        DownlinkState.EXPIRED,
        DownlinkState.FAILED,
        DownlinkState.SUPERSEDED,
        DownlinkState.REFUSED,
        DownlinkState.VERIFIED,
        DownlinkState.REHEARSED,
    }
)


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
    RELEASED = "released"
    VERIFIED = "verified"


_TO_END = {
    Step.ACKED: DownlinkState.ACKED,
    Step.NACKED: DownlinkState.NACKED,
    Step.FAILED: DownlinkState.FAILED,
    Step.EXPIRED: DownlinkState.EXPIRED,
    Step.SUPERSEDED: DownlinkState.SUPERSEDED,
}
TRANSITIONS: dict[DownlinkState, dict[Step, DownlinkState]] = {
    DownlinkState.HELD: {
        Step.RELEASED: DownlinkState.ACCEPTED,
        Step.FAILED: DownlinkState.FAILED,
        Step.EXPIRED: DownlinkState.EXPIRED,
        Step.SUPERSEDED: DownlinkState.SUPERSEDED,
    },
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
        Step.VERIFIED: DownlinkState.VERIFIED,
    },
    DownlinkState.ACKED: {Step.VERIFIED: DownlinkState.VERIFIED},
}


_WORDS = {
    DownlinkState.HELD: phrase("held back"),
    DownlinkState.ACCEPTED: phrase("accepted"),
    DownlinkState.QUEUED: phrase("queued"),
    DownlinkState.SENT: phrase("sent"),
    DownlinkState.ACKED: phrase("confirmed"),
    DownlinkState.NACKED: phrase("not confirmed"),
    DownlinkState.EXPIRED: phrase("expired"),
    DownlinkState.FAILED: phrase("failed"),
    DownlinkState.SUPERSEDED: phrase("superseded"),
    DownlinkState.REFUSED: phrase("refused"),
    DownlinkState.VERIFIED: phrase("verified"),
    DownlinkState.REHEARSED: phrase("rehearsed"),
}


def word_of(state: DownlinkState) -> str:
    """Return a state as a word in a sentence; on topics and in requests it is its own name."""
    return say(_WORDS[state])


def moved(downlink: Downlink, step: Step, now_s: float, detail: str | None) -> Downlink | None:
    """Return a command a step further, None where the step does not lead on from its state.

    `detail` None leaves what is said of it.
    """
    state = TRANSITIONS[downlink.state].get(step)
    if state is None:
        return None
    return replace(
        downlink,
        state=state,
        changed_s=max(now_s, downlink.changed_s),
        detail=downlink.detail if detail is None else detail,
        **_times(downlink, step, now_s),
    )


class _Times(TypedDict, total=False):
    queue_id: str
    handed_s: float | None
    sent_s: float


def _times(downlink: Downlink, step: Step, now_s: float) -> _Times:
    """Return when it was handed over and transmitted, where a step tells."""
    if step is Step.RETURNED:
        return {"handed_s": None, "queue_id": ""}
    if step is Step.QUEUED:
        return {"handed_s": now_s}
    if step in {Step.SENT, Step.ACKED, Step.NACKED, Step.VERIFIED}:
        return {
            "handed_s": now_s if downlink.handed_s is None else downlink.handed_s,
            "sent_s": now_s if downlink.sent_s is None else downlink.sent_s,
        }
    return {}


def proves(proof: VerifyConfig, downlink: Downlink, reading: Reading) -> bool:
    """Tell whether a reading, made after the command was sent, shows what it should."""
    if (reading.dev_eui, reading.channel) != (downlink.dev_eui, proof.channel):
        return False
    since_s = downlink.sent_s
    if since_s is None or not since_s <= reading.time_s <= since_s + proof.within_s:
        return False
    value, wanted = reading.value, proof.value
    if isinstance(wanted, str) or isinstance(value, str):
        return str(value).lower() == str(wanted).lower()
    return abs(float(value) - float(wanted)) <= proof.tolerance
