"""Which of the packs that ship serves here: `small`, or `tiny` where memory or speed is short.

The choice is made once, by the machine's memory and the time of the golden windows, and kept in
`size.json` in the folder of packs. It is made anew only when the machine or a shipped pack is
another, and then a figure near its limit leaves it as it was: so it does not change by itself from
one start to the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.errors import PackError
from gateway.inference.fitness import Machine, this_machine
from gateway.inference.ownership import as_owner
from gateway.inference.pack import BUILTIN, open_model, read_pack
from gateway.inference.proof import milliseconds
from gateway.speech import say

SMALL, TINY = "small", "tiny"
SHIPPED: Mapping[str, Path] = {SMALL: BUILTIN, TINY: BUILTIN.with_name("tiny.zip")}
"""The packs that ship, by their size."""

LEAST_MB = 768.0
"""Memory of a machine that `small` may take its part of: not a Pi Zero 2 W, which has 512 MB."""

SLOWEST_MS = 4.0
"""A batch is 64 uplinks at most: of 4 channels each, it is judged in about a second at this pace.
"""

_SLACK = 1.25
_KEPT = "size.json"


class Choice(BaseModel):
    """What was chosen, why, and on what: `ms` is a window's time by size, where it was taken."""

    model_config = ConfigDict(frozen=True)
    size: str
    why: str
    memory_mb: float | None
    processor: str
    packs: dict[str, str]
    ms: dict[str, float] = {}


def decide(memory_mb: float | None, ms: Mapping[str, float], before: str = "") -> tuple[str, str]:
    """Return the size and the reason in a sentence.

    `ms` holds the time of a window of each size that works here, `before` what was chosen last:
    it stays unless the figures are a quarter beyond the limits.
    """
    slack = {TINY: 1.0 / _SLACK, SMALL: _SLACK}.get(before, 1.0)
    if SMALL not in ms and TINY in ms:
        return TINY, say("The small pack does not work here.")
    if TINY not in ms:
        return SMALL, say("The tiny pack does not work here.")
    if memory_mb is not None and memory_mb < LEAST_MB / slack:
        return TINY, say(
            "This machine has {memory:.0f} MB of memory; the small pack is for {least:.0f} MB and "
            "more.",
            memory=memory_mb, least=LEAST_MB,
        )  # fmt: skip
    if ms[SMALL] > SLOWEST_MS * slack:
        return TINY, say(
            "The small pack takes {took:.1f} ms for a window here, over {most:g} ms.",
            took=ms[SMALL], most=SLOWEST_MS,
        )  # fmt: skip
    return SMALL, say(
        "There is memory enough, and the small pack takes {took:.2f} ms for a window (tiny: "
        "{other:.2f} ms).",
        took=ms[SMALL], other=ms[TINY],
    )  # fmt: skip


def chosen(folder: Path) -> str:
    """Return the size in use without measuring: the one kept, else by the memory alone."""
    kept = remembered(folder)
    if kept is not None:
        return kept.size
    memory_mb = this_machine().total_mb
    return TINY if memory_mb is not None and memory_mb < LEAST_MB else SMALL


def remembered(folder: Path) -> Choice | None:
    """Return the choice that was kept, None where there is none that can be read."""
    try:
        choice = Choice.model_validate_json((folder / _KEPT).read_bytes())
    except (OSError, ValidationError):
        return None
    return choice if choice.size in SHIPPED else None


def settle(folder: Path, machine: Machine | None = None) -> Choice:
    """Return the choice for this machine; measure and keep it where that was not done yet.

    A folder that cannot be written costs a measurement at each start, nothing else.
    """
    here = machine or this_machine()
    kept, packs = remembered(folder), {size: _digest(path) for size, path in SHIPPED.items()}
    if kept is not None and kept.packs == packs and _same(kept, here):
        return kept
    ms = {size: spent for size, path in SHIPPED.items() if (spent := _timed(path)) is not None}
    size, why = decide(here.total_mb, ms, kept.size if kept else "")
    choice = Choice(
        size=size, why=why, memory_mb=here.total_mb, processor=here.processor, packs=packs, ms=ms
    )
    _keep(folder, choice)
    return choice


def _same(kept: Choice, here: Machine) -> bool:
    """Whether the machine is the one of then; its firmware may take a little more memory now."""
    if kept.processor != here.processor or (kept.memory_mb is None) != (here.total_mb is None):
        return False
    ratio = (kept.memory_mb or 1.0) / (here.total_mb or 1.0)
    return 1.0 / _SLACK < ratio < _SLACK


def _timed(path: Path) -> float | None:
    try:
        pack = read_pack(path)
        return round(milliseconds(open_model(pack), pack.golden), 3)
    except PackError:
        return None


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


def _keep(folder: Path, choice: Choice) -> None:
    if not folder.parent.is_dir():
        return  # nothing of the gateway is on this machine: a command is only tried out
    part = folder / f".{_KEPT}.new"
    try:
        folder.mkdir(exist_ok=True)
        as_owner(folder)
        part.write_text(choice.model_dump_json(indent=1) + "\n", encoding="utf-8")
        as_owner(part)
        part.replace(folder / _KEPT)
    except OSError:
        part.unlink(missing_ok=True)
