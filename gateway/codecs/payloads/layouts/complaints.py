"""What is wrong with a layout file, in words: which field of which file, and the remedy."""

from __future__ import annotations

import difflib
import tomllib
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.codecs.payloads.layouts.model import (
    ChecksumModel,
    CommandModel,
    ConditionModel,
    ExampleModel,
    FieldModel,
    ItemModel,
    LayoutModel,
    MessageModel,
    WhenModel,
)
from gateway.errors import BadInput
from gateway.types import Json

MAX_TEXT = 256 * 1024
"""No layout is longer than this many characters."""

MODELS: dict[str, type[BaseModel]] = {
    "message": MessageModel,
    "command": CommandModel,
    "example": ExampleModel,
    "item": ItemModel,
    "field": FieldModel,
    "checksum": ChecksumModel,
    "value": ConditionModel,
}
"""Section -> the model that says which keys it has."""


def read_model(text: str, name: str) -> LayoutModel:
    """Return a file's content; raises `BadInput("codec_syntax", ...)` naming field and remedy."""
    if len(text) > MAX_TEXT:
        raise complaint(name, f"is longer than {MAX_TEXT} characters")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise complaint(name, f"is not TOML: {error}") from None
    except (RecursionError, ValueError) as error:
        raise complaint(name, f"is not TOML: {type(error).__name__}") from None
    try:
        return LayoutModel.model_validate(document)
    except ValidationError as error:
        raise complaint(name, in_words(error, document)) from None


def complaint(name: str, words: str) -> BadInput:
    """Return the refusal of a file."""
    return BadInput("codec_syntax", f"{name}: {words}")


def in_words(error: ValidationError, document: Json) -> str:
    """Return the first thing that is wrong, and where."""
    first = error.errors(include_url=False, include_input=False)[0]
    where, keys = _where(first["loc"], document)
    text = _message(first, keys)
    return f"{where}: {text}" if where else text


def _message(found: Any, keys: list[str]) -> str:  # noqa: ANN401 - pydantic's own dictionary
    kind, loc = found["type"], found["loc"]
    if kind == "extra_forbidden":
        key = str(loc[-1])
        known = known_keys(keys)
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
        return f"unknown key `{key[:32]}`; {hint}"
    if kind == "missing":
        return f"`{loc[-1]}` is missing: add it"
    text = str(found["msg"]).removeprefix("Value error, ")
    named = [str(part) for part in loc if isinstance(part, str)]
    if kind == "value_error" and (not named or named[-1] in MODELS):
        return text
    last = next((part for part in reversed(named) if part in keys), "")
    return f"`{last}` {text[:1].lower()}{text[1:]}" if last else text


def known_keys(keys: list[str]) -> list[str]:
    """Return the keys of the section that a path of keys leads to."""
    model: type[BaseModel] = LayoutModel
    for key in keys:
        if key == "when":
            model = WhenModel if model is MessageModel else ConditionModel
        else:
            model = MODELS.get(key, model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _where(loc: tuple[int | str, ...], document: Json) -> tuple[str, list[str]]:
    """Return a place in the file in words, and the keys that lead there."""
    words: list[str] = []
    keys: list[str] = []
    here: Json = document
    for part in loc:
        if isinstance(here, dict) and part in here:
            here = here[part]
            keys.append(str(part))
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
            words.append(_section(keys[-1], part, here))
    return ", ".join(words), keys


def _section(key: str, index: int, section: Json) -> str:
    name = section.get("name") if isinstance(section, dict) else None
    return f"{key} {index + 1}" + (f" `{name[:40]}`" if isinstance(name, str) else "")
