"""Boards that answer in lines: cutting lines out of a byte stream, one command at a time.

These boards have no sequence numbers, so the window is one: the next command is written only when
the last was answered or given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

MOST_WAITING = 64
"""Commands that may wait; a dialect asks for no more than a third of that at once."""


class Lines:
    """Cuts a byte stream into lines at CR, LF or both; empty lines are passed over.

    A line longer than `longest` is passed over up to its end, and counted in `passed_over`.
    """

    def __init__(self, longest: int = 2048) -> None:
        self.passed_over = 0
        self._longest = longest
        self._held = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give every whole line; what is left waits for more."""
        for piece in data.splitlines(keepends=True):
            yield from self._piece(piece)

    def clear(self) -> None:
        """Forget half a line."""
        self._held.clear()
        self._skipping = False

    def _piece(self, piece: bytes) -> Iterator[bytes]:
        ends = piece.endswith((b"\n", b"\r"))
        if not self._skipping:
            self._held += piece
            if len(self._held) > self._longest + 2:
                self.passed_over += 1
                self._skipping = True
                self._held.clear()
        if not ends:
            return
        line = bytes(self._held).rstrip(b"\r\n")
        self.clear()
        if line:
            yield line


@dataclass(frozen=True, slots=True)
class Ask:
    """One command. `what` names it to the dialect; a command with `tries` 1 is never repeated."""

    line: bytes
    what: str
    timeout_s: float = 1.5
    tries: int = 3


class Conversation:
    """Commands in order, one in flight."""

    def __init__(self) -> None:
        self._waiting: deque[Ask] = deque(maxlen=MOST_WAITING)
        self._flying: Ask | None = None
        self._tries = 0
        self._deadline_s = 0.0

    @property
    def flying(self) -> Ask | None:
        """The command that waits for its answer."""
        return self._flying

    @property
    def idle(self) -> bool:
        """Whether there is nothing to ask and no answer to wait for."""
        return self._flying is None and not self._waiting

    def ask(self, *asks: Ask) -> None:
        """Put commands at the end."""
        self._waiting.extend(asks)

    def ask_first(self, *asks: Ask) -> None:
        """Put commands, in their order, before all that wait."""
        self._waiting.extendleft(reversed(asks))

    def drop(self, *whats: str) -> None:
        """Take commands that wait back out by what they are."""
        kept = [ask for ask in self._waiting if ask.what not in whats]
        self._waiting.clear()
        self._waiting.extend(kept)

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self._flying = None

    def next(self, now_s: float) -> bytes | None:
        """Return the next command to write, None while one is in flight or none waits."""
        if self._flying is not None or not self._waiting:
            return None
        self._flying, self._tries = self._waiting.popleft(), 1
        self._deadline_s = now_s + self._flying.timeout_s
        return self._flying.line

    def answered(self) -> None:
        """End the command in flight."""
        self._flying = None

    def again(self, now_s: float) -> bytes | None:
        """Return an overdue command to write once more, None when it is not overdue or spent."""
        if self._flying is None or now_s < self._deadline_s or self._tries >= self._flying.tries:
            return None
        self._tries += 1
        self._deadline_s = now_s + self._flying.timeout_s
        return self._flying.line

    def spent(self, now_s: float) -> Ask | None:
        """Return, and end, a command whose last try is overdue."""
        ask = self._flying
        if ask is None or now_s < self._deadline_s or self._tries < ask.tries:
            return None
        self._flying = None
        return ask
