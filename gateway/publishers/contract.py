"""The JSON schemas of every payload: `schemas/<name>.json`, draft 2020-12, part of the package."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from gateway.types import Json


@cache
def names() -> tuple[str, ...]:
    """Return the names of all schemas, sorted."""
    found = files(__package__).joinpath("schemas").iterdir()
    return tuple(sorted(item.name[:-5] for item in found if item.name.endswith(".json")))


@cache
def schema(name: str) -> dict[str, Json]:
    """Return one schema.

    Raises
    ------
    KeyError
        There is none of that name.

    """
    if name not in names():
        raise KeyError(name)
    text = files(__package__).joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")
    loaded: dict[str, Json] = json.loads(text)
    return loaded
