"""Boards on real ptys that answer from their transcripts."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from radio_transcripts import transcripts


def answers_of(device: str) -> Callable[[bytes], bytes]:
    """Return what a board says to what it is asked."""
    answers = script(device)

    def answer(said: bytes) -> bytes:
        return b"".join(known for asked, known in answers.items() if asked and asked in said)

    return answer


def script(device: str) -> dict[bytes, bytes]:
    """Return what a board answers to what, up to its name."""
    answers: dict[bytes, bytes] = {}
    for transcript in transcripts():
        if transcript.device != device:
            continue
        asked = b""
        for item in transcript.items[:8]:
            if item.kind == ">":
                asked = transcript.bytes_of(item)
            elif item.kind == "<":
                answers[asked] = answers.get(asked, b"") + transcript.bytes_of(item)
    return answers


@contextlib.contextmanager
def plugged_in(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """Yield the name of a port with a board behind it."""
    master, slave = os.openpty()
    os.set_blocking(master, True)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                said = answer(os.read(master, 4096))
                if said:
                    os.write(master, said)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        os.close(slave)
        thread.join(20)
        os.close(master)
