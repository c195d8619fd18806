"""What a codec's author says it does: every ecosystem's spelling of an example -> `Example`.

| layout | an entry |
|---|---|
| The Things Network | `description`, `input{fPort, bytes}`, `output`, `normalizedOutput` |
| ChirpStack | `name`, `input{bytes, fPort, recvTime, variables}`, `expected` |
| codec package | `type`, `description`, `input`, `output`; older: all of these on one level |
| ours | `kind`, `description`, `input`, `expected` |
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import NoReturn

from gateway.errors import BadInput
from gateway.types import Json

MAX_EXAMPLES = 5_000
"""Of one codec; the largest public ones have a few hundred."""

_MAX_DESCRIPTION = 200


class Kind(StrEnum):
    """Which function an example is for."""

    UPLINK = "uplink"
    ENCODE = "encode"
    DOWNLINK = "downlink"
    NORMALIZE = "normalize"


@dataclass(frozen=True, slots=True)
class Example:
    """One pair of input and expected result, both as their file has them.

    `problem` says why the entry is no example; it is then reported and not run.
    """

    kind: Kind
    description: str
    input: Mapping[str, Json]
    expected: Mapping[str, Json]
    problem: str = ""


EvaluateJson5 = Callable[[str], Json]
"""Evaluates a text that is a JavaScript literal and gives it as JSON; raises `BadInput`."""

_KIND_OF_TYPE = {
    "uplink": Kind.UPLINK,
    "uplinkdecode": Kind.UPLINK,
    "decodeuplink": Kind.UPLINK,
    "decode": Kind.UPLINK,
    "downlinkencode": Kind.ENCODE,
    "encodedownlink": Kind.ENCODE,
    "encode": Kind.ENCODE,
    "downlinkdecode": Kind.DOWNLINK,
    "decodedownlink": Kind.DOWNLINK,
    "normalize": Kind.NORMALIZE,
    "normalizeuplink": Kind.NORMALIZE,
    "uplinknormalize": Kind.NORMALIZE,
}
_ROUTINES = (
    ("uplinkDecoder", Kind.UPLINK),
    ("downlinkEncoder", Kind.ENCODE),
    ("downlinkDecoder", Kind.DOWNLINK),
)


def read_json(text: str, evaluate: EvaluateJson5 | None) -> Json:
    """Return what a `.json` file holds; one with comments or hex numbers is read as JavaScript.

    Raises
    ------
    BadInput
        `invalid_json`, or what `evaluate` raises.

    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        if evaluate is None:
            raise BadInput("invalid_json", str(error)) from None
    return evaluate(text)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def of_definition(definition: Json) -> Iterator[tuple[str, list[Example]]]:
    """Yield (script's name, its examples) of a The Things Network codec, each script once.

    Raises
    ------
    BadInput
        `invalid_example`: a routine is no table, names no script, or its examples are no list.

    """
    if not isinstance(definition, Mapping):
        raise BadInput("invalid_example", "the codec is no table")
    scripts: dict[str, list[Example]] = {}
    for routine, kind in _ROUTINES:
        table = _field(definition, routine)
        if table is None:
            continue
        if not isinstance(table, Mapping):
            raise BadInput("invalid_example", f"{routine} is no table")
        name = _field(table, "fileName")
        if not isinstance(name, str) or not name:
            raise BadInput("invalid_example", f"{routine} names no script")
        entries = _entries(_field(table, "examples") or [])
        scripts.setdefault(name, []).extend(
            example for entry in entries for example in _of_routine(entry, kind)
        )
    yield from scripts.items()


def _of_routine(entry: Json, kind: Kind) -> Iterator[Example]:
    """Yield the example, and one more where it also shows the normalized form.

    The normalizer is given the example's own `output`, not what the decoder made of it.
    """
    yield (decoded := _of_entry(entry, kind))
    if decoded.problem or kind is not Kind.UPLINK:
        return
    normalized, data = _field(entry, "normalizedOutput"), decoded.expected.get("data")
    if isinstance(normalized, Mapping) and isinstance(data, Mapping):
        title = f"{decoded.description} (normalized)".strip()
        yield Example(Kind.NORMALIZE, title, {"data": data}, normalized)


def of_layout(text: str) -> list[Example]:
    """Return the `[[example]]` sections of a layout; none where it is no TOML."""
    try:
        entries = tomllib.loads(text).get("example")
    except tomllib.TOMLDecodeError:
        return []  # opening it says what is wrong
    found = []
    for index, entry in enumerate(entries if isinstance(entries, list) else (), 1):
        if not isinstance(entry, Mapping):
            continue
        name, data = f"example {index}", {"bytes": entry.get("hex"), "fPort": entry.get("f_port")}
        if "command" in entry:
            expected = {key: value for key, value in data.items() if value is not None}
            found.append(Example(Kind.ENCODE, name, {"data": entry["command"]}, expected))
        else:
            given = data if data["fPort"] is not None else {**data, "fPort": 1}
            found.append(Example(Kind.UPLINK, name, given, {"data": entry.get("object")}))
    return found


def of_listing(raw: Json, kind: Kind | None) -> list[Example]:
    """Return the examples of a list, or of a table with the list under `examples` or `tests`.

    `kind` is what an entry is that does not say it; None: what its input looks like.

    Raises
    ------
    BadInput
        `invalid_example`: there is no list.

    """
    if isinstance(raw, Mapping):
        raw = raw.get("examples", raw.get("tests", raw.get("example")))
    return [_of_entry(entry, kind) for entry in _entries(raw)]


def _entries(raw: Json) -> list[Json]:
    if not isinstance(raw, list):
        raise BadInput("invalid_example", "the examples are no list")
    if len(raw) > MAX_EXAMPLES:
        raise BadInput("invalid_example", f"more than {MAX_EXAMPLES} examples")
    return raw


def _of_entry(entry: Json, kind: Kind | None) -> Example:
    if not isinstance(entry, Mapping):
        return Example(kind or Kind.UPLINK, "", {}, {}, "an example must be a table")
    title = entry.get("description", entry.get("name", ""))
    description = title if isinstance(title, str) else json.dumps(title)
    description = " ".join(description.split())[:_MAX_DESCRIPTION]
    given = entry.get("input")
    flat = given is None and ("bytes" in entry or "data" in entry)
    if given is None:
        given = _flat_input(entry) if flat else {}
    if not isinstance(given, Mapping):
        return Example(kind or Kind.UPLINK, description, {}, {}, "its input is no table")
    kind = _kind(entry, given) if kind is None else kind
    if flat:
        return _of_flat(entry, kind, description)
    expected = _first(entry, ("expected", "output"))
    if not isinstance(expected, Mapping):
        return Example(kind, description, given, {}, "it expects no table of values")
    return Example(kind, description, given, expected)


def _flat_input(entry: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the input of an entry that has everything on one level: a downlink gives its data."""
    if _word(entry.get("type")) in {"downlink", "downlinkencode"}:
        return {"data": entry.get("data")}
    given = {name: entry[name] for name in ("bytes", "fPort", "variables") if name in entry}
    if "time" in entry:
        given["recvTime"] = entry["time"]
    return given


def _of_flat(entry: Mapping[str, Json], kind: Kind, description: str) -> Example:
    given = _flat_input(entry)
    names = ("bytes", "fPort") if kind is Kind.ENCODE else ("data",)
    expected = {name: entry[name] for name in (*names, "errors", "warnings") if name in entry}
    return Example(kind, description, given, expected)


def _kind(entry: Mapping[str, Json], given: Mapping[str, Json]) -> Kind:
    word = _word(_first(entry, ("kind", "type")))
    if word in _KIND_OF_TYPE:
        return _KIND_OF_TYPE[word]
    if "bytes" not in given and "data" in given:
        return Kind.ENCODE
    return Kind.DOWNLINK if word == "downlink" else Kind.UPLINK


def _word(name: Json) -> str:
    return "".join(c for c in name.lower() if c.isalpha()) if isinstance(name, str) else ""


def _first(table: Mapping[str, Json], names: tuple[str, ...]) -> Json:
    return next((table[name] for name in names if name in table), None)


def _field(table: Mapping[str, Json], name: str) -> Json:
    """Return a field by its name without case: a published site writes all in lower case."""
    if name in table:
        return table[name]
    return next((table[key] for key in table if key.lower() == name.lower()), None)


def to_listing(examples: tuple[Example, ...], origin: str) -> Json:
    """Return our own neutral form, which `of_listing` reads; `origin` says where it is from."""
    entries = [asdict(example) for example in examples if not example.problem]
    for entry in entries:
        del entry["problem"]
    return {"from": origin, "examples": entries}
