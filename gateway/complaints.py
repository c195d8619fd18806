"""What is wrong with the settings, in words: the key, its value, what is allowed, the nearest key.

It knows pydantic's errors and nothing of what the settings are for.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

Location = tuple[int | str, ...]

_SECRET = ("password", "secret", "token")
_SIGNS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text in quotes",
    "path": "a path in quotes",
    "tuple": "a list in [ ]",
    "dict": "a table",
    "model": "a table",
    "finite": "a finite number",
}


def explain(error: ValidationError, model: type[BaseModel], origin_of: Callable[[str], str]) -> str:
    """Return one line for each mistake; `origin_of` says where a dotted key was set."""
    return "\n".join(
        _explain_one(item, model, origin_of) for item in error.errors(include_url=False)
    )


def _explain_one(
    item: Mapping[str, Any], model: type[BaseModel], origin_of: Callable[[str], str]
) -> str:
    location: Location = item["loc"]
    key = _dotted(location)
    if item["type"] == "extra_forbidden":
        hint = _nearest(str(location[-1]), _known_keys(location[:-1], model))
        return f"{origin_of(key)}unknown key {key!r}; {hint}"
    if item["type"] == "missing":
        return f"{origin_of(key)}{key!r} is required."
    return f"{origin_of(key)}{key}{_shown(location, item)}: {_allowed(item, location, model)}"


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _shown(location: Location, item: Mapping[str, Any]) -> str:
    value, name = item.get("input"), str(location[-1]) if location else ""
    plain = isinstance(value, str | int | float | bool)
    if not plain or name.endswith(_SECRET):
        return ""
    text = repr(value)
    return f" = {text[:80]}{'…' if len(text) > 80 else ''}"  # noqa: PLR2004 - a line's worth


def _allowed(item: Mapping[str, Any], location: Location, model: type[BaseModel]) -> str:
    kind: str = item["type"]
    if kind == "value_error":
        return f"{str(item['msg']).removeprefix('Value error, ')}."
    if kind == "literal_error":
        return _choices(location, item, model)
    if kind.startswith(("greater_than", "less_than")):
        return f"must be {_range(location, model) or item['msg']}."
    if kind == "string_pattern_mismatch":
        return f"must match the pattern {item['ctx']['pattern']}."
    wanted = _TYPES.get(kind.split("_", maxsplit=1)[0])
    if wanted is not None and kind.endswith(("_type", "_parsing", "_from_float", "_number")):
        bounds = _range(location, model)
        return f"must be {wanted}{f', {bounds}' if bounds else ''}."
    return f"{item['msg']}."


def _choices(location: Location, item: Mapping[str, Any], model: type[BaseModel]) -> str:
    field = _field(location, model)
    allowed = [str(choice) for choice in _literals(field.annotation)] if field else []
    if not allowed:
        return f"{item['msg']}."
    listed = ", ".join(map(repr, allowed))
    near = difflib.get_close_matches(str(item.get("input")), allowed, n=1, cutoff=0.6)
    return f"must be one of {listed}{f'; did you mean {near[0]!r}?' if near else '.'}"


def _literals(annotation: Any) -> Iterator[object]:  # noqa: ANN401 - an annotation may be anything
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for inner in get_args(annotation):
            yield from _literals(inner)


def _range(location: Location, model: type[BaseModel]) -> str:
    field = _field(location, model)
    bounds = [
        f"{word} {getattr(limit, sign):g}"
        for limit in (field.metadata if field else ())
        for sign, word in _SIGNS.items()
        if hasattr(limit, sign)
    ]
    return " and ".join(bounds)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}."


def _known_keys(location: Location, model: type[BaseModel]) -> list[str]:
    section = _section(location, model)
    return sorted(section.model_fields) if section is not None else []


def _field(location: Location, model: type[BaseModel]) -> Any:  # noqa: ANN401 - pydantic's own
    named = [part for part in location if isinstance(part, str)]
    section = _section(tuple(named[:-1]), model) if named else None
    return section.model_fields.get(named[-1]) if section is not None else None


def _section(location: Location, model: type[BaseModel]) -> type[BaseModel] | None:
    """Walk down to the table a location names; a table of tables takes one name more."""
    section: type[BaseModel] | None = model
    names = iter([part for part in location if isinstance(part, str)])
    for name in names:
        field = section.model_fields.get(name) if section is not None else None
        if field is None:
            return None
        if get_origin(field.annotation) is dict:
            next(names, None)
        section = _model_in(field.annotation)
    return section


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - likewise
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(inner) for inner in get_args(annotation))
    return next((model for model in found if model is not None), None)
