"""Packets that are taken back: from the queue by every dialect, from the board where it can."""

from __future__ import annotations

import pytest
from radio_transcripts import Transcript, transcripts

from gateway.codecs.radio import DIALECTS, Board, SemtechUdp
from gateway.codecs.radio.board_frames import BoardStream, Type, read_frame, write_frame
from gateway.codecs.radio.contract import (
    NotCancelled,
    RadioDialect,
    RadioSettings,
    Transmit,
    TransmitOutcome,
    Transmitted,
    Turn,
)

SETTINGS = RadioSettings(868_100_000)
DEPARTED = (5_000_000).to_bytes(4, "little") + (5_040_000).to_bytes(4, "little")
PRIVATE = RadioSettings(868_100_000, sync_word=0x12)
FIRST = {one.device: one for one in reversed(list(transcripts()))}


def answers(turn: Turn) -> list[Transmitted | NotCancelled]:
    return [event for event in turn.events if isinstance(event, Transmitted | NotCancelled)]


class Bare:
    """A `Board` that listens, and the frames it writes; time stands still unless said."""

    def __init__(self) -> None:
        self.dialect = Board()
        self.now_s = 100.0
        self.wrote: list[tuple[int, int, bytes]] = []
        self.ends: list[Transmitted | NotCancelled] = []
        self._stream = BoardStream()
        self.take(self.dialect.start(SETTINGS, self.now_s))
        information = read_frame(FIRST["board"].said[0].strip(b"\x00")).body
        while self.wrote:
            kind, seq, _ = self.wrote.pop(0)
            self.say(kind | 0x80, seq, information if kind == Type.INFO else b"")

    def take(self, turn: Turn) -> None:
        for write in turn.writes:
            for stuffed in self._stream.feed(write.data):
                frame = read_frame(stuffed)
                self.wrote.append((frame.type, frame.seq, frame.body))
        self.ends += answers(turn)

    def say(self, kind: int, seq: int, body: bytes = b"") -> None:
        self.take(self.dialect.feed(b"\x00" + write_frame(kind, seq, body), self.now_s))

    def hear_time(self, us: int) -> None:
        self.say(
            Type.RECEIVED, 0, us.to_bytes(4, "little") + bytes(11) + b"\x07\x07\x05\x01" + bytes(3)
        )

    def transmit(self, id_: str, at_us: int | None = None) -> int:
        """Send a packet and return the command's sequence number."""
        self.take(self.dialect.transmit(Transmit(id_, b"x", at_us=at_us), self.now_s))
        return self.seq_of(Type.TRANSMIT)

    def cancel(self, id_: str) -> None:
        self.take(self.dialect.cancel(id_, self.now_s))

    def seq_of(self, kind: int) -> int:
        """Return the sequence number of the last command of a kind."""
        return next(seq for wrote, seq, _ in reversed(self.wrote) if wrote == kind)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.now_s += 0.25
            self.take(self.dialect.tick(self.now_s))


def bare(at_us: int | None = 9_000_000) -> tuple[Bare, int, int]:
    """Return a board whose time is 5 s with a packet on it, and a cancel on its way."""
    board = Bare()
    board.hear_time(5_000_000)
    sent = board.transmit("a", at_us)
    board.say(Type.TRANSMIT | 0x80, sent, bytes(4))
    board.cancel("a")
    return board, sent, board.seq_of(Type.CANCEL)


def test_a_board_takes_a_packet_back_and_sends_the_next() -> None:
    board, sent, cancel = bare()
    assert board.wrote[-1] == (Type.CANCEL, cancel, bytes((sent,)))
    assert board.ends == []
    board.say(Type.CANCEL | 0x80, cancel)
    assert board.ends == [Transmitted("a", TransmitOutcome.CANCELLED)]
    assert board.transmit("b") != sent
    board.wait(60)
    assert [end.id for end in board.ends] == ["a", "b"]


def test_a_packet_on_the_air_is_sent_and_the_cancel_told_so() -> None:
    board, sent, cancel = bare(at_us=None)
    board.say(Type.ERROR, cancel, bytes((Type.CANCEL, 7)))
    assert board.ends == [NotCancelled("a", "nothing to cancel")]
    board.say(Type.TRANSMITTED, 1, bytes((sent, 0)) + DEPARTED)
    assert board.ends[1:] == [Transmitted("a", TransmitOutcome.SENT, "", 5_000_000)]


def test_the_word_that_it_was_sent_may_come_before_the_answer_to_the_cancel() -> None:
    board, sent, cancel = bare(at_us=None)
    board.say(Type.TRANSMITTED, 1, bytes((sent, 0)) + DEPARTED)
    board.say(Type.ERROR, cancel, bytes((Type.CANCEL, 7)))
    assert [end.id for end in board.ends] == ["a"]
    assert board.ends[0] == Transmitted("a", TransmitOutcome.SENT, "", 5_000_000)


def test_a_late_answer_to_one_cancel_is_not_taken_for_that_of_the_next() -> None:
    board, sent, cancel = bare(at_us=None)
    board.say(Type.TRANSMITTED, 1, bytes((sent, 0)) + DEPARTED)
    board.transmit("b", at_us=20_000_000)
    board.cancel("b")
    board.say(Type.ERROR, cancel, bytes((Type.CANCEL, 7)))
    assert [end.id for end in board.ends] == ["a"]
    board.say(Type.CANCEL | 0x80, board.seq_of(Type.CANCEL))
    assert board.ends[1:] == [Transmitted("b", TransmitOutcome.CANCELLED)]


def test_an_answer_that_was_lost_does_not_turn_a_cancel_into_a_failure() -> None:
    board, _, cancel = bare()
    board.wait(0.5)
    assert board.wrote[-1][:2] == (Type.CANCEL, cancel)
    board.say(Type.ERROR, cancel, bytes((Type.CANCEL, 7)))
    assert board.ends == [Transmitted("a", TransmitOutcome.CANCELLED)]


def test_a_transmit_is_not_repeated_once_its_cancel_is_on_the_way() -> None:
    board = Bare()
    board.transmit("a", 9_000_000)
    board.cancel("a")
    board.wait(2)
    kinds = [kind for kind, _, _ in board.wrote]
    assert kinds.count(Type.TRANSMIT) == 1
    assert kinds.count(Type.CANCEL) == 5


def test_a_board_that_answers_no_cancel_is_given_up_and_the_packet_with_it() -> None:
    board, _, _ = bare()
    board.cancel("a")
    board.wait(10)
    assert [end.id for end in board.ends] == ["a"]
    assert isinstance(board.ends[0], Transmitted)
    assert board.ends[0].outcome is TransmitOutcome.FAILED


def play_up_to_listening(transcript: Transcript) -> RadioDialect:
    """Say what the transcript's board says until it listens."""
    dialect = DIALECTS[transcript.device]()
    dialect.start(transcript.settings, 0.0)
    for item in transcript.items:
        if item.kind == "<":
            dialect.feed(transcript.bytes_of(item), 0.0)
        elif item.text == "listening":
            return dialect
    raise AssertionError("it never listens")


@pytest.mark.parametrize("device", ["board", "rn2483", "rak811", "reyax"])
def test_a_packet_behind_another_is_taken_back_by_every_dialect(device: str) -> None:
    dialect = play_up_to_listening(FIRST[device])
    ends = []
    for id_ in ("a", "b", "c"):
        ends += answers(dialect.transmit(Transmit(id_, b"x"), 0.0))
    assert ends == []
    assert answers(dialect.cancel("b", 0.0)) == [Transmitted("b", TransmitOutcome.CANCELLED)]
    assert [type(one) for one in answers(dialect.cancel("b", 0.0))] == [NotCancelled]
    if not dialect.capabilities.cancels:
        (told,) = answers(dialect.cancel("a", 0.0))
        assert isinstance(told, NotCancelled)
        assert "takes no packet back" in told.detail
    for quarter in range(400):
        ends += answers(dialect.tick(quarter / 4))
    assert sorted(end.id for end in ends) == ["a", "c"]


@pytest.mark.parametrize("device", sorted(DIALECTS))
def test_a_packet_that_nobody_knows_is_not_cancelled(device: str) -> None:
    dialect = DIALECTS[device]()
    dialect.start(PRIVATE, 0.0)
    assert answers(dialect.cancel("x", 0.0)) == [
        NotCancelled("x", "no such packet waits to be sent")
    ]


def test_a_packet_forwarder_takes_nothing_back() -> None:
    forwarder = SemtechUdp()
    forwarder.start(SETTINGS, 0.0)
    forwarder.feed(b"\x02\x00\x09\x02" + bytes(8), 0.0, "down")
    assert answers(forwarder.transmit(Transmit("a", b"x"), 0.0)) == []
    assert answers(forwarder.cancel("a", 0.0)) == [
        NotCancelled("a", "a packet forwarder takes no packet back")
    ]
    assert [end.id for end in answers(forwarder.tick(10.0))] == ["a"]
