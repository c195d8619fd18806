"""Values as JSON shows them: rounded, never NaN, times in RFC 3339."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from datetime import UTC, datetime

import numpy as np

from gateway.types import Channel, FloatArray, Json, Scalar

DIGITS = 6
"""Significant digits of a measured value; more than any sensor has."""

FORECAST_DIGITS = 5
"""Significant digits of a forecast's largest value; finer than any forecast is sure."""

FINEST = 3
"""Decimals that are kept in any case, however large the value."""

_FIRST_S = 0.0
_LAST_S = 253402300799.0  # 9999-12-31T23:59:59Z, the last that RFC 3339 can write
_EXACT = 2.0**53

RESERVED = frozenset({"time", "received", "f_cnt", "id", "quality", "historical"})
"""First words of a path that a device's own channels may not take in a state."""

IDENTITY = frozenset({"dev_eui", "name", "profile", "application"})
"""Words under `device` that a device's own channels may not take."""

ELSEWHERE = "reading"
"""Where a channel goes whose name is taken."""

Path = tuple[str, ...]


def dumps(value: Json) -> bytes:
    """Write compact UTF-8 JSON; a NaN or infinity in it is a bug and raises ValueError.

    Half a surrogate pair, which a stranger's JSON may hold and UTF-8 may not, becomes a `?`.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )


def rfc3339(time_s: float) -> str:
    """Write POSIX seconds as UTC with milliseconds; out-of-range times become the nearest one."""
    bounded = min(max(time_s, _FIRST_S), _LAST_S) if math.isfinite(time_s) else _FIRST_S
    text = datetime.fromtimestamp(bounded, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def maybe_time(time_s: float | None) -> str | None:
    """Write a time that may be unknown."""
    return None if time_s is None else rfc3339(time_s)


def number(value: float | None, digits: int = DIGITS) -> float | None:
    """Round to `digits` significant digits; None for None, NaN and infinities."""
    if value is None or not math.isfinite(value):
        return None
    value = float(value)
    if value == 0 or (value.is_integer() and abs(value) < _EXACT):
        return value
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return round(value, max(decimals, FINEST))


def columns(rows: FloatArray, digits: int = FORECAST_DIGITS) -> list[list[float]]:
    """Round finite rows together, to `digits` significant digits of their largest value.

    A forecast has a thousand numbers, so they are rounded in one go and to a common place.
    """
    exact = rows.astype(np.float64)
    largest = float(np.abs(exact).max(initial=0.0))
    decimals = digits - 1 - math.floor(math.log10(largest)) if largest > 0 else 0
    rounded: list[list[float]] = np.round(exact, max(decimals, FINEST)).tolist()
    return rounded


def scalar(value: Scalar, digits: int = DIGITS) -> Scalar | None:
    """Return a reading's value for JSON: numbers rounded, everything else as it is."""
    return number(value, digits) if isinstance(value, float) else value


def paths(channels: Collection[Channel]) -> dict[Channel, Path]:
    """Say where in the nested object each channel stands; no two share a place or an ancestor.

    `soil.moisture` stands at soil, moisture. A channel that is also the beginning of another
    (`tank` beside `tank.level`) stands at `value` below its name; one whose name a state needs
    for itself (`time`) stands below `reading`.
    """
    wanted = {channel: _own_place(channel) for channel in sorted(channels)}
    parents = {path[:n] for path in wanted.values() for n in range(1, len(path))}
    taken = {path for path in wanted.values() if path not in parents}
    for channel, path in wanted.items():
        if path in parents:
            word = "value"
            while (place := (*path, word)) in taken or place in parents:
                word += "_"
            taken.add(place)
            wanted[channel] = place
    return wanted


def nested(leaves: Iterable[tuple[Path, Json]]) -> dict[str, Json]:
    """Build the nested object of leaves whose paths do not collide."""
    tree: dict[str, Json] = {}
    for path, value in leaves:
        branch = tree
        for word in path[:-1]:
            branch = branch.setdefault(word, {})
        branch[path[-1]] = value
    return tree


def _own_place(channel: Channel) -> Path:
    path = tuple(channel.split("."))
    in_the_way = path[0] in {*RESERVED, ELSEWHERE} or (
        path[0] == "device" and (len(path) == 1 or path[1] in IDENTITY)
    )
    return (ELSEWHERE, *path) if in_the_way else path
