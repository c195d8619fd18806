"""Tables of time series as people have them: CSV, perhaps gzipped, with a time and channels.

Accepted: comma, semicolon or tab; a byte order mark; any line ends; decimal commas where the
separator is a semicolon; times as ISO 8601 (without a zone: UTC) or epoch seconds, milli- or
microseconds. What is not accepted is said in one plain sentence.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gateway.errors import ConfigError, GatewayError
from gateway.types import Verdict

Warn = Callable[[str], None]

_BLANKS = frozenset({"", "na", "nan", "null", "none", "n/a", "#n/a", "-", "--", "?", "missing"})
_TIME_NAMES = ("time", "timestamp", "datetime", "date_time", "date", "ts", "epoch", "unixtime")
_LOOKED_AT = 1000
_MILLI_FROM, _MICRO_FROM = 1e11, 1e14
_EARLIEST_S, _RECENT_S, _LATEST_S = 0.0, 3e8, 4102444800.0
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Table:
    """A file's content.

    `time_text` [N] as written; `times_s` float64 [N], NaN where a time cannot be read; `columns`
    maps a channel to float64 [N], NaN where missing.
    """

    path: Path
    time_name: str
    time_text: list[str]
    times_s: npt.NDArray[np.float64]
    columns: dict[str, npt.NDArray[np.float64]]

    def order(self) -> npt.NDArray[np.intp]:
        """Rows with a time, oldest first; rows of equal time in the file's order."""
        order = np.argsort(self.times_s, kind="stable")
        return order[np.isfinite(self.times_s[order])]


@dataclass(frozen=True, slots=True)
class Cells:
    """A file's content as text: `columns` maps a name to its cells, the time's own left out."""

    path: Path
    times_s: list[float]
    columns: dict[str, list[str]]

    def order(self) -> list[int]:
        """Rows with a time, oldest first; rows of equal time in the file's order."""
        timed = [at for at, time_s in enumerate(self.times_s) if math.isfinite(time_s)]
        return sorted(timed, key=self.times_s.__getitem__)


@dataclass(slots=True)
class Judged:
    """Verdicts and alert ids of one column, by the table's row; None where there is none."""

    verdicts: list[Verdict | None]
    alerts: list[str]


def to_stderr(text: str) -> None:
    """Tell the person at the terminal."""
    print(f"Warning: {text}", file=sys.stderr)


def read_table(
    path: Path, time_name: str | None = None, wanted: Sequence[str] = (), warn: Warn = to_stderr
) -> Table:
    """Read a table; `wanted` columns only, or every column that holds numbers.

    Raises
    ------
    GatewayError
        The file cannot be read or used.
    ConfigError
        A column that was asked for does not exist or holds text.

    """
    header, rows = _rows(path, warn)
    time_at = _time_column(path, header, rows, time_name)
    time_text = [row[time_at] for row in rows]
    times_s = np.array([_seconds_or_nan(text) for text in time_text])
    if not np.isfinite(times_s).any():
        raise GatewayError(
            f"{path}: no value of column {header[time_at]!r} is a time; the first is "
            f"{time_text[0][:40]!r}. Use ISO 8601 or epoch seconds, or name another with --time."
        )
    if lost := int((~np.isfinite(times_s)).sum()):
        warn(f"{lost} rows have no readable time; they are not judged.")
    _warn_of_order(times_s[np.isfinite(times_s)], warn)
    named = ["" if at == time_at else name for at, name in enumerate(header)]
    columns = _columns(path, named, rows, wanted, warn)
    return Table(path, header[time_at], time_text, times_s, columns)


def read_cells(path: Path, time_name: str | None = None, warn: Warn = to_stderr) -> Cells:
    """Read a table of which some columns may hold words: states, or which device a row is of.

    Blanks, in whichever spelling, are "".

    Raises
    ------
    GatewayError
        The file cannot be read or used.

    """
    header, rows = _rows(path, warn)
    time_at = _time_column(path, header, rows, time_name)
    times_s = [_seconds_or_nan(row[time_at]) for row in rows]
    if lost := sum(not math.isfinite(time_s) for time_s in times_s):
        warn(f"{lost} rows have no readable time; they are left out.")
    columns = {
        name: ["" if row[at].strip().lower() in _BLANKS else row[at] for row in rows]
        for at, name in enumerate(header)
        if name and at != time_at
    }
    return Cells(path, times_s, columns)


def _warn_of_order(times_s: npt.NDArray[np.float64], warn: Warn) -> None:
    steps = np.diff(times_s)
    if (steps < 0).any():
        warn("the rows are not in order of time; they are judged in order of time.")
    if np.unique(times_s).size < times_s.size:
        warn("some times occur more than once; only the first row of each is judged.")


def _rows(path: Path, warn: Warn) -> tuple[list[str], list[list[str]]]:
    text = _text(path)
    delimiter = _delimiter(text)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise GatewayError(f"{path} is not a readable CSV file: {error}.") from error
    table = [row for row in table if any(cell.strip() for cell in row)]
    if not table:
        raise GatewayError(f"{path} is empty. It needs a header line and rows.")
    header = _header(path, table[0])
    rows = [row for row in table[1:] if len(row) == len(header)]
    if not rows:
        raise GatewayError(f"{path} has a header line, but no rows with its {len(header)} columns.")
    if short := len(table) - 1 - len(rows):
        warn(f"{short} lines have another number of columns than the header; they are left out.")
    if delimiter == ";":
        rows = [[_decimal_comma(cell) for cell in row] for row in rows]
    return header, rows


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
    except FileNotFoundError:
        raise GatewayError(f"{path} does not exist.") from None
    except (OSError, EOFError) as error:
        raise GatewayError(f"{path} cannot be read: {error}.") from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if b"\x00" in content[:4096]:
        raise GatewayError(f"{path} is not a text file.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _delimiter(text: str) -> str:
    first = text.lstrip("\r\n").split("\n", 1)[0]
    return max((",", ";", "\t"), key=lambda mark: (first.count(mark), mark == ","))


def _header(path: Path, names: list[str]) -> list[str]:
    header = [name.strip() for name in names]
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        twice = sorted({name for name in named if named.count(name) > 1})
        raise GatewayError(f"{path}: column names must be unique; twice: {', '.join(twice)}.")
    if all(_is_number(name) for name in header):
        raise GatewayError(f"{path} has no header line: its first line is all numbers.")
    return header


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _decimal_comma(cell: str) -> str:
    return cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell


def _time_column(path: Path, header: list[str], rows: list[list[str]], name: str | None) -> int:
    if name is not None:
        if name in header:
            return header.index(name)
        raise ConfigError(f"{path} has no column {name!r}. It has: {_listed(header)}.")
    if len(header) == 1:
        raise GatewayError(
            f"{path} has the one column {header[0]!r}. It needs a time column and a channel."
        )
    named = [at for at, text in enumerate(header) if text.lower() in _TIME_NAMES]
    for at in [*named, *(at for at in range(len(header)) if at not in named)]:
        if _holds_times(rows, at, strict=at not in named):
            return at
    raise GatewayError(
        f"{path}: no column looks like a time (ISO 8601 or epoch). Name it with --time. "
        f"Columns: {_listed(header)}."
    )


def _holds_times(rows: list[list[str]], at: int, *, strict: bool) -> bool:
    """Whether most cells are times; `strict`: plain numbers count only if they look like now."""
    cells = [row[at].strip() for row in rows[:_LOOKED_AT] if row[at].strip()]
    times = [_seconds_or_nan(cell) for cell in cells]
    if strict and any(map(_is_number, cells)) and min(times) < _RECENT_S:
        return False
    return bool(cells) and sum(math.isfinite(time) for time in times) > len(cells) / 2


def _seconds_or_nan(text: str) -> float:
    """Return POSIX seconds of an ISO 8601 or epoch time, NaN when it is neither."""
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        return _iso_seconds(text)
    if number >= _MICRO_FROM:
        number /= 1e6
    elif number >= _MILLI_FROM:
        number /= 1e3
    return number if _EARLIEST_S <= number <= _LATEST_S else math.nan


def _iso_seconds(text: str) -> float:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _columns(
    path: Path, header: list[str], rows: list[list[str]], wanted: Sequence[str], warn: Warn
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the wanted columns, else every one of numbers; the time's name is blank by now."""
    for name in wanted:
        if name not in header:
            raise ConfigError(f"{path} has no column {name!r}. It has: {_listed(header)}.")
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for at, name in enumerate(header):
        if not name or (wanted and name not in wanted):
            continue
        values, bad = _numbers([row[at] for row in rows])
        if bad > np.isfinite(values).sum():
            if wanted:
                raise ConfigError(f"{path}: column {name!r} holds text, not numbers.")
            warn(f"column {name!r} holds text; it is left out.")
            continue
        if bad:
            warn(f"column {name!r}: {bad} cells are not numbers; they count as missing.")
        columns[name] = values
    if not columns:
        raise GatewayError(f"{path} has no column of numbers beside the time.")
    return {name: columns[name] for name in wanted} if wanted else columns


def _numbers(cells: list[str]) -> tuple[npt.NDArray[np.float64], int]:
    """Return the values, NaN where blank or not a number, and how many were not numbers."""
    values = np.full(len(cells), np.nan)
    bad = 0
    for at, cell in enumerate(cells):
        try:
            values[at] = float(cell)
        except ValueError:
            bad += cell.strip().lower() not in _BLANKS
    values[~np.isfinite(values)] = np.nan
    return values, bad


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20] if name)
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")  # noqa: PLR2004
