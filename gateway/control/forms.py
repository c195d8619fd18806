"""The forms a command may have, from bytes to a checked `Form`; nothing is decided here."""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from gateway.config import CommandConfig
from gateway.errors import CommandRefused
from gateway.speech import say
from gateway.types import Json

MAX_BYTES = 242  # the largest application payload of any LoRaWAN data rate (RP002, EU868 DR4..7)
MAX_AGE_S = 300.0
"""A message that says it was sent longer ago is refused."""

MAX_AHEAD_S = 30.0
_HEX_FILLER = re.compile(r"0x|[\s:,]", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NONE: Mapping[str, CommandConfig] = {}
_DEEPEST = 16
_LARGEST = 1e300
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "lora-gateway:command")


class Form(BaseModel):
    """The JSON form, as strangers send it: unknown keys are refused, for they are mistakes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str | None = None
    f_port: int | None = Field(None, validation_alias=AliasChoices("f_port", "fPort"))
    data: str | None = None
    hex: str | None = None
    object: dict[str, Any] | None = None
    confirmed: bool = False
    expires: str | None = None
    expires_in_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    time: str | None = None
    by: Annotated[str, Field(max_length=64)] = ""
    command: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    duration_s: Annotated[float, Field(gt=0, le=604800, allow_inf_nan=False)] | None = None
    dry_run: bool = False
    signature: str | None = None


def read_form(
    key: str | None, payload: bytes, commands: Mapping[str, CommandConfig] = _NONE
) -> Form:
    """Return what a message on `/set` (or `/set/<key>`) asks for.

    On `/set/<command>`, for one of `commands`, the payload is the object of its keys, the value of
    its only key, or `true` where it has none.

    Raises
    ------
    CommandRefused
        `no_payload` or `malformed`.

    """
    if not payload.strip():
        raise CommandRefused("no_payload", say("The command is empty."))
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        said = say("The command is neither JSON nor hex digits: send raw bytes as hex text or as "
                   "base64 in `data`.")  # fmt: skip
        raise CommandRefused("malformed", said) from None
    if key is not None:
        return _command_form(key, text, commands) or _scalar_form(key, text)
    if text.lstrip()[:1] not in '{["':
        return Form(hex=text)
    tree = read_json(text)
    try:
        return Form.model_validate(tree)
    except ValidationError as error:
        raise CommandRefused("malformed", mistake_in(error)) from None


def _command_form(key: str, text: str, commands: Mapping[str, CommandConfig]) -> Form | None:
    spec = commands.get(key)
    if spec is None:
        return None
    value = read_json(text)
    if isinstance(value, dict):
        return Form(command=key, object=value)
    needed = [name for name, one in spec.keys.items() if one.required] or list(spec.keys)
    if len(needed) == 1 and value is not None:
        return Form(command=key, object={needed[0]: value})
    if not needed and value is True:
        return Form(command=key)
    said = say("{topic} takes an object of its keys, or `true` where it has none.",
               topic=f"set/{key}")  # fmt: skip
    raise CommandRefused("malformed", said)


def _scalar_form(key: str, text: str) -> Form:
    if not _KEY.fullmatch(key):
        said = say("A key has 1 to 64 letters, digits, `_`, `.` and `-`.")
        raise CommandRefused("malformed", said)
    value = read_json(text)
    if isinstance(value, dict | list) or value is None:
        said = say("{topic} takes one JSON value: a number, `true`, `false` or a text in quotes.",
                   topic=f"set/{key}")  # fmt: skip
        raise CommandRefused("malformed", said)
    return Form(object={key: value})


def read_json(text: str) -> Json:
    """Return what a JSON text says, no deeper and no larger than a command needs."""

    def refuse(constant: str) -> Json:
        raise CommandRefused("malformed", say("{text} is not a JSON number.", text=constant))

    try:
        tree = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise CommandRefused("malformed", say("The command is not valid JSON.")) from None
    _check_plain(tree, 0)
    return tree


def _check_plain(tree: Json, depth: int) -> None:
    """Refuse what the server's codec could not be given, and what no text or number may be."""
    if isinstance(tree, str) and any("\ud800" <= char <= "\udfff" for char in tree):
        raise CommandRefused("malformed", say("A text holds half of a surrogate pair."))
    if depth > _DEEPEST:
        said = say("The object is nested deeper than {count}.", count=_DEEPEST)
        raise CommandRefused("malformed", said)
    if isinstance(tree, float | int) and not abs(tree) < _LARGEST:
        raise CommandRefused("malformed", say("A number is too large."))
    if isinstance(tree, dict | list):
        for value in [*tree, *tree.values()] if isinstance(tree, dict) else tree:
            _check_plain(value, depth + 1)


def tree_of(payload: bytes) -> Mapping[str, Json] | None:
    """Return a command as it came, to check its signature by; None where it is no object."""
    with suppress(CommandRefused, UnicodeDecodeError):
        tree = read_json(payload.decode())
        if isinstance(tree, dict):
            return tree
    return None


def bytes_of(form: Form) -> bytes:
    """Return the payload; empty for an object, which the network server encodes.

    Raises
    ------
    CommandRefused
        `no_payload`, `ambiguous`, `malformed` or `too_large`.

    """
    given = [name for name in ("data", "hex", "object") if getattr(form, name) is not None]
    if not given:
        raise CommandRefused("no_payload", say("Give `data`, `hex` or `object`."))
    if len(given) > 1:
        said = say("Give only one of {keys}.", keys=", ".join(f"`{name}`" for name in given))
        raise CommandRefused("ambiguous", said)
    if form.object is not None:
        if not form.object:
            raise CommandRefused("no_payload", say("The object is empty."))
        return b""
    data = _base64(form.data) if form.data is not None else _hex(form.hex or "")
    if not data:
        raise CommandRefused("no_payload", say("The command has no bytes."))
    if len(data) > MAX_BYTES:
        said = say("{count} bytes are too many: at most {most} fit.",
                   count=len(data), most=MAX_BYTES)  # fmt: skip
        raise CommandRefused("too_large", said)
    return data


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CommandRefused("malformed", say("`data` is not valid base64.")) from None


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(_HEX_FILLER.sub("", text))
    except ValueError:
        raise CommandRefused("malformed", say("The bytes are not valid hex digits.")) from None


def identity_of(form: Form | None, seed: str) -> str:
    """Return the sender's id; without one, a UUID made from what and when, never from chance.

    Raises
    ------
    CommandRefused
        `malformed`: not a UUID, or the nil one.

    """
    if form is None or form.id is None:
        return str(uuid.uuid5(_NAMESPACE, seed))
    try:
        found = uuid.UUID(form.id)
    except ValueError:
        raise CommandRefused("malformed", say("`id` is not a UUID.")) from None
    if found.int == 0:
        raise CommandRefused("malformed", say("`id` must not be the nil UUID."))
    return str(found)


def moment_s(name: str, text: str) -> float:
    """Return an RFC 3339 time as POSIX seconds; without a zone it is UTC.

    Raises
    ------
    CommandRefused
        `malformed`, naming the field.

    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        said = say("{key} is not an RFC 3339 time.", key=f"`{name}`")
        raise CommandRefused("malformed", said) from None


def check_age(age_s: float) -> None:
    """Let a message pass that was sent so long ago.

    Raises
    ------
    CommandRefused
        `stale`: longer ago than `MAX_AGE_S`, or more than `MAX_AHEAD_S` in the future.

    """
    if age_s > MAX_AGE_S:
        said = say("It was sent {age} s ago; {most} s are allowed.",
                   age=f"{age_s:.0f}", most=f"{MAX_AGE_S:.0f}")  # fmt: skip
        raise CommandRefused("stale", said)
    if age_s < -MAX_AHEAD_S:
        said = say("Its time is {ahead} s in the future: check the sender's clock.",
                   ahead=f"{-age_s:.0f}")  # fmt: skip
        raise CommandRefused("stale", said)


def mistake_in(error: ValidationError) -> str:
    """Return a form's first mistake: where it is, and what pydantic says of it."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:80]
    if not where:
        return say("The message as a whole does not fit: {what}.", what=first["msg"])
    return say("{where} does not fit: {what}.", where=f"`{where}`", what=first["msg"])
