"""What a step changed of sessions, counters and airtime, for the transaction that it is part of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.codecs.lorawan import Session, Transmission, to_record
from gateway.store import AirtimeRecord, CounterRecord, RadioBatch, SessionRecord
from gateway.types import DevEui, Json

Slot = tuple[DevEui, float]
"""Which of a device's sessions: the one that started then."""


@dataclass(slots=True)
class Changes:
    """Collected until they are committed; a later state of the same thing replaces an earlier."""

    sessions: dict[Slot, Session] = field(default_factory=dict)
    dropped: set[Slot] = field(default_factory=set)
    counters: dict[DevEui, dict[str, Json]] = field(default_factory=dict)
    airtime: list[AirtimeRecord] = field(default_factory=list)

    def keep(self, session: Session) -> None:
        """Take a session's new state."""
        slot = (session.dev_eui, session.started_s)
        self.sessions[slot] = session
        self.dropped.discard(slot)

    def drop(self, session: Session) -> None:
        """Forget a session."""
        slot = (session.dev_eui, session.started_s)
        self.sessions.pop(slot, None)
        self.dropped.add(slot)

    def booked(self, radio: str, transmission: Transmission) -> None:
        """Take a time on air."""
        self.airtime.append(
            AirtimeRecord(radio, transmission.band, transmission.start_s, transmission.end_s)
        )

    def add(self, later: Changes) -> None:
        """Take what came after this."""
        for session in later.sessions.values():
            self.keep(session)
        for slot in later.dropped:
            self.sessions.pop(slot, None)
            self.dropped.add(slot)
        self.counters.update(later.counters)
        self.airtime.extend(later.airtime)

    def __bool__(self) -> bool:
        return bool(self.sessions or self.dropped or self.counters or self.airtime)


def batch_of(changes: Iterable[Changes]) -> RadioBatch:
    """Return the rows that these changes, in their order, come to."""
    total = Changes()
    for one in changes:
        total.add(one)
    return RadioBatch(
        sessions=tuple(map(session_record, total.sessions.values())),
        dropped=tuple(total.dropped),
        counters=tuple(CounterRecord(eui, body) for eui, body in total.counters.items()),
        airtime=tuple(total.airtime),
    )


def session_record(session: Session) -> SessionRecord:
    """Return the row of a session, keys apart from the rest."""
    keys = session.keys.nwk_s_key.reveal() + session.keys.app_s_key.reveal()
    return SessionRecord(session.dev_eui, session.started_s, to_record(session), keys)
