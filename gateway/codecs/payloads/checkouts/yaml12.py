"""YAML by the 1.2 core schema -> plain JSON values.

Device repositories mean YAML 1.2, where `On`, `NO` and `yes` are text; PyYAML reads 1.1 and makes
booleans of them. Only its event stream is used here, and what a plain scalar is is decided by the
core schema (YAML 1.2.2, section 10.3.2), with binary integers (`0b101`) added because js-yaml, the
reader of The Things Network's validator, knows them. Building from events also keeps strangers'
nesting off the C stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from gateway.errors import BadInput
from gateway.types import Json

MAX_DEPTH = 100
MAX_NODES = 500_000
"""Nodes of one document, those that aliases repeat included."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEANS = dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
_BASED = re.compile(r"([-+]?)0(?:o([0-7]+)|x([0-9a-fA-F]+)|b([01]+))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def read_yaml(text: str) -> Json:
    """Return the first document of the text as JSON; duplicate keys: the last wins.

    Infinities and NaN become null, as JSON writes them. Keys become text as JavaScript has it.

    Raises
    ------
    BadInput
        `invalid_yaml`: it cannot be read, nests too deep, or is too large.

    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.DocumentEndEvent):
                break
            builder.take(event)
    except yaml.YAMLError as error:
        raise BadInput("invalid_yaml", " ".join(str(error).split())) from None
    return builder.root


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    value: dict[str, Json] | list[Json]
    anchor: str | None
    nodes_before: int
    key: str | None = None
    merges: list[Json] = field(default_factory=list)


_MERGE = "\0merge"
"""Stands for the key `<<`, which no document can spell: YAML allows no NUL."""


class _Builder:
    """Builds one document; aliases share their anchor's value."""

    def __init__(self) -> None:
        self.root: Json = None
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Json, int]] = {}
        self._nodes = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(1)
        value: Json = _value(event)
        if self._expects_key() and event.value == "<<" and event.implicit[0]:
            value = _MERGE
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._put(value)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self._anchors:
            raise BadInput("invalid_yaml", f"alias *{event.anchor} of nothing, or of itself")
        value, nodes = self._anchors[event.anchor]
        self._count(nodes)
        self._put(value)

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        self._count(1)
        if len(self._open) >= MAX_DEPTH:
            raise BadInput("invalid_yaml", f"it nests deeper than {MAX_DEPTH}")
        if self._expects_key():
            raise BadInput("invalid_yaml", "a table or list as a key")
        value: dict[str, Json] | list[Json] = (
            {} if isinstance(event, yaml.MappingStartEvent) else []
        )
        self._open.append(_Open(value, event.anchor, self._nodes - 1))

    def _end(self) -> None:
        done = self._open.pop()
        if isinstance(done.value, dict) and done.merges:
            done.value = _merged(done.merges) | done.value
        if done.anchor is not None:
            self._anchors[done.anchor] = (done.value, self._nodes - done.nodes_before)
        self._put(done.value)

    def _put(self, value: Json) -> None:
        if not self._open:
            self.root = value
            return
        top = self._open[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            top.key = value if value == _MERGE else _key(value)
        else:
            if top.key == _MERGE:
                top.merges.append(value)
            else:
                top.value[top.key] = value
            top.key = None

    def _expects_key(self) -> bool:
        return (
            bool(self._open)
            and isinstance(self._open[-1].value, dict)
            and (self._open[-1].key is None)
        )

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise BadInput("invalid_yaml", f"it has more than {MAX_NODES} values")


def _merged(merges: list[Json]) -> dict[str, Json]:
    """Return what `<<` brings in: of several tables the earlier goes before the later."""
    merged: dict[str, Json] = {}
    for table in reversed(list(_tables(merges))):
        merged |= table
    return merged


def _tables(merges: list[Json]) -> Iterator[dict[str, Json]]:
    for value in merges:
        for table in value if isinstance(value, list) else [value]:
            if not isinstance(table, dict):
                raise BadInput("invalid_yaml", "<< takes a table or a list of tables")
            yield table


def _value(event: yaml.ScalarEvent) -> Json:
    text: str = event.value
    tag = (event.tag or "").removeprefix(_TAG)
    if tag in ("str", "!") or (not tag and not event.implicit[0]):
        return text
    return _plain(text)


def _plain(text: str) -> Json:
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NULL.fullmatch(text) or _NO_NUMBER.fullmatch(text):
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return None if number in (float("inf"), float("-inf")) else number
    if (based := _BASED.fullmatch(text)) is not None:
        sign, octal, hexadecimal, binary = based.groups()
        digits, base = (octal, 8) if octal else (hexadecimal, 16) if hexadecimal else (binary, 2)
        return int(sign + digits, base)
    return text


def _key(value: Json) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:  # noqa: PLR2004
        value = int(value)  # JavaScript writes 1.0 as 1, up to 1e21
    return str(value)
