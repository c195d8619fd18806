"""The simulated radio board in real time: the real AVR image behind a port, and the air around it.

What devices send goes in through a socket, what the board transmits comes out of it, both with
simulated times: how busy the machine is moves them together and never apart.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from board_bench import command

Event = dict[str, object]
HEARINGS = 100


@dataclass(frozen=True, slots=True)
class Sent:
    """One packet that the board transmitted; `t_us` is when it began, in simulated time."""

    t_us: float
    airtime_us: float
    freq: int
    sf: int
    bw: int
    cr: int
    power: int
    iq: bool
    crc: bool
    sync: int
    preamble: int
    payload: bytes

    @classmethod
    def of(cls, event: Event) -> Sent:
        """Take a line of the simulator."""
        facts = {name: value for name, value in event.items() if name not in {"event", "payload"}}
        return cls(**facts, payload=bytes.fromhex(str(event["payload"])))  # type: ignore[arg-type]


class OnAir:
    """One board and everything in its reach. `port` is what the gateway opens."""

    def __init__(self, folder: Path, build: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = folder / "tty"
        self.events: list[Event] = []
        self._news = threading.Condition()
        radio = folder / "radio"
        options = ["--pty", "--radio-socket", str(radio), "--link", str(self.port)]
        self._process = subprocess.Popen(command(build, "avr", options), stdout=subprocess.DEVNULL)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        deadline_s = time.monotonic() + 10
        while self._socket.connect_ex(str(radio)) != 0:
            assert time.monotonic() < deadline_s, "the simulator opens no socket"
            time.sleep(0.01)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        """End the board; it must never have been misused."""
        self._process.terminate()
        self._process.wait(10)
        self._reader.join(10)
        self._socket.close()

    @property
    def violations(self) -> list[Event]:
        """What the radio complained of, and what the simulator did not understand."""
        with self._news:
            return [one for one in self.events if one["event"] in {"violation", "refused"}]

    def say(self, **line: object) -> None:
        """Give one line to the simulator."""
        self._socket.sendall(json.dumps(line).encode() + b"\n")

    def hear(self, payload: bytes, **facts: object) -> float:
        """Put one frame on the air and return when it ended; the board must have received it.

        While the board transmits it hears nothing: then the frame is sent again.
        """
        for _ in range(HEARINGS):
            mark = len(self.events)
            self.say(payload=payload.hex(), **facts)
            aired = self.until(lambda event: event["event"] == "aired", mark, 10.0)
            assert aired is not None, "the frame was not on air in 10 s"
            if aired["heard"]:
                return float(str(aired["t_us"]))
            time.sleep(0.05)
        raise AssertionError(f"the board did not hear {payload.hex()}")

    def sent(self, since: int = 0) -> list[Sent]:
        """Return what the board has transmitted since an event's number."""
        with self._news:
            events = self.events[since:]
        return [Sent.of(event) for event in events if event["event"] == "tx"]

    def next_sent(self, since: int, within_s: float) -> Sent | None:
        """Return the first packet since an event's number, None when none comes."""
        event = self.until(lambda event: event["event"] == "tx", since, within_s)
        return None if event is None else Sent.of(event)

    def until(self, wanted: Callable[[Event], bool], since: int, within_s: float) -> Event | None:
        """Return the first event that is wanted, None when none comes."""
        deadline_s = time.monotonic() + within_s
        with self._news:
            place = since
            while True:
                for event in self.events[place:]:
                    if wanted(event):
                        return event
                place = len(self.events)
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return None
                self._news.wait(left_s)

    def _read(self) -> None:
        try:
            for line in self._socket.makefile("r"):
                with self._news:
                    self.events.append(json.loads(line))
                    self._news.notify_all()
        except OSError:
            pass  # the simulator has ended
