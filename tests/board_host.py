"""The gateway's own dialect on the simulated board, in lock-step: no clock but the board's."""

from __future__ import annotations

from typing import TypeVar

from board_bench import Bench

from gateway.codecs.radio import Board
from gateway.types import (
    HeardFrame,
    Listening,
    RadioEvent,
    RadioSettings,
    RadioTrouble,
    Transmit,
    Transmitted,
    Turn,
)

STEP_US = 5_000
Event = TypeVar("Event", bound=RadioEvent)


class Host:
    """A `Board` that speaks to a `Bench`; `events` is what it handed on."""

    def __init__(self, bench: Bench, settings: RadioSettings) -> None:
        self.board = Board()
        self.events: list[RadioEvent] = []
        self._bench = bench
        self._take(self.board.start(settings, self.now_s))
        for _ in range(200):
            self.run(STEP_US)
            if self.of(Listening):
                return
        raise AssertionError(f"it does not listen: {self.events}")

    @property
    def now_s(self) -> float:
        """The board's time stands in for the host's."""
        return self._bench.now_us / 1e6

    @property
    def heard(self) -> list[HeardFrame]:
        """What was heard so far."""
        return self.of(HeardFrame)

    @property
    def troubles(self) -> list[str]:
        """Why something was passed over."""
        return [trouble.reason for trouble in self.of(RadioTrouble)]

    def of(self, kind: type[Event]) -> list[Event]:
        """Return the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def run(self, us: float) -> None:
        """Let time pass for both."""
        until_us = self._bench.now_us + us
        while self._bench.now_us < until_us:
            self._bench.run(min(STEP_US, max(1, until_us - self._bench.now_us)))
            said = bytes(self._bench.unread)
            self._bench.unread.clear()
            self._take(self.board.feed(said, self.now_s))
            self._take(self.board.tick(self.now_s))

    def transmit(self, request: Transmit) -> None:
        """Ask for a transmission."""
        self._take(self.board.transmit(request, self.now_s))

    def cancel(self, id_: str) -> None:
        """Take a transmission back."""
        self._take(self.board.cancel(id_, self.now_s))

    def ends(self) -> dict[str, Transmitted]:
        """Return how each transmission ended; none may end twice."""
        ends = self.of(Transmitted)
        assert len({end.id for end in ends}) == len(ends), ends
        return {end.id: end for end in ends}

    def _take(self, turn: Turn) -> None:
        for write in turn.writes:
            self._bench.write(write.data)
        self.events += turn.events
