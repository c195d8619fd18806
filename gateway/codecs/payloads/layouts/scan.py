"""One payload while a layout reads it: where the reading stands, and what it gave so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import BadInput
from gateway.types import Json

MAX_TURNS = 1024
"""No payload has more turns of groups than this, all together."""


@dataclass(slots=True)
class Scan:
    """The state of one decoding.

    Positions are bytes of `data`: `at` is the next to read, `first` where the present message,
    item or group began, `end` where it must stop (before a checksum), `last` where its container
    ends, which negative positions count from. `bit` is the next bit, for `bits` in a row; `far` is
    the end of what was read, for items and commands whose fields go back and forth. `raw` holds
    the numbers of fields read, by name, before scaling.
    """

    data: bytes
    f_port: int
    end: int
    last: int
    at: int = 0
    first: int = 0
    bit: int = 0
    far: int = 0
    turns: int = 0
    out: dict[str, Json] = field(default_factory=dict)
    raw: dict[str, float] = field(default_factory=dict)
    rejects: list[tuple[str, str]] = field(default_factory=list)

    def position(self, at: int | None) -> int:
        """Return the byte a field begins at: `at` from the front, from the end, or the next."""
        if at is None:
            return self.at
        return self.first + at if at >= 0 else self.last + at

    def take(self, at: int | None, size: int, name: str) -> int:
        """Step over `size` bytes and return where they begin."""
        start = self.at if at is None else self.position(at)
        stop = start + size
        if stop > self.end or start < self.first or start < 0:
            raise short(name, size, self.end - start)
        self.at = stop
        if stop > self.far and (at is None or at >= 0):
            self.far = stop
        return start

    def turn(self) -> None:
        """Count one turn of a group: nested ones could go on for longer than any frame."""
        self.turns += 1
        if self.turns > MAX_TURNS:
            raise BadInput("codec_too_many_keys", f"more than {MAX_TURNS} turns of groups")


Step = Callable[[Scan], None]
"""Reads one field, and moves on."""

Holds = Callable[[Scan], bool]
"""Whether a condition is fulfilled."""


class Finished(Exception):  # noqa: N818 - an end, not an error
    """The payload ended where it may: before an optional field."""


def short(name: str, size: int, left: int) -> BadInput:
    """Return the refusal of a payload that ends too early."""
    what = f"`{name}`" if name else "the next bytes"
    return BadInput(
        "codec_truncated", f"{what} needs {size} bytes, of which the payload has {max(left, 0)}"
    )


def put(out: dict[str, Json], path: tuple[str, ...], value: Json) -> None:
    """Set a leaf in nested objects."""
    for key in path[:-1]:
        out = out.setdefault(key, {})
    out[path[-1]] = value


def run(steps: tuple[Step, ...], scan: Scan) -> None:
    """Read fields one after the other; an optional one that is missing ends it."""
    try:
        for step in steps:
            step(scan)
    except Finished:
        return
