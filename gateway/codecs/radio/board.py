"""Our own board, spoken to as firmware/SPEC.md says: two commands open, each repeated unanswered.

A transmission waits on the board until its microsecond has come, so class A windows are met; the
board keeps one, further ones wait here.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from gateway.codecs.radio import board_frames as frames
from gateway.codecs.radio.board_frames import ANSWER, BoardStream, Frame, Type
from gateway.codecs.radio.contract import (
    BoardCounters,
    BoardInfo,
    BoardLost,
    Collected,
    Hop,
    Listening,
    NotCancelled,
    RadioCapabilities,
    RadioSettings,
    Transmit,
    TransmitOutcome,
    Turn,
    airtime_bound_s,
    check_settings,
    refusal,
)
from gateway.codecs.radio.counter import Unwrapped
from gateway.codecs.radio.outgoing import Outgoing
from gateway.codecs.radio.turns import check_turns, cost_of
from gateway.errors import BadInput, ConfigError

WINDOW = 2
REPEAT_S = 0.5
TRIES = 8
"""An ATmega that was reset by opening the port answers after 2 s."""

STATISTICS_S = 30.0
RESTART_S = 5.0
TUNABLE_HZ = range(137_000_000, 1_020_000_001)
CERTAIN_US = 500_000
"""A packet whose time is still this far off is not on the air, whatever the clocks say."""

SPARE_S = 5.0
"""How much later than a packet's end the word of it may come."""


@dataclass(slots=True)
class _Open:
    """A command that waits for its answer."""

    kind: int
    body: bytes
    wire: bytes
    tries: int
    again_s: float


_DEPARTED = {
    1: (TransmitOutcome.REFUSED, "it missed its time"),
    2: (TransmitOutcome.FAILED, "the radio failed"),
}
"""Status of a departure (SPEC.md, section 5) other than 0 -> what it means."""


class Board:
    """A dialect of `gateway.types.RadioDialect`. Memory is bounded by window and queue."""

    name = "board"
    capabilities = RadioCapabilities(
        transmits_at=True,
        inverts_iq=True,
        bandwidths_hz=frozenset(frames.BANDWIDTHS_HZ),
        hops=8,
        dwells_ms=(10, 60_000),
        scans=True,
        cancels=True,
    )

    def __init__(self, *, report_bad_crc: bool = True) -> None:
        self._report_bad_crc = report_bad_crc
        self._stream = BoardStream()
        self._out = Collected()
        self._settings: RadioSettings | None = None
        self._seq = 0
        self._waiting: deque[tuple[int, bytes]] = deque(maxlen=16)
        self._open: dict[int, _Open] = {}
        self._outgoing = Outgoing(self._out)
        self._sending_seq = -1
        self._cancelling = False
        self._give_up_s = 0.0
        self._statistics_s = 0.0
        self._restart_s: float | None = None
        self._listens = False
        self._event_seq: int | None = None
        self._time = Unwrapped()

    def check(self, settings: RadioSettings) -> None:
        """Raise ConfigError when the board cannot do what is asked."""
        check_settings("the board", self.capabilities, settings)
        check_turns("the board", self.capabilities, settings)
        hopped = settings.turns.frequencies_hz if isinstance(settings.turns, Hop) else ()
        for frequency_hz in (settings.frequency_hz, *hopped):
            if frequency_hz not in TUNABLE_HZ:
                raise ConfigError(f"the board: {frequency_hz} Hz; it has 137 to 1020 MHz.")

    def start(self, settings: RadioSettings, now_s: float) -> Turn:
        """Identify, configure, receive."""
        self._start(settings, now_s)
        return self._turn(now_s)

    def feed(self, data: bytes, now_s: float, peer: object | None = None) -> Turn:  # noqa: ARG002 - the protocol's signature
        """Take bytes as they came."""
        before = self._stream.too_long
        for stuffed in self._stream.feed(data):
            try:
                self._frame(frames.read_frame(stuffed), now_s)
            except BadInput as error:
                self._out.trouble(error.reason, error.detail)
        if self._stream.too_long > before:
            self._out.trouble("board_bad_frame", "too long")
        return self._turn(now_s)

    def transmit(self, request: Transmit, now_s: float) -> Turn:
        """Send one packet at its time, after those before it."""
        why = refusal("the board", self.capabilities, request)
        if not why and request.at_us is not None and self._time.is_of_before(request.at_us):
            why = "the board restarted, and its clock with it"
        if not why and not self._listens:
            why = "the board is not set up yet"
        self._outgoing.put(request, why)
        return self._turn(now_s)

    def cancel(self, id_: str, now_s: float) -> Turn:
        """Take a packet back, also from the board, as long as its preamble has not begun."""
        current = self._outgoing.current
        if current is None or current.id != id_:
            self._outgoing.cancel(id_, "")
        elif not self._cancelling:
            self._cancelling = True
            if (command := self._open.get(self._sending_seq)) is not None:
                command.again_s = math.inf  # repeated after the cancel, it would be sent anew
            self._waiting.appendleft((Type.CANCEL, bytes((self._sending_seq,))))
        return self._turn(now_s)

    def tick(self, now_s: float) -> Turn:
        """Repeat what was not answered, count, give a dead board up."""
        for command in list(self._open.values()):
            if now_s < command.again_s:
                continue
            if command.tries >= TRIES:
                self._lost(f"no answer to {Type(command.kind).name.lower()}")
                break
            command.tries += 1
            command.again_s = now_s + REPEAT_S
            self._out.write(command.wire)
        if self._outgoing.current is not None and now_s >= self._give_up_s:
            self._sent(TransmitOutcome.FAILED, "the board did not say that it was sent")
        if self._restart_s is not None and now_s >= self._restart_s and self._settings is not None:
            self._restart_s = None
            self._set_up(self._settings)
        if self._settings is not None and now_s >= self._statistics_s:
            self._statistics_s = now_s + STATISTICS_S
            self._ask(Type.STATISTICS)
        return self._turn(now_s)

    # --- what the board says -----------------------------------------------------------------

    def _frame(self, frame: Frame, now_s: float) -> None:
        if frame.type in {Type.RECEIVED, Type.TRANSMITTED, Type.BOOT}:
            self._event(frame, now_s)
        elif frame.type == Type.ERROR:
            self._error(frame, now_s)
        elif frame.type & ANSWER:
            command = self._open.get(frame.seq)
            if command is None or command.kind | ANSWER != frame.type:
                return  # the second answer to a repeated command
            self._answer(frame, command)
            self._open.pop(frame.seq, None)
        else:
            raise BadInput("board_unknown_type", f"0x{frame.type:02x}")

    def _answer(self, frame: Frame, command: _Open) -> None:
        kind = frame.type & ~ANSWER
        if kind == Type.INFO:
            self._identified(frame.body)
        elif kind == Type.STATISTICS:
            self._out.tell(BoardCounters(frames.read_statistics(frame.body)))
        elif kind == Type.CANCEL and self._is_about_current(command):
            self._sent(TransmitOutcome.CANCELLED)
        elif kind == Type.RECEIVE:
            self._listens = True
            self._out.tell(Listening())
            if self._settings is not None and (cost := cost_of(self._settings)):
                self._out.trouble("hears_in_part", cost)

    def _identified(self, body: bytes) -> None:
        information = frames.read_information(body)
        self._out.tell(
            BoardInfo(f"{information.name or 'board'} ({information.board})", information.firmware)
        )
        if information.radio_version == 0:
            self._out.trouble("radio_missing", "the board finds no SX127x; check its wiring")
        turns = self._settings.turns if self._settings is not None else None
        if turns is not None and not information.features & frames.FEATURES[type(turns)]:
            self._out.trouble("board_takes_no_turns", f"its firmware has no {type(turns).__name__}")

    def _event(self, frame: Frame, now_s: float) -> None:
        if frame.type == Type.BOOT:
            self._booted(frame, now_s)
            return
        if self._event_seq is not None and frame.seq != (self._event_seq + 1) % 256:
            missing = (frame.seq - self._event_seq - 1) % 256
            self._out.trouble("board_events_lost", f"{missing} on the wire")
        self._event_seq = frame.seq
        if frame.type == Type.RECEIVED:
            frames.read_received(frame.body)  # refuses, before its time is believed
            counter_us = self._time(frames.received_time(frame.body), now_s)
            self._out.tell(frames.read_received(frame.body, counter_us))
        else:
            self._departed(frames.read_transmitted(frame.body), now_s)

    def _booted(self, frame: Frame, now_s: float) -> None:
        frames.read_information(frame.body)
        self._time.reset()
        if self._settings is None:
            return
        if self._listens:
            self._out.trouble("board_rebooted", "it is set up again")
        self._start(self._settings, now_s)
        self._event_seq = frame.seq

    def _departed(self, departure: frames.Departure, now_s: float) -> None:
        self._open.pop(departure.seq if departure.seq == self._sending_seq else -1, None)
        if departure.seq != self._sending_seq:
            return
        if departure.status == 0:
            self._sent(TransmitOutcome.SENT, "", self._time(departure.started_us, now_s))
        else:
            outcome, words = _DEPARTED.get(
                departure.status, (TransmitOutcome.FAILED, "unknown status")
            )
            self._sent(outcome, words)

    def _error(self, frame: Frame, now_s: float) -> None:
        if len(frame.body) != 2:  # noqa: PLR2004 - command and code
            raise BadInput("board_bad_body", f"an error of {len(frame.body)} bytes")
        kind, code = frame.body
        words = frames.ERRORS.get(code, f"error {code}")
        command = self._open.get(frame.seq)
        if command is None or command.kind != kind:
            return
        self._open.pop(frame.seq)
        if kind == Type.TRANSMIT and frame.seq == self._sending_seq:
            # The answer to a repeated try may be about the first, which the board took.
            first = command.tries == 1
            self._sent(TransmitOutcome.REFUSED if first else TransmitOutcome.FAILED, words)
            return
        if kind == Type.CANCEL:
            if self._is_about_current(command):
                self._not_cancelled(words, now_s)
            return
        self._out.trouble("setting_refused", f"{Type(kind).name.lower()}: {words}")
        if kind in {Type.CONFIGURE, Type.RECEIVE}:
            self._restart_s = now_s + RESTART_S

    def _is_about_current(self, cancel: _Open) -> bool:
        return self._cancelling and cancel.body == bytes((self._sending_seq,))

    def _not_cancelled(self, words: str, now_s: float) -> None:
        """Tell whether it is too late, or an earlier try was what took the packet back."""
        request = self._outgoing.current
        if request is None:
            return
        self._cancelling = False
        ahead_us = (request.at_us or 0) - self._time.expected(now_s)
        if request.at_us is not None and ahead_us > CERTAIN_US:
            self._sent(TransmitOutcome.CANCELLED)
        else:
            self._out.tell(NotCancelled(request.id, words))

    # --- what is done about it ---------------------------------------------------------------

    def _start(self, settings: RadioSettings, now_s: float) -> None:
        self._fail_all("the board was set up anew")
        self._stream.clear()
        self._waiting.clear()
        self._open.clear()
        self._settings, self._listens, self._restart_s = settings, False, None
        self._event_seq = None
        self._statistics_s = now_s + STATISTICS_S
        self._out.write(b"\x00")  # ends whatever half frame the board has from us
        self._ask(Type.INFO)
        self._set_up(settings)

    def _set_up(self, settings: RadioSettings) -> None:
        self._ask(Type.CONFIGURE, frames.write_settings(settings))
        receive = frames.write_receive(settings.turns, report_bad_crc=self._report_bad_crc)
        self._ask(Type.RECEIVE, receive)

    def _ask(self, kind: Type, body: bytes = b"") -> None:
        self._waiting.append((kind, body))

    def _command(self, kind: int, body: bytes, now_s: float) -> int:
        self._seq = (self._seq + 1) % 256
        while self._seq in self._open or self._seq == self._sending_seq:
            self._seq = (self._seq + 1) % 256
        wire = frames.write_frame(kind, self._seq, body)
        self._open[self._seq] = _Open(kind, body, wire, 1, now_s + REPEAT_S)
        self._out.write(wire)
        return self._seq

    def _sent(
        self, outcome: TransmitOutcome, detail: str = "", counter_us: int | None = None
    ) -> None:
        self._open.pop(self._sending_seq, None)
        self._sending_seq, self._cancelling = -1, False
        self._outgoing.end(outcome, detail, counter_us)

    def _lost(self, why: str) -> None:
        self._waiting.clear()
        self._open.clear()
        self._settings, self._listens = None, False
        self._fail_all("the board does not answer")
        self._out.tell(BoardLost(why))

    def _fail_all(self, why: str) -> None:
        self._sent(TransmitOutcome.FAILED, why)
        self._outgoing.fail_all(why)

    def _begin(self, now_s: float) -> None:
        if self._settings is None or (request := self._outgoing.begin()) is None:
            return
        body = frames.write_transmit(
            request.settings or self._settings, request.payload, request.at_us
        )
        self._sending_seq = self._command(Type.TRANSMIT, body, now_s)
        wait_s = 0.0
        if request.at_us is not None:
            wait_s = (request.at_us - self._time.expected(now_s)) / 1e6
        airtime_s = airtime_bound_s(request.settings or self._settings, len(request.payload))
        self._give_up_s = now_s + max(0.0, min(1800.0, wait_s)) + airtime_s + SPARE_S

    def _turn(self, now_s: float) -> Turn:
        while self._waiting and len(self._open) < WINDOW:
            self._command(*self._waiting.popleft(), now_s)
        if len(self._open) < WINDOW and not self._waiting:
            self._begin(now_s)
        return self._out.take()
