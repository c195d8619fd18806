"""What boards share that are asked one command at a time: life from opening to giving up.

::

    start --opening--> answers --> receives <--> sends (stop, set, send, receive again)
      ^                               |
      `---- board_rebooted -----------+--> ping after silence --> no answer --> BoardLost

A dialect fills in the commands and reads the answers: the methods that raise NotImplementedError
are its own, the others may be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Generic, Protocol, TypeVar

from gateway.codecs.radio.contract import (
    BoardLost,
    Collected,
    HeardFrame,
    RadioCapabilities,
    RadioSettings,
    Transmit,
    TransmitOutcome,
    Turn,
    airtime_bound_s,
    believable_db,
    check_settings,
    refusal,
)
from gateway.codecs.radio.conversation import Ask, Conversation
from gateway.codecs.radio.outgoing import Outgoing
from gateway.codecs.radio.turns import check_turns

PING_S = 60.0
"""Silence after which a board is asked whether it is still there."""

Item = TypeVar("Item")
Cut_co = TypeVar("Cut_co", covariant=True)


class Cutter(Protocol[Cut_co]):
    """Cuts a byte stream into lines, packets or frames, in bounded memory."""

    passed_over: int

    def feed(self, data: bytes) -> Iterable[Cut_co]:
        """Give every whole item; what is left waits for more."""
        ...

    def clear(self) -> None:
        """Forget the beginning of an item."""
        ...


class Commanded(Generic[Item]):
    """A dialect of `gateway.types.RadioDialect` less what is one board's own.

    `board` is its name and `a_board` the same in a sentence; `passed_over` is the trouble that is
    told for what the cutter could not use. The command named "send" may never be repeated.
    """

    name: str
    capabilities: RadioCapabilities
    board: ClassVar[str]
    a_board: ClassVar[str]
    passed_over: ClassVar[str]
    ping: ClassVar[Ask]
    sends_otherwise: ClassVar[bool] = False
    """Whether it can send with other settings than it listens with."""

    def __init__(self, cutter: Cutter[Item]) -> None:
        self._cutter = cutter
        self._talk = Conversation()
        self._out = Collected()
        self._outgoing = Outgoing(self._out)
        self._settings: RadioSettings | None = None
        self._heard_s = 0.0
        self._air_until_s: float | None = None

    def check(self, settings: RadioSettings) -> None:
        """Raise ConfigError when the board cannot do what is asked."""
        check_settings(self.board, self.capabilities, settings)
        check_turns(self.board, self.capabilities, settings)

    def start(self, settings: RadioSettings, now_s: float) -> Turn:
        """Identify, set up, receive."""
        self._start(settings, now_s)
        return self._turn(now_s)

    def feed(self, data: bytes, now_s: float, peer: object | None = None) -> Turn:  # noqa: ARG002 - the protocol's signature
        """Take bytes as they came."""
        self._heard_s = now_s
        before = self._cutter.passed_over
        self._take_all(self._cutter.feed(data), before, now_s)
        return self._turn(now_s)

    def transmit(self, request: Transmit, now_s: float) -> Turn:
        """Send one packet, after those before it."""
        why = refusal(self.a_board, self.capabilities, request) or self._why_not(request)
        otherwise = request.settings is not None and request.settings != self._settings
        if not why and otherwise and not self.sends_otherwise:
            why = f"{self.a_board} sends only as it listens"
        if not why and not self._is_set_up():
            why = "the board is not set up yet"
        self._outgoing.put(request, why)
        return self._turn(now_s)

    def cancel(self, id_: str, now_s: float) -> Turn:
        """Take back a packet that waits here; what the board was given goes out."""
        self._outgoing.cancel(id_, f"{self.a_board} takes no packet back")
        return self._turn(now_s)

    def tick(self, now_s: float) -> Turn:
        """Repeat what was not answered, ask a silent board, give a dead one up."""
        if (line := self._talk.again(now_s)) is not None:
            self._out.write(line)
        elif (ask := self._talk.spent(now_s)) is not None:
            self._unanswered(ask)
        if self._air_until_s is not None and now_s >= self._air_until_s:
            self._sent(TransmitOutcome.FAILED, "the board did not say that it was sent")
        self._time_passes(now_s)
        if self._settings is not None and self._talk.idle and now_s - self._heard_s >= PING_S:
            self._talk.ask(self.ping)
        return self._turn(now_s)

    # --- one board's own ---------------------------------------------------------------------

    def _opening(self, settings: RadioSettings) -> Iterable[Ask]:
        """Forget what was known, and return what to ask and set before it receives."""
        raise NotImplementedError

    def _take(self, item: Item, now_s: float) -> None:
        """Understand one item."""
        raise NotImplementedError

    def _sending(self, request: Transmit, settings: RadioSettings) -> Iterable[Ask]:
        """Return the commands that send one packet."""
        raise NotImplementedError

    def _after_sending(self, request: Transmit, settings: RadioSettings) -> Iterable[Ask]:  # noqa: ARG002 - for who needs it
        """Return the commands by which it receives again."""
        return ()

    def _why_not(self, request: Transmit) -> str:  # noqa: ARG002 - for who needs it
        """Return why this board cannot send a packet, "" when it can."""
        return ""

    def _is_set_up(self) -> bool:
        return self._settings is not None

    def _may_send(self) -> bool:
        return self._settings is not None and self._talk.idle

    def _time_passes(self, now_s: float) -> None:
        """Do what else is due."""

    def _unanswered(self, ask: Ask) -> None:
        """Go on without the answer, or give the board up."""
        if ask.what == "send":
            self._sent(TransmitOutcome.FAILED, "the board did not answer")
        else:
            self._lost(ask.line.strip().decode("ascii", "replace"))

    # --- what they share ---------------------------------------------------------------------

    def _start(self, settings: RadioSettings, now_s: float) -> None:
        self._air_until_s = None
        self._outgoing.fail_all("the board was set up anew")
        self._cutter.clear()
        self._talk.clear()
        self._settings, self._heard_s = settings, now_s
        self._talk.ask(*self._opening(settings))

    def _rebooted(self, now_s: float) -> None:
        """Set a board up again that has forgotten its settings."""
        if self._settings is not None:
            self._out.trouble("board_rebooted", "it is set up again")
            self._start(self._settings, now_s)

    def _lost(self, question: str) -> None:
        self._talk.clear()
        self._settings, self._air_until_s = None, None
        self._outgoing.fail_all("the board does not answer")
        self._out.tell(BoardLost(f"no answer to `{question}`"))

    def _take_all(self, items: Iterable[Item], passed_over: int, now_s: float) -> None:
        for item in items:
            self._take(item, now_s)
        for _ in range(passed_over, self._cutter.passed_over):
            self._out.trouble(self.passed_over)

    def _hear(
        self,
        payload: bytes,
        rssi_dbm: float | None,
        snr_db: float | None,
        sender: int | None = None,
    ) -> None:
        settings = self._settings
        self._out.tell(
            HeardFrame(
                payload=payload,
                rssi_dbm=believable_db(rssi_dbm),
                snr_db=believable_db(snr_db),
                frequency_hz=settings.frequency_hz if settings else None,
                spreading_factor=settings.spreading_factor if settings else None,
                bandwidth_hz=settings.bandwidth_hz if settings else None,
                sender=sender,
            )
        )

    def _wait_for_air(self, now_s: float) -> None:
        """Wait for the word that the packet was sent: the board has only taken it."""
        request = self._outgoing.current
        if request is not None and self._settings is not None:
            used = request.settings or self._settings
            self._air_until_s = now_s + 2.0 + airtime_bound_s(used, len(request.payload))

    def _sent(self, outcome: TransmitOutcome, detail: str = "") -> None:
        self._air_until_s = None
        request = self._outgoing.end(outcome, detail)
        if request is not None and self._settings is not None:
            self._talk.ask(*self._after_sending(request, self._settings))

    def _begin(self) -> None:
        if not self._may_send() or self._settings is None:
            return
        if (request := self._outgoing.begin()) is not None:
            self._talk.ask(*self._sending(request, self._settings))

    def _turn(self, now_s: float) -> Turn:
        self._begin()
        if (line := self._talk.next(now_s)) is not None:
            self._out.write(line)
        return self._out.take()
