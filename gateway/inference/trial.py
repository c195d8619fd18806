"""How a new pack fares, kept in `trial.json` in the folder of packs: restarts do not matter.

A trial begins when a pack is installed, and ends when its time is over, when the pack is rolled
back, or when another is installed. What became of the newest packs is kept for `models list`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from gateway.inference.comparison import Comparison
from gateway.inference.ownership import as_owner

MOST_STARTS = 3
"""A pack with which the gateway came up this often and never lasted has failed."""

_KEPT_ENDINGS = 8
_FILE = "trial.json"


class Trial(BaseModel):
    """A pack on trial. `began_s` is None until the gateway has started with it.

    `ran_s` is how long it has been at work: what a clock jumps over does not count. `starts` counts
    the starts since it last ran for a while; `windows` were judged in `spent_s` of processor time.
    """

    pack: str
    began_s: float | None = None
    ran_s: float = 0.0
    starts: Annotated[int, Field(ge=0)] = 0
    windows: int = 0
    spent_s: float = 0.0
    compared: Comparison = Comparison()


class Ending(BaseModel):
    """What became of a trial: `reason` is "" for a pack that was kept."""

    pack: str
    time_s: float
    reason: str = ""
    detail: str = ""


class Record(BaseModel):
    """The file."""

    trial: Trial | None = None
    ended: tuple[Ending, ...] = ()

    def ending(self, pack: str) -> Ending | None:
        """Return the newest ending of a pack of this file name."""
        return next((one for one in reversed(self.ended) if one.pack == pack), None)


def read(folder: Path) -> Record:
    """Return what is kept; nothing where there is no file or none that can be understood."""
    try:
        return Record.model_validate_json((folder / _FILE).read_bytes())
    except (OSError, ValidationError):
        return Record()


def write(folder: Path, record: Record) -> None:
    """Keep the record, in one step.

    Raises
    ------
    OSError
        The folder cannot be written.

    """
    part = folder / f".{_FILE}.new"
    part.write_text(record.model_dump_json() + "\n", encoding="utf-8")
    as_owner(part)
    part.replace(folder / _FILE)


def begin(folder: Path, pack: Path) -> None:
    """Put a pack on trial that was just installed; an earlier trial is given up.

    Raises
    ------
    OSError
        The folder cannot be written.

    """
    write(folder, Record(trial=Trial(pack=pack.name), ended=read(folder).ended))


def give_up(folder: Path) -> None:
    """End a trial without a word on the pack: a person has gone back to the one before.

    Raises
    ------
    OSError
        The folder cannot be written.

    """
    record = read(folder)
    if record.trial is not None:
        write(folder, Record(ended=record.ended))


def end(folder: Path, ending: Ending) -> None:
    """Note what became of the pack on trial.

    Raises
    ------
    OSError
        The folder cannot be written.

    """
    write(folder, Record(ended=(*read(folder).ended, ending)[-_KEPT_ENDINGS:]))
