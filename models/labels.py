"""Which samples of the recordings people call wrong, and what settings may be chosen on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models import data
from models.data import Series

Flags = npt.NDArray[np.bool_]
PARTS = {"tune": "train", "report": "confirm"}
"""What settings are chosen on, and what is reported, by the part of `data` it is made of."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A series and which of its slots people call wrong."""

    series: Series
    wrong: Flags


def labelled(folder: Path, part: str) -> Iterator[Labelled]:
    """Yield the labelled series of *tune* or *report* that hold both right and wrong samples."""
    found = data.load(folder)
    truth: dict[str, Flags] = {}
    for name, reader in (("logan_river", river_flags), ("wsn", mote_flags)):
        truth |= reader(folder) if (folder / name).is_dir() else {}
    if (folder / "nab").is_dir():
        truth |= nab_windows(folder, found)
    for series in found:
        wrong = truth.get(series.name)
        if series.part == PARTS[part] and wrong is not None and len(wrong) == len(series.values):
            seen = wrong[np.isfinite(series.values)]
            if 0 < seen.sum() < len(seen):
                yield Labelled(series, wrong)


def nab_windows(folder: Path, found: Sequence[Series]) -> dict[str, Flags]:
    """Return which slots lie in Numenta's (wide) windows."""
    windows = json.loads((folder / "nab" / "windows.json").read_text())
    flags = {}
    for series in (s for s in found if s.group == "nab"):
        name = series.source.removeprefix("nab/data/").removesuffix(".gz")
        at = series.start_s + np.arange(len(series.values)) * series.step_s
        wrong = np.zeros(len(at), dtype=bool)
        for bounds in windows.get(name, []):
            low, high = data.times([text.split(".")[0] for text in bounds])
            wrong |= (at >= low) & (at <= high)
        flags[series.name] = wrong
    return flags


def river_flags(folder: Path) -> dict[str, Flags]:
    """Return which raw river samples a technician marked."""
    flags = {}
    for path in sorted((folder / "logan_river").glob("*.csv.gz")):
        header, rows = data.table(path)
        time_s = data.times([row[0] for row in rows])
        step_s = float(np.median(np.diff(time_s[np.isfinite(time_s)])))
        for index, channel in enumerate(header):
            if f"{channel}_qual" in header:
                marks = header.index(f"{channel}_qual")
                cells = np.array([data.number(row[index]) for row in rows])
                wrong = np.array([float(row[marks] not in ("NULL", "")) for row in rows])
                wrong[~np.isfinite(cells)] = np.nan
                _, slots = data.gridded(time_s, wrong, step_s)
                flags[f"logan_river/{path.name}:{channel}"] = np.nan_to_num(slots) > 0
    return flags


def mote_flags(folder: Path) -> dict[str, Flags]:
    """Return which mote samples were influenced on purpose."""
    flags = {}
    for path in sorted((folder / "wsn").glob("*.csv.gz")):
        _, rows = data.table(path)
        for mote in sorted({row[1] for row in rows}):
            wrong = np.array([row[5] == "1" for row in rows if row[1] == mote])
            for channel in ("humidity", "temperature"):
                flags[f"wsn/{path.name}:mote{mote}.{channel}"] = wrong
    return flags
