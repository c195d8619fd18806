"""Packets to send, one at a time: each ends exactly once."""

from __future__ import annotations

from collections import deque

from gateway.codecs.radio.contract import (
    QUEUED_TRANSMITS,
    Collected,
    NotCancelled,
    Transmit,
    TransmitOutcome,
)

NO_SUCH_PACKET = "no such packet waits to be sent"


class Outgoing:
    """The packet being sent, and up to `QUEUED_TRANSMITS` behind it; ends are told to `out`."""

    def __init__(self, out: Collected) -> None:
        self.current: Transmit | None = None
        self._out = out
        self._waiting: deque[Transmit] = deque()

    def put(self, request: Transmit, why_not: str) -> None:
        """Queue a packet, or refuse it: for a reason that is not "", or because too many wait."""
        if not why_not and len(self._waiting) >= QUEUED_TRANSMITS:
            why_not = "too many packets wait to be sent"
        if why_not:
            self._out.ended(request, TransmitOutcome.REFUSED, why_not)
        else:
            self._waiting.append(request)

    def begin(self) -> Transmit | None:
        """Return the next packet, which is then current; None when one is, or none waits."""
        if self.current is not None or not self._waiting:
            return None
        self.current = self._waiting.popleft()
        return self.current

    def end(
        self, outcome: TransmitOutcome, detail: str = "", counter_us: int | None = None
    ) -> Transmit | None:
        """End the current packet and return it, None when there is none."""
        request, self.current = self.current, None
        if request is not None:
            self._out.ended(request, outcome, detail, counter_us)
        return request

    def fail_all(self, why: str) -> None:
        """End every packet: the current one may have been on air, the others were not."""
        self.end(TransmitOutcome.FAILED, why)
        while self.begin() is not None:
            self.end(TransmitOutcome.REFUSED, why)

    def cancel(self, id_: str, why_not_current: str) -> None:
        """End a packet that waits; the current one cannot be, for this reason."""
        waits = next((request for request in self._waiting if request.id == id_), None)
        if waits is not None:
            self._waiting.remove(waits)
            self._out.ended(waits, TransmitOutcome.CANCELLED)
        elif self.current is not None and self.current.id == id_:
            self._out.tell(NotCancelled(id_, why_not_current))
        else:
            self._out.tell(NotCancelled(id_, NO_SUCH_PACKET))
