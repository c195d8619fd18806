r"""KISS framing.

Source: Chepponis and Karn, "The KISS TNC", 1987::

    C0  command  data...  C0        in between, C0 is sent as DB DC and DB as DB DD

Frames are cut at C0 first and unescaped whole, so an escaped C0 never ends a frame.
"""

from __future__ import annotations

from gateway.errors import BadInput

FEND, FESC, TFEND, TFESC = 0xC0, 0xDB, 0xDC, 0xDD


def wrap(command: int, data: bytes = b"") -> bytes:
    """Return one frame, delimiters included."""
    inner = bytes((command,)) + data
    inner = inner.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + inner + b"\xc0"


def unescape(frame: bytes) -> bytes:
    """Return what stands between two delimiters as it was before escaping.

    Raises
    ------
    BadInput
        `kiss_bad_escape`: DB is followed by neither DC nor DD.

    """
    first, *rest = frame.split(b"\xdb")
    whole = bytearray(first)
    for piece in rest:
        if piece[:1] == b"\xdc":
            whole.append(FEND)
        elif piece[:1] == b"\xdd":
            whole.append(FESC)
        else:
            raise BadInput("kiss_bad_escape", repr(frame[:30]))
        whole += piece[1:]
    return bytes(whole)


class KissStream:
    """Cuts a byte stream into frames, command byte first; at most `longest` bytes are held.

    Bytes before the first delimiter are passed over. `passed_over` counts frames that were too
    long or badly escaped.
    """

    def __init__(self, longest: int = 1100) -> None:
        self.passed_over = 0
        self._longest = longest
        self._held = bytearray()
        self._skipping = True

    def feed(self, data: bytes) -> list[bytes]:
        """Return every whole frame; empty ones (two delimiters together) are none."""
        frames: list[bytes] = []
        *whole, rest = data.split(b"\xc0")
        for piece in whole:
            self._hold(piece)
            self._end(frames)
        self._hold(rest)
        return frames

    def clear(self) -> None:
        """Forget half a frame; the next delimiter begins one."""
        self._held.clear()
        self._skipping = True

    def _hold(self, piece: bytes) -> None:
        if self._skipping:
            return
        self._held += piece
        if len(self._held) > self._longest:
            self.passed_over += 1
            self.clear()

    def _end(self, frames: list[bytes]) -> None:
        if self._held:
            try:
                frames.append(unescape(bytes(self._held)))
            except BadInput:
                self.passed_over += 1
        self._held.clear()
        self._skipping = False
