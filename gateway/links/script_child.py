"""The process in which payload codecs run: one QuickJS context per codec, and nothing else.

It is started as a file, without the gateway's packages, so that it is small and quick to replace.
QuickJS stops scripts at their limits, but some of its own loops (searching a long text, multiplying
large numbers) ask nobody; there the kernel ends this process, and the parent starts another.

::

    stdin   length u32 | op u8 | codec u32 | body     little-endian; length counts what follows it
    stdout  length u32 | status u8 | body             one answer per request, UTF-8

    op 1 open   body: JSON of `Opening`           answer: JSON of functions, isolated, memory
    op 2 call   body: direction NUL request JSON  answer: the harness's JSON
    op 3 close  no body                           answer: empty
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

OPEN, CALL, CLOSE = 1, 2, 3
OK, LIMIT_TIME, LIMIT_MEMORY, EXCEPTION, UNKNOWN = 0, 1, 2, 3, 4
HEADER = struct.Struct("<I")
REQUEST = struct.Struct("<BI")

CHUNK = 65536
WATCH_S = 100e-6

HARD = 1.25
"""A script's CPU time times this, and the kernel ends the process."""

LEAST_HARD_S = 0.02
OPENING_S = 1.0
"""CPU time for reading a codec's text, which is done once, off the path of uplinks."""

ADDRESS_SPACE = 1 << 30
MEMORY_WORDS = ("out of memory", "call stack size", "stack overflow")

Context = Any
"""`_quickjs.Context`; imported late, since the parent reads this module's constants too."""


class Failure(Exception):  # noqa: N818 - it is an answer
    """A script could not be opened or called; `status` says which way."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Script:
    """One codec and its context: kept warm, or made ready anew after each message."""

    def __init__(self, opening: dict[str, Any]) -> None:
        self._prelude: list[str] = opening["prelude"]
        self._wrapped: str = opening["wrapped"]
        self._memory: int = opening["memory_bytes"]
        self._time_s: float = opening["time_s"]
        self.isolated: bool = opening["isolated"]
        self.functions: list[str] = []
        self._call: Callable[[str, str], str] | None = None
        self._context: Context = None
        self.prepare()

    def prepare(self) -> None:
        """Have a context ready for the next message."""
        if self._call is not None:
            return
        try:
            self._make()
        except Exception as error:  # noqa: BLE001 - whatever the engine raises is the script's doing
            self._drop()
            raise _failure(error) from None

    def call(self, direction: str, request: str) -> str:
        """Return the harness's answer.

        Raises
        ------
        Failure
            A limit was met; the context is gone.

        """
        self.prepare()
        if self._call is None:
            raise Failure(EXCEPTION, "there is no context")
        self._context.set_time_limit(self._time_s)
        signal.setitimer(signal.ITIMER_PROF, max(LEAST_HARD_S, self._time_s * HARD))
        try:
            answer = self._call(direction, request)
        except Exception as error:  # noqa: BLE001 - whatever the engine raises is the script's doing
            self._drop()
            raise _failure(error) from None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if self.isolated or answer[0] != "+":
            self._drop()
        return answer[1:]

    def memory_bytes(self) -> int:
        """Return what its context holds."""
        return int(self._context.memory()["malloc_size"]) if self._context is not None else 0

    def _make(self) -> None:
        from _quickjs import Context as NewContext  # noqa: PLC0415 - not where the parent is

        context: Context = NewContext()
        context.set_memory_limit(self._memory)
        context.set_time_limit(OPENING_S)
        for text in self._prelude:
            context.eval(text)
        start, call = context.get("__start"), context.get("__call")
        context.eval(
            "delete globalThis.__start; delete globalThis.__call; delete globalThis.__text;"
        )
        signal.setitimer(signal.ITIMER_PROF, OPENING_S * HARD)
        try:
            context.set_time_limit(OPENING_S)
            found = json.loads(start(context.eval(self._wrapped), not self.isolated))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.functions = found["functions"]
        if not found["clean"]:
            self.isolated = True
        self._context, self._call = context, call

    def _drop(self) -> None:
        self._call = self._context = None


def _failure(error: Exception) -> Failure:
    text = str(error).split("\n", 1)[0]
    if "interrupted" in text:
        return Failure(LIMIT_TIME, text)
    if text == "null" or any(word in text for word in MEMORY_WORDS):
        return Failure(LIMIT_MEMORY, "out of memory" if text == "null" else text)
    return Failure(EXCEPTION, text)


class Scripts:
    """All codecs of this process by their number."""

    def __init__(self) -> None:
        self._scripts: dict[int, Script] = {}

    def handle(self, op: int, number: int, body: bytes) -> tuple[int, str, Script | None]:
        """Return status, text, and the script that may want preparing before the next request."""
        try:
            if op == OPEN:
                script = self._scripts[number] = Script(json.loads(body))
                found = {
                    "functions": script.functions,
                    "isolated": script.isolated,
                    "memory_bytes": script.memory_bytes(),
                }
                return OK, json.dumps(found), script
            if op == CLOSE:
                self._scripts.pop(number, None)
                return OK, "", None
            known = self._scripts.get(number)
            if known is None:
                return UNKNOWN, "this codec is not open", None
            direction, _, request = body.decode().partition("\0")
            return OK, known.call(direction, request), known
        except Failure as failure:
            return failure.status, str(failure), None


def serve() -> None:
    """Answer requests until the parent closes its end; there is never more than one under way."""
    scripts = Scripts()
    poll = select.poll()
    poll.register(0, select.POLLIN)
    while True:
        frame = _read(poll)
        op, number = REQUEST.unpack_from(frame, HEADER.size)
        status, text, script = scripts.handle(op, number, frame[HEADER.size + REQUEST.size :])
        body = text.encode("utf-8", "replace")
        _write(HEADER.pack(1 + len(body)) + bytes((status,)) + body)
        if script is not None:
            try:
                script.prepare()
            except Failure:
                continue  # the next call meets it again, and answers with it


def awaited(poll: select.poll) -> bool:
    """Look for `WATCH_S` whether something comes: falling asleep and waking costs more than that.

    A decode is as long as a wake-up is on most machines, so both ends look a while before they
    sleep; in a burst neither does.
    """
    until_s = time.perf_counter() + WATCH_S
    while time.perf_counter() < until_s:
        if poll.poll(0):
            return True
        os.sched_yield()  # where both share a processor, the other end needs it
    return False


def _read(poll: select.poll) -> bytes:
    data = b""
    awaited(poll)
    while len(data) < HEADER.size or len(data) < HEADER.size + HEADER.unpack_from(data)[0]:
        more = os.read(0, CHUNK)
        if not more:
            sys.exit(0)
        data += more
    return data


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def confine() -> None:
    """Take from this process what a script could want of the machine; quietly where refused."""
    limits = (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 3),
    )
    for limit, value in limits:
        try:
            resource.setrlimit(limit, (value, value))
        except (OSError, ValueError):
            continue


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    import _quickjs  # noqa: F401 - before no more files may be opened

    confine()
    serve()
