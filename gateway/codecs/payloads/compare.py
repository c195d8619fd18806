"""Two decodings of one payload: where they disagree, leaf by leaf."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gateway.codecs.flatten import leaves
from gateway.types import Json

MOST = 10
CLOSE = 1e-9
"""Numbers closer than this part of themselves are the same: servers keep them as 64-bit floats."""


def differences(server: Mapping[str, Json], own: Mapping[str, Json]) -> list[str]:
    """Return at most `MOST` disagreements as `key: theirs, ours`. A null is no value."""
    theirs, ours = _values(server), _values(own)
    found = []
    for key in sorted({*theirs, *ours}):
        if key not in ours:
            found.append(f"{key}: {theirs[key]!r}, nothing")
        elif key not in theirs:
            found.append(f"{key}: nothing, {ours[key]!r}")
        elif not _same(theirs[key], ours[key]):
            found.append(f"{key}: {theirs[key]!r}, {ours[key]!r}")
        if len(found) == MOST:
            break
    return found


def _values(tree: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in leaves(tree) if value is not None}


def _same(one: Json, other: Json) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(one == other)
