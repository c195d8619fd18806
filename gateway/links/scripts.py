"""JavaScript codecs in a process of their own, from the parent's side; and in this one, for tests.

A script's limits are kept by QuickJS, where that fails by the kernel, and where that fails by a
deadline here. Whatever happens to the process, the next call finds another, with its codec opened
again: 20 ms, once.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.errors import BadInput
from gateway.links import script_child as child
from gateway.types import OpenedScript, Script

DEADLINE_S = 5.0
"""Wall time after which a process that says nothing is ended: only a machine standing still."""

_REASON = {
    child.LIMIT_TIME: "codec_time_limit",
    child.LIMIT_MEMORY: "codec_memory_limit",
    child.EXCEPTION: "codec_exception",
}


class ScriptProcess:
    """Opens and calls codecs in a child process. One caller at a time; never shared by threads."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._scripts: dict[int, Script] = {}
        self._opened: set[int] = set()
        self._poll = select.poll()
        self._numbers = 0
        self.restarts = 0

    def open(self, script: Script) -> OpenedScript:
        """Open a codec.

        Raises
        ------
        BadInput
            `codec_exception` when its text cannot be run, or a limit.

        """
        self._numbers += 1
        number = self._numbers
        found = json.loads(self._open(number, script))
        self._scripts[number] = script
        return _opened(number, found)

    def call(self, number: int, direction: str, request: str) -> str:
        """Return the harness's answer as JSON text.

        Raises
        ------
        BadInput
            `codec_time_limit`, `codec_memory_limit`, `codec_crash` or `codec_exception`.

        """
        if number not in self._opened or self._process is None:
            self._open(number, self._scripts[number])
        status, text = self._ask(child.CALL, number, f"{direction}\0{request}")
        if status != child.OK:
            raise BadInput(_REASON.get(status, "codec_crash"), text)
        return text

    def close(self, number: int) -> None:
        """Forget a codec."""
        self._scripts.pop(number, None)
        if number in self._opened and self._process is not None:
            self._opened.discard(number)
            self._ask(child.CLOSE, number, "")

    def stop(self) -> None:
        """End the process; the next call starts another."""
        process, self._process = self._process, None
        self._opened.clear()
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    @property
    def pid(self) -> int | None:
        """Return the process's id, None while there is none."""
        return self._process.pid if self._process is not None else None

    def _open(self, number: int, script: Script) -> str:
        status, text = self._ask(child.OPEN, number, json.dumps(asdict(script)))
        if status != child.OK:
            raise BadInput(_REASON.get(status, "codec_crash"), text)
        self._opened.add(number)
        return text

    def _ask(self, op: int, number: int, body: str) -> tuple[int, str]:
        process = self._process or self._start()
        frame = child.REQUEST.pack(op, number) + body.encode("utf-8", "replace")
        try:
            self._write(process, child.HEADER.pack(len(frame)) + frame)
            answer = self._read(process)
        except (OSError, EOFError) as error:
            raise self._buried(error) from None
        return answer[child.HEADER.size], answer[child.HEADER.size + 1 :].decode()

    def _start(self) -> subprocess.Popen[bytes]:
        self._opened.clear()
        self._process = subprocess.Popen(  # noqa: S603 - our own file, our own interpreter
            [sys.executable, "-I", "-S", child.__file__, _quickjs_folder()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "MALLOC_ARENA_MAX": "1", "TZ": "UTC"},
            bufsize=0,
        )
        self._poll = select.poll()
        self._poll.register(_descriptor(self._process.stdout), select.POLLIN)
        self.restarts += 1
        return self._process

    @staticmethod
    def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
        descriptor = _descriptor(process.stdin)
        while data:
            data = data[os.write(descriptor, data) :]

    def _read(self, process: subprocess.Popen[bytes]) -> bytes:
        descriptor = _descriptor(process.stdout)
        data, size = b"", child.HEADER.size
        while len(data) < size:
            if not child.awaited(self._poll) and not self._poll.poll(DEADLINE_S * 1000):
                raise TimeoutError(f"no answer within {DEADLINE_S:g} s")
            more = os.read(descriptor, child.CHUNK)
            if not more:
                raise EOFError
            data += more
            if len(data) >= child.HEADER.size:
                size = child.HEADER.size + child.HEADER.unpack_from(data)[0]
        return data

    def _buried(self, error: Exception) -> BadInput:
        """Say what ended the process, and be rid of it."""
        process = self._process
        code: int | None = None
        if process is not None and not isinstance(error, TimeoutError):
            try:
                code = process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                code = None
        self.stop()
        if code in {-signal.SIGPROF, -signal.SIGXCPU} or isinstance(error, TimeoutError):
            return BadInput("codec_time_limit", "stopped inside one built-in function")
        return BadInput("codec_crash", f"its process ended with status {code}")


class InProcessScripts:
    """The same in this process, for tests: nothing saves it from an endless built-in."""

    def __init__(self) -> None:
        self._child = child.Scripts()
        self._numbers = 0

    def open(self, script: Script) -> OpenedScript:
        """Open a codec as `ScriptProcess.open` does."""
        self._numbers += 1
        text = self._ask(child.OPEN, self._numbers, json.dumps(asdict(script)))
        return _opened(self._numbers, json.loads(text))

    def call(self, number: int, direction: str, request: str) -> str:
        """Call a codec as `ScriptProcess.call` does."""
        return self._ask(child.CALL, number, f"{direction}\0{request}")

    def close(self, number: int) -> None:
        """Forget a codec."""
        self._ask(child.CLOSE, number, "")

    def stop(self) -> None:
        """Forget all."""
        self._child = child.Scripts()

    def _ask(self, op: int, number: int, body: str) -> str:
        status, text, _ = self._child.handle(op, number, body.encode("utf-8", "replace"))
        if status != child.OK:
            raise BadInput(_REASON.get(status, "codec_crash"), text)
        return text


def _opened(number: int, found: Mapping[str, Any]) -> OpenedScript:
    return OpenedScript(number, tuple(found["functions"]), found["isolated"], found["memory_bytes"])


def _descriptor(pipe: Any) -> int:  # noqa: ANN401 - Popen's own type is wider than what we asked for
    return int(pipe.fileno())


def _quickjs_folder() -> str:
    """Return the folder of the engine's compiled module, the only package the child may import."""
    spec = importlib.util.find_spec("_quickjs")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("_quickjs")
    return str(Path(spec.origin).parent)
