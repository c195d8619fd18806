"""Recorded sensor series, read from the data folder onto a fixed step, and windows cut from them.

What is trained on and what is kept back is decided by rule, never by hand:

- *confirm*: a whole file (or, where a set is one table, a whole column or mote) whose name's
  SHA-256 begins with a byte divisible by 4, in the labelled sets of whole files by 2, since figures
  on few labelled series mean little. Never seen in training, nor while settling anything.
- *settle*: the last quarter (by time) of every other series. For choosing settings.
- *train*: the rest.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

DAY_S = 86400.0
HOUR_S = 3600.0
AVERAGED = 0.3  # share of coarser windows that hold means; the others hold every nth sample
SENTINELS = (-9999.0,)
SPANS = {"train": (0.0, 0.75), "settle": (0.75, 1.0), "confirm": (0.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Series:
    """One recorded channel: `values` float64 [n] from `start_s` every `step_s`, NaN = missing.

    `source` is the file within the data folder, `part` one of train, settle and confirm.
    """

    group: str
    source: str
    channel: str
    start_s: float
    step_s: float
    values: npt.NDArray[np.float64]
    part: str = "train"

    @property
    def name(self) -> str:
        """A name that no other series has."""
        return f"{self.source}:{self.channel}"


def kept_back(name: str, every: int = 4) -> bool:
    """Tell whether a file or channel of this name is for confirmation only: one of `every`."""
    return hashlib.sha256(name.encode()).digest()[0] % every == 0


def number(text: str) -> float:
    """Return the number in a cell; whatever is none, or a known sentinel, is NaN."""
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return float("nan") if value in SENTINELS else value


def table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a gzipped CSV file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]


def times(texts: list[str]) -> npt.NDArray[np.float64]:
    """Return POSIX seconds of ISO-like times without a zone; what cannot be read is NaN."""
    out = np.full(len(texts), np.nan)
    for index, text in enumerate(texts):
        try:
            out[index] = np.datetime64(text.strip().replace(" ", "T"), "s").astype(np.int64)
        except ValueError:
            continue
    return out


def gridded(
    time_s: npt.NDArray[np.float64], values: npt.NDArray[np.float64], step_s: float
) -> tuple[float, npt.NDArray[np.float64]]:
    """Put samples [n] on a fixed step, the last of a slot wins; return the start and the slots."""
    known = np.isfinite(time_s) & np.isfinite(values)
    if not known.any():
        return 0.0, np.empty(0)
    slot = np.floor(time_s[known] / step_s).astype(np.int64)
    order = np.argsort(slot, kind="stable")
    slot, seen = slot[order], values[known][order]
    out = np.full(int(slot[-1] - slot[0]) + 1, np.nan)
    out[slot - slot[0]] = seen
    return float(slot[0]) * step_s, out


def columns(
    path: Path, folder: Path, wanted: Callable[[str], bool], *, every_s: float | None = None
) -> Iterator[Series]:
    """Yield one series per wanted column of a file whose first column is the time."""
    header, rows = table(path)
    time_s = times([row[0] for row in rows])
    if every_s is not None:  # rows between the steps hold fillers
        rows = [row for row, t in zip(rows, time_s, strict=True) if t % every_s == 0]
        time_s = time_s[time_s % every_s == 0]
    step_s = float(np.median(np.diff(time_s[np.isfinite(time_s)])))
    for index, channel in enumerate(header):
        if index and wanted(channel):
            cells = np.array([number(row[index]) for row in rows])
            start_s, values = gridded(time_s, cells, step_s)
            source = str(path.relative_to(folder))
            yield Series(source.split("/", maxsplit=1)[0], source, channel, start_s, step_s, values)


def nab(folder: Path) -> Iterator[Series]:
    """Yield the Numenta series."""
    for path in sorted((folder / "nab").rglob("*.csv.gz")):
        yield from columns(path, folder, lambda _: True)


def rivers(folder: Path) -> Iterator[Series]:
    """Yield water quality, raw and corrected, at 15 minutes."""
    for path in sorted((folder / "logan_river").glob("*.csv.gz")):
        yield from columns(path, folder, lambda channel: not channel.endswith("_qual"))


def soils(folder: Path) -> Iterator[Series]:
    """Yield forest soil loggers, hourly."""
    for path in sorted((folder / "hubbard_brook_soil").glob("z6-*.csv.gz")):
        yield from columns(path, folder, lambda _: True)


def greenhouses(folder: Path) -> Iterator[Series]:
    """Yield greenhouse climate, hourly and every five minutes."""
    for path in sorted((folder / "greenhouse").glob("*.csv.gz")):
        yield from columns(path, folder, lambda _: True, every_s=300.0)


def motes(folder: Path) -> Iterator[Series]:
    """Yield motes that speak every five seconds; the table has no time of day."""
    for path in sorted((folder / "wsn").glob("*.csv.gz")):
        _, rows = table(path)
        for mote in sorted({row[1] for row in rows}):
            for index, channel in ((3, "humidity"), (4, "temperature")):
                values = np.array([number(row[index]) for row in rows if row[1] == mote])
                source = str(path.relative_to(folder))
                yield Series("wsn", source, f"mote{mote}.{channel}", 0.0, 5.0, values)


def air(folder: Path) -> Iterator[Series]:
    """Yield hourly air quality and weather of city stations."""
    skipped = {"No", "year", "month", "day", "hour", "wd", "station"}
    for path in sorted((folder / "beijing_air").glob("*.csv.gz")):
        header, rows = table(path)
        time_s = times([f"{r[1]}-{int(r[2]):02}-{int(r[3]):02}T{int(r[4]):02}" for r in rows])
        for index, channel in enumerate(header):
            if channel not in skipped:
                cells = np.array([number(row[index]) for row in rows])
                start_s, values = gridded(time_s, cells, 3600.0)
                source = str(path.relative_to(folder))
                yield Series("beijing_air", source, channel, start_s, 3600.0, values)


READERS = (nab, rivers, soils, greenhouses, motes, air)
SINGLE_TABLES = ("wsn", "greenhouse")
LABELLED = ("nab", "logan_river")


def load(folder: Path) -> list[Series]:
    """Return every usable series of the folder, each with its part; sets not there are left out."""
    found = []
    for reader in READERS:
        for series in reader(folder):
            if np.isfinite(series.values).sum() < 400:  # noqa: PLR2004 - too short to cut from
                continue
            single = series.group in SINGLE_TABLES
            name = series.channel if single else series.source
            kept = kept_back(name, 2 if series.group in LABELLED else 4)
            found.append(replace(series, part="confirm" if kept else "train"))
    return found


def identity(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every data file by its path within the folder."""
    used = {"nab", "logan_river", "hubbard_brook_soil", "greenhouse", "wsn", "beijing_air"}
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.csv.gz"))
        if path.relative_to(folder).parts[0] in used
    }


def coarser(values: npt.NDArray[np.float64], factor: int, *, mean: bool) -> npt.NDArray[np.float64]:
    """Return every `factor`-th sample [n // factor], or the mean over so many."""
    rows = values[len(values) % factor :].reshape(-1, factor)
    if not mean or factor == 1:
        return rows[:, -1].copy()
    known = np.isfinite(rows)
    total = np.where(known, rows, 0).sum(1)
    return np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan)


def factors(step_s: float) -> tuple[int, ...]:
    """Return by how much a series of this step may be made coarser: up to about an hour."""
    return tuple(f for f in (1, 2, 3, 4, 6, 12, 24, 60, 120) if f == 1 or f * step_s <= HOUR_S)


def cut(
    series: Series, end: int, length: int, factor: int, *, mean: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the `length` slots before sample `end`, less their mean, and their clock [2].

    What lies before the beginning of the recording is missing (NaN).
    """
    values = coarser(series.values[max(0, end - length * factor) : end], factor, mean=mean)
    window = np.full(length, np.nan)
    window[length - len(values) :] = values
    if np.isfinite(window).any():
        window -= np.nanmean(window)
    step_s = series.step_s * factor
    day = (series.start_s + (end - 1) * series.step_s) / DAY_S % 1.0
    return window.astype(np.float32), np.array([day, step_s / DAY_S], dtype=np.float32)


def windows(
    rng: np.random.Generator, found: list[Series], rows: int, length: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return random training windows [rows, length] and clocks [rows, 2], sets evenly mixed.

    Nothing after the first three quarters of a series is read.
    """
    sets: dict[str, list[Series]] = defaultdict(list)
    for series in found:
        if series.part == "train":
            sets[series.group].append(series)
    groups = sorted(sets)
    weight = np.sqrt([sum(len(s.values) for s in sets[g]) for g in groups])
    values, clock = np.empty((rows, length), np.float32), np.empty((rows, 2), np.float32)
    row = 0
    while row < rows:
        choice = sets[groups[int(rng.choice(len(groups), p=weight / weight.sum()))]]
        series = choice[int(rng.integers(len(choice)))]
        last = int(len(series.values) * SPANS["train"][1])
        factor = int(rng.choice(factors(series.step_s)))
        end = int(rng.integers(min(last, 200 * factor), last + 1))
        values[row], clock[row] = cut(
            series, end, length, factor, mean=bool(rng.random() < AVERAGED)
        )
        if np.isfinite(values[row]).sum() >= 128:  # noqa: PLR2004 - enough to learn from
            row += 1
    return values, clock
