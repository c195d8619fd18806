r"""Plays a written conversation with a board to its dialect, and tells whether both kept to it.

One item a line::

    # remark, with the source
    set key=value ...       settings other than the usual ones
    hop DWELL_MS HZ ...     turns over frequencies
    scan SF ...             turns over spreading factors
    > text                  the host writes this next; CR LF is added (\r \n \xNN are read)
    < text                  the board says this; CR LF is added
    tick SECONDS            time passes
    transmit ID HEX [k=v]   somebody wants this sent
    cancel ID               and now not any more
    = event                 what the dialect hands on, in order

In `*.hex.txt` both sides are hex digits instead, after ` | ` plain text.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.codecs.radio import DIALECTS
from gateway.codecs.radio.contract import (
    BoardCounters,
    BoardInfo,
    BoardLost,
    HeardFrame,
    Hop,
    Listening,
    NotCancelled,
    RadioDialect,
    RadioEvent,
    RadioSettings,
    RadioTrouble,
    Scan,
    Transmit,
    Transmitted,
    Turn,
)

FOLDER = Path(__file__).parent / "codecs" / "radio" / "transcripts"
PEER = ("192.0.2.1", 40000)
STEP_S = 0.25


@dataclass(frozen=True)
class Item:
    kind: str
    text: str


@dataclass(frozen=True)
class Transcript:
    device: str
    path: Path
    items: tuple[Item, ...]

    @property
    def settings(self) -> RadioSettings:
        chosen: dict[str, int] = {}
        turns: Hop | Scan | None = None
        for item in self.items:
            if item.kind == "set":
                chosen |= {k: int(v, 0) for k, v in (w.split("=") for w in item.text.split())}
            elif item.kind == "hop":
                dwell_ms, *frequencies_hz = map(int, item.text.split())
                turns = Hop(tuple(frequencies_hz), dwell_ms)
            elif item.kind == "scan":
                turns = Scan(tuple(map(int, item.text.split())))
        settings = RadioSettings(**{"frequency_hz": 868_100_000} | chosen)  # type: ignore[arg-type]
        return replace(settings, turns=turns)

    def bytes_of(self, item: Item) -> bytes:
        if self.path.name.endswith(".hex.txt"):
            head, _, tail = item.text.partition("|")
            return bytes.fromhex(head) + tail.strip().encode()
        return item.text.encode("latin-1").decode("unicode_escape").encode("latin-1") + b"\r\n"

    @property
    def expected(self) -> list[str]:
        return [item.text for item in self.items if item.kind == "="]

    @property
    def said(self) -> list[bytes]:
        return [self.bytes_of(item) for item in self.items if item.kind == "<"]


def transcripts() -> Iterator[Transcript]:
    for path in sorted(FOLDER.glob("*/*.txt")):
        items = []
        for line in path.read_text().splitlines():
            kind, _, text = line.partition(" ")
            if kind and kind != "#":
                items.append(Item(kind, text))
        yield Transcript(path.parent.name, path, tuple(items))


def words(event: RadioEvent) -> str:
    match event:
        case HeardFrame():
            said = _heard_words(event)
        case BoardInfo():
            said = f"info {event.board} {event.firmware}".strip()
        case Listening():
            said = "listening"
        case Transmitted():
            said = f"{event.outcome.value} {event.id}"
        case NotCancelled():
            said = f"not cancelled {event.id}"
        case RadioTrouble():
            said = f"trouble {event.reason}"
        case BoardCounters():
            said = "counters " + " ".join(f"{k}={v}" for k, v in event.counts.items())
        case BoardLost():
            said = "lost"
    return said


def _heard_words(frame: HeardFrame) -> str:
    facts = {
        "rssi": frame.rssi_dbm,
        "snr": frame.snr_db,
        "hz": frame.frequency_hz,
        "sf": frame.spreading_factor,
        "bw": frame.bandwidth_hz,
        "crc": {True: None, False: "wrong", None: "none"}[frame.crc_ok],
        "error": frame.frequency_error_hz,
        "counter": frame.counter_us,
        "dropped": frame.dropped,
        "via": frame.gateway_id,
        "sender": frame.sender,
    }
    said = (
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in facts.items()
        if value is not None
    )
    return " ".join(["heard", frame.payload.hex(), *said])


class Player:
    """Plays one transcript; `events` and `written` are what came of it."""

    def __init__(self, transcript: Transcript, *, check_writes: bool = True) -> None:
        self.transcript = transcript
        self.dialect: RadioDialect = DIALECTS[transcript.device]()
        self.events: list[str] = []
        self.written = b""
        self._expected = b""
        self._check_writes = check_writes
        self._now_s = 1000.0

    def play(self, *, cut: int = 0, between: Iterable[bytes] = ()) -> Player:
        """Play it, the board's bytes cut into pieces of `cut` (0: whole), with noise `between`."""
        self.take(self.dialect.start(self.transcript.settings, self._now_s))
        noise = iter(between)
        for item in self.transcript.items:
            if item.kind == ">":
                self._expected += self.transcript.bytes_of(item)
            elif item.kind == "<":
                self._compare(item)
                self.hear(next(noise, b""), cut)
                self.hear(self.transcript.bytes_of(item), cut)
            elif item.kind == "tick":
                self._compare(item)
                self.wait(float(item.text))
            elif item.kind == "transmit":
                self._compare(item)
                self._transmit(item.text.split())
            elif item.kind == "cancel":
                self._compare(item)
                self.take(self.dialect.cancel(item.text, self._now_s))
        self._compare(Item("end", ""))
        return self

    def hear(self, data: bytes, cut: int = 0) -> None:
        size = cut or max(1, len(data))
        for start in range(0, len(data), size):
            self._now_s += 0.001
            self.take(self.dialect.feed(data[start : start + size], self._now_s, PEER))

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self._now_s += STEP_S
            self.take(self.dialect.tick(self._now_s))

    def take(self, turn: Turn) -> None:
        self.written += b"".join(write.data for write in turn.writes)
        self.events += [words(event) for event in turn.events]

    def _transmit(self, fields: list[str]) -> None:
        chosen = dict(field.split("=") for field in fields[2:])
        settings = None
        if "inverted" in chosen:
            settings = RadioSettings(
                frequency_hz=self.transcript.settings.frequency_hz, iq_inverted=True
            )
        request = Transmit(
            fields[0],
            bytes.fromhex(fields[1]),
            settings=settings,
            at_us=int(chosen["at"]) if "at" in chosen else None,
            destination=int(chosen.get("to", "0")),
        )
        self.take(self.dialect.transmit(request, self._now_s))

    def _compare(self, item: Item) -> None:
        if self._check_writes:
            assert self.written == self._expected, f"before {item.kind} {item.text}"


def without_trouble(events: list[str]) -> list[str]:
    return [event for event in events if not event.startswith("trouble")]


def noise_of(seed: int, pieces: int, ending: bytes) -> list[bytes]:
    """Return random pieces of line noise, each ended as this device's lines or frames are."""
    chance = random.Random(seed)  # noqa: S311 - repeatable noise
    return [chance.randbytes(chance.randrange(40)) + ending for _ in range(pieces)]
