"""The simulated radio board in lock-step: commands and frames in, events out, time at our word."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from board_wire import (
    CONFIGURE,
    ERROR,
    RECEIVE,
    RECEIVED,
    STATISTICS,
    Message,
    Received,
    counters,
    frame_of,
    settings,
    wire_of,
)

ANSWER_US = 20_000
Event = dict[str, object]


class Bench:
    """One board; what it said is kept until asked for. Leave it to find out about violations.

    `unread` holds its bytes as they came, for who wants to take them out.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._sequence = 0
        self._line = bytearray()
        self.unread = bytearray()
        self.now_us = 0.0
        self.messages: list[Message] = []
        self.events: list[Event] = []
        self.broken_frames = 0
        self.last_byte_us = 0.0

    def __enter__(self) -> Self:
        self.run(100_000)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)

    @property
    def violations(self) -> list[object]:
        """What the radio complained of."""
        return [event["what"] for event in self.named("violation")]

    def named(self, name: str) -> list[Event]:
        """Return the events of one name."""
        return [event for event in self.events if event["event"] == name]

    def say(self, **line: object) -> None:
        """Give one command to the bench."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")

    def run(self, us: float) -> None:
        """Let this much time pass and take what happened."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.say(cmd="run", us=us)
        self._process.stdin.flush()
        while True:
            line = self._process.stdout.readline()
            if not line:
                raise EOFError(f"the simulator ended: {self._process.wait()}")
            event = json.loads(line)
            if event["event"] == "ran":
                self.now_us = event["t_us"]
                return
            self._take(event)

    def run_until(self, us: float) -> None:
        """Run to this simulated time."""
        self.run(max(us - self.now_us, 1))

    def _take(self, event: Event) -> None:
        if event["event"] != "host":
            self.events.append(event)
            return
        self.last_byte_us = float(str(event["t_us"]))
        said = bytes.fromhex(str(event["hex"]))
        self.unread += said
        self._line += said
        *whole, rest = self._line.split(b"\x00")
        self._line = bytearray(rest)
        for stuffed in whole:
            frame = frame_of(bytes(stuffed)) if stuffed else None
            if frame is not None:
                self.messages.append(Message.from_frame(frame))
            elif stuffed:
                self.broken_frames += 1

    def write(self, data: bytes) -> None:
        """Put raw bytes on the line to the board."""
        self.say(cmd="host", hex=data.hex())

    def send(self, kind: int, body: bytes = b"", *, sequence: int | None = None) -> int:
        """Send one command and return its sequence number."""
        self._sequence = (self._sequence + 1) % 256 if sequence is None else sequence
        self.write(wire_of(bytes([1, kind, self._sequence]) + body))
        return self._sequence

    def ask(self, kind: int, body: bytes = b"", *, sequence: int | None = None) -> Message:
        """Send one command, wait, and return its one answer, which may be an error."""
        number = self.send(kind, body, sequence=sequence)
        before = len(self.messages)
        self.run(ANSWER_US)
        answers = [m for m in self.messages[before:] if m.type & 0x80 and m.sequence == number]
        assert len(answers) == 1, self.messages[before:]
        return answers[0]

    def error(self, kind: int, body: bytes = b"") -> int:
        """Return the code of the error that a command is answered with, 0 for none."""
        answer = self.ask(kind, body)
        assert answer.type in {ERROR, kind | 0x80}
        return answer.body[1] if answer.type == ERROR else 0

    def listen(self, radio: bytes | None = None, mode: bytes = b"\x01\x00") -> None:
        """Configure and receive."""
        assert self.error(CONFIGURE, radio or settings()) == 0
        assert self.error(RECEIVE, mode) == 0

    def of_type(self, kind: int) -> list[Message]:
        """Return the messages of one type."""
        return [message for message in self.messages if message.type == kind]

    def received(self) -> list[Received]:
        """Return the frames that the board handed up."""
        return [Received.from_body(message.body) for message in self.of_type(RECEIVED)]

    def statistics(self) -> dict[str, int]:
        """Ask for the counters."""
        return counters(self.ask(STATISTICS).body)


def command(folder: Path, machine: str, extra: Iterable[str] = ()) -> list[str]:
    """Return how to start the real image (`avr`) or the core compiled for here (`native`)."""
    if machine == "native":
        return [str(folder / "native/board"), *extra]
    return [str(folder / "sim/board"), "--image", str(folder / "avr/500k.elf"), *extra]
