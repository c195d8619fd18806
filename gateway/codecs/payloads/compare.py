"""Expected against got, both as JSON.

What the ecosystems' own runners compare: The Things Network's validator (lorawan-devices,
`bin/validate.js`) holds the whole output against the example's, `data`, `errors` and `warnings`
alike, key order aside; ChirpStack's (chirpstack-device-profiles, the test runner) does the same by
JSON text. So do we, with three differences. An empty list of errors or warnings is none, for a
`Decoded` does not tell the two apart. Where errors are expected nothing else counts, for a codec
that raises them gives no data. Keys beside `data`, `errors`, `warnings` (`bytes`, `fPort`) are not
compared.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.types import Json

RELATIVE = 1e-9
ABSOLUTE = 1e-6
"""Numbers no farther apart than one of these are close: two engines' last digits, no more."""

MAX_LINES = 10
_MAX_VALUE = 80


class Outcome(StrEnum):
    """What became of an example."""

    EXACT = "exact"
    CLOSE = "close"
    DIFFER = "differ"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome; `diff` has lines for CLOSE and DIFFER, `reason` a sentence for FAILED."""

    outcome: Outcome
    diff: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf, or branch, that is not the same. `close`: two numbers nearly the same."""

    line: str
    close: bool = False


class _Missing:
    """A value that is not there, which null is not."""


_MISSING = _Missing()


def compare(expected: Json, got: Json, *, nulls: frozenset[str] = frozenset()) -> Verdict:
    """Return EXACT, CLOSE or DIFFER; 1 is 1.0 and -0 is 0, but true is not 1.

    `nulls` are dotted keys that the codec gave as no number (NaN), which JSON writes as null.
    """
    return verdict_of(list(differences(expected, got, nulls=nulls)))


def disagreements(server: Mapping[str, Json], own: Mapping[str, Json]) -> list[str]:
    """Return where two decodings of one uplink differ, at most `MAX_LINES`.

    A null is no value, and last digits are none of anybody's: servers keep numbers as floats.
    """
    found = differences(_without_nulls(server), _without_nulls(own))
    return [difference.line for difference in found if not difference.close][:MAX_LINES]


def _without_nulls(tree: Json) -> Json:
    if isinstance(tree, Mapping):
        return {key: _without_nulls(value) for key, value in tree.items() if value is not None}
    return [_without_nulls(item) for item in tree] if isinstance(tree, list) else tree


def verdict_of(found: list[Difference]) -> Verdict:
    """Return the verdict over all differences of one example."""
    if not found:
        return Verdict(Outcome.EXACT)
    worst_first = sorted(found, key=lambda difference: difference.close)
    lines = [difference.line for difference in worst_first[:MAX_LINES]]
    if len(found) > MAX_LINES:
        lines[-1] = f"and {len(found) - MAX_LINES + 1} more"
    close = all(difference.close for difference in found)
    return Verdict(Outcome.CLOSE if close else Outcome.DIFFER, tuple(lines))


def differences(
    expected: Json, got: Json, path: str = "", *, nulls: frozenset[str] = frozenset()
) -> Iterator[Difference]:
    """Yield every leaf that differs, is missing, or is extra, in the expected order."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key in [*expected, *(key for key in got if key not in expected)]:
            yield from differences(
                expected.get(key, _MISSING),
                got.get(key, _MISSING),
                f"{path}.{key}" if path else str(key),
                nulls=nulls,
            )
    elif isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        for index in range(max(len(expected), len(got))):
            yield from differences(
                expected[index] if index < len(expected) else _MISSING,
                got[index] if index < len(got) else _MISSING,
                f"{path}[{index}]",
                nulls=nulls,
            )
    elif not (_same(expected, got) or (expected is None and got is _MISSING and path in nulls)):
        yield Difference(_line(path, expected, got), close=_close(expected, got))


def _same(expected: Json, got: Json) -> bool:
    if _is_number(expected) and _is_number(got):
        return expected == got or _double(expected) == _double(got)
    return type(expected) is type(got) and bool(expected == got)


def _close(expected: Json, got: Json) -> bool:
    if not (_is_number(expected) and _is_number(got)):
        return False
    if isinstance(expected, int) and isinstance(got, int):
        return False
    return math.isclose(
        _double(expected), _double(got), rel_tol=RELATIVE, abs_tol=ABSOLUTE
    ) and math.isfinite(_double(got))


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _double(value: float) -> float:
    """Return a number as JavaScript has it: an integer beyond 2**53 is rounded."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _line(path: str, expected: Json, got: Json) -> str:
    where = path or "(all)"
    if got is _MISSING:
        return f"{where}: {_text(expected)} -> missing"
    if expected is _MISSING:
        return f"{where}: extra {_text(got)}"
    return f"{where}: {_text(expected)} -> {_text(got)}"


def _text(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"
