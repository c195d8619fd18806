"""What a layout file may say, held to types and bounds; the README beside it explains each key.

A file is a stranger's: unknown keys are refused, and `layout_complaints` puts what pydantic
finds into words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from gateway.codecs.payloads.contract import MAX_PAYLOAD
from gateway.types import Json

INTEGER_BYTES: Mapping[str, int] = {f"{s}{8 * n}": n for s in "ui" for n in range(1, 9)}
"""Whole numbers by name -> their size in bytes."""

FLOAT_BYTES: Mapping[str, int] = {"f16": 2, "f32": 4, "f64": 8}

NUMBER_KEYS = frozenset(
    {"mask", "shift", "signed", "sign", "invalid", "scale", "divide", "offset", "polynomial"}
    | {"decimals", "min", "max", "unit", "values", "other", "flags"}
)
FLOAT_KEYS = frozenset({"invalid", "scale", "divide", "offset", "polynomial", "decimals"}) | {
    "min",
    "max",
    "unit",
}
COMMON_KEYS = frozenset({"name", "type", "at", "when", "optional", "byte_order", "default"})
KEYS_BY_TYPE: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(INTEGER_BYTES, NUMBER_KEYS),
    **dict.fromkeys(FLOAT_BYTES, FLOAT_KEYS),
    "bits": NUMBER_KEYS | {"bits", "start_bit"},
    "bool": frozenset({"bit", "mask"}),
    "bcd": (NUMBER_KEYS | {"size"}) - {"mask", "shift", "signed", "sign"},
    "text": frozenset({"size"}),
    "hex": frozenset({"size"}),
    "skip": frozenset({"size"}),
    "const": frozenset({"value"}),
    "bytes": frozenset({"value"}),
    "version": frozenset({"size", "mask", "parts", "prefix"}),
    "split": frozenset({"size", "whole", "tenths", "negative"})
    | {"invalid", "scale", "divide", "offset", "decimals", "min", "max", "unit"},
    "group": frozenset({"field", "repeat"}),
}
"""Type -> the keys that mean something with it, beside `COMMON_KEYS`."""

NEEDED: Mapping[str, str] = {
    "bits": "bits",
    "bcd": "size",
    "skip": "size",
    "const": "value",
    "bytes": "value",
    "version": "parts",
    "split": "whole",
    "group": "field",
}
"""Type -> the key that it cannot do without."""

SMALLEST = 1e-12
"""No unit is so far from what a field counts; beyond, numbers could leave floating point."""

MAX_BCD = 8
"""16 decimal digits: more do not fit any number a person works with."""

NAMELESS = frozenset({"skip", "bytes", "group"})

Name = Annotated[
    str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_][\w-]*(\.[A-Za-z0-9_][\w-]*)*$")
]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Label = Annotated[str, StringConstraints(max_length=64)]
Position = Annotated[int, Field(ge=-MAX_PAYLOAD, le=MAX_PAYLOAD)]
Size = Annotated[int, Field(ge=1, le=MAX_PAYLOAD)]
Byte = Annotated[int, Field(ge=0, le=255)]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e18, le=1e18)]
Number = Annotated[int, Field(ge=-(2**63), lt=2**64)] | Finite
Text = Annotated[str, StringConstraints(max_length=128)]
Scalar = bool | Number | Text
ByteOrder = Literal["big", "little"]
Sum = Literal[
    "sum8",
    "xor8",
    "crc8",
    "crc8-maxim",
    "crc16-ccitt-false",
    "crc16-xmodem",
    "crc16-modbus",
    "crc16-arc",
    "crc16-kermit",
    "crc32",
]


@dataclass(frozen=True, slots=True)
class Choice:
    """Some numbers: those listed, or those from `low` to `high` (None: no bound)."""

    listed: frozenset[int] | None = None
    low: int | None = None
    high: int | None = None

    def __contains__(self, number: object) -> bool:
        """Return whether it is one of them."""
        if self.listed is not None:
            return number in self.listed
        if not isinstance(number, int | float):
            return False
        return (self.low is None or number >= self.low) and (
            self.high is None or number <= self.high
        )


def _choice(value: Json) -> Choice:
    def whole(number: Json) -> int:
        if type(number) is not int:
            raise ValueError(wanted)
        return number

    wanted = "must be a number, a list of numbers, or { min = 1, max = 9 }"
    if isinstance(value, dict) and value and set(value) <= {"min", "max"}:
        bounds = {key: whole(number) for key, number in value.items()}
        return Choice(low=bounds.get("min"), high=bounds.get("max"))
    if isinstance(value, list):
        return Choice(frozenset(whole(number) for number in value))
    return Choice(frozenset((whole(value),)))


def _as_list(value: Json) -> Json:
    return [value] if isinstance(value, dict) else value


def _numbered(value: Json) -> Json:
    """`{ 0x01 = "on" }` has text keys in TOML: make them numbers."""
    if not isinstance(value, dict):
        raise ValueError('must be a table such as { 0 = "off", 1 = "on" }')  # noqa: TRY004
    numbered = {}
    for key, meaning in value.items():
        if not re.fullmatch(r"-?\d{1,20}|0x[0-9a-fA-F]{1,16}|0b[01]{1,64}", str(key)):
            raise ValueError(f"has the key `{str(key)[:32]}`, which is no number")
        number = int(str(key), 16 if "x" in key else 2 if key[:2] == "0b" else 10)
        if number in numbered:
            raise ValueError(f"gives the number {number} twice")
        numbered[number] = meaning
    return numbered


Chosen = Annotated[Choice, BeforeValidator(_choice)]
Values = Annotated[dict[int, Scalar], BeforeValidator(_numbered), Field(max_length=256)]
Flags = Annotated[dict[int, Name], BeforeValidator(_numbered), Field(max_length=64)]


class Part(BaseModel):
    """Anything in a layout: strict about types, and about keys."""

    model_config = ConfigDict(
        strict=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True
    )


class ConditionModel(Part):
    """One comparison of a number in the payload, or of a field read before."""

    at: Position | None = None
    type: Literal["u8", "u16", "u24", "u32"] = "u8"
    byte_order: ByteOrder | None = None
    field: Name | None = None
    mask: Annotated[int, Field(ge=1, lt=2**64)] | None = None
    is_: Chosen | None = Field(default=None, alias="is")
    is_not: Chosen | None = None

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.at is None) == (self.field is None):
            raise ValueError("needs either `at` (a byte) or `field` (the name of a field before)")
        return self


Conditions = Annotated[list[ConditionModel], BeforeValidator(_as_list), Field(max_length=16)]


class WhenModel(Part):
    """Which payloads a message is for; all that is said must hold."""

    f_port: Chosen | None = None
    length: Chosen | None = None
    value: Conditions = []


class ChecksumModel(Part):
    """Which sum stands where, over which bytes."""

    type: Sum
    at: Position
    from_: Position = Field(default=0, alias="from")
    to: Position | None = None
    byte_order: ByteOrder | None = None
    on_wrong: Literal["error", "warn"] = "error"


class FieldModel(Part):
    """One field, of an uplink or of a command."""

    name: Name | None = None
    type: str
    at: Position | None = None
    size: Size | None = None
    bit: Annotated[int, Field(ge=0, le=7)] | None = None
    bits: Annotated[int, Field(ge=1, le=64)] | None = None
    start_bit: Annotated[int, Field(ge=0, le=8 * MAX_PAYLOAD)] | None = None
    signed: bool | None = None
    sign: Literal["twos", "ones", "magnitude"] | None = None
    byte_order: ByteOrder | None = None
    mask: Annotated[int, Field(ge=1, lt=2**64)] | None = None
    shift: Annotated[int, Field(ge=0, le=63)] | None = None
    invalid: Annotated[list[Number], Field(max_length=64)] = []
    scale: Finite = 1
    divide: Finite = 1
    offset: Finite = 0
    polynomial: Annotated[list[Finite], Field(min_length=1, max_length=8)] | None = None
    decimals: Annotated[int, Field(ge=0, le=12)] | None = None
    min: Number | None = None
    max: Number | None = None
    unit: Label = ""
    values: Values | None = None
    other: Text | None = None
    flags: Flags | None = None
    when: Conditions = []
    optional: bool = False
    repeat: Annotated[int, Field(ge=1, le=MAX_PAYLOAD)] | Name | None = None
    field: Annotated[list[FieldModel], Field(max_length=256)] = []
    value: Scalar | Annotated[list[Byte], Field(max_length=MAX_PAYLOAD)] | None = None
    parts: Annotated[list[Annotated[int, Field(ge=1, le=32)]], Field(max_length=8)] = []
    prefix: Label = ""
    whole: Annotated[int, Field(ge=1, lt=2**64)] | None = None
    tenths: Annotated[int, Field(ge=1, lt=2**64)] | None = None
    negative: Annotated[int, Field(ge=1, lt=2**64)] | None = None
    default: Scalar | None = None

    @model_validator(mode="after")
    def _keys_fit_the_type(self) -> Self:
        if self.type not in KEYS_BY_TYPE:
            raise ValueError(f"`type` must be one of {', '.join(KEYS_BY_TYPE)}")
        idle = self.model_fields_set - COMMON_KEYS - KEYS_BY_TYPE[self.type]
        if idle:
            raise ValueError(f"`{min(idle)}` means nothing for type `{self.type}`: remove it")
        needed = NEEDED.get(self.type)
        if needed and needed not in self.model_fields_set:
            raise ValueError(f"type `{self.type}` needs `{needed}`")
        if self.name is None and self.type not in NAMELESS and not self.flags:
            raise ValueError("needs a `name` (one that begins with `_` stays out of the result)")
        if self.type == "bytes" and not isinstance(self.value, list):
            raise ValueError("type `bytes` needs `value` to be a list, such as [0xff, 0x00]")
        if self.type == "const" and isinstance(self.value, list):
            raise ValueError("type `const` needs `value` to be a number, a text, true or false")
        return self

    @model_validator(mode="after")
    def _numbers_make_sense(self) -> Self:
        for key in ("scale", "divide"):
            if not SMALLEST <= abs(getattr(self, key)) <= 1 / SMALLEST:
                raise ValueError(f"`{key}` must be from {SMALLEST} to {1 / SMALLEST:g}, and not 0")
        if self.type == "bcd" and (self.size or 1) > MAX_BCD:
            raise ValueError(f"`size` of a `bcd` is at most {MAX_BCD} bytes: use `hex`")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("`min` is greater than `max`")
        if self.values is not None and self.flags is not None:
            raise ValueError("has both `values` and `flags`: choose one")
        if self.other is not None and self.values is None:
            raise ValueError("`other` needs `values`")
        if self.sign and self.type.startswith("u") and not self.signed:
            raise ValueError("`sign` needs a signed type or `signed = true`")
        return self


class ItemModel(Part):
    """One kind of item in a stream of them."""

    id: Byte | Annotated[list[Byte | Literal["any"]], Field(min_length=1, max_length=4)]
    name: Words | None = None
    size: Annotated[int, Field(ge=0, le=MAX_PAYLOAD)] | None = None
    collect: Name | None = None
    byte_order: ByteOrder | None = None
    when: Conditions = []
    field: Annotated[list[FieldModel], Field(max_length=256)] = []


class MessageModel(Part):
    """One kind of uplink."""

    name: Words | None = None
    when: WhenModel = WhenModel()
    byte_order: ByteOrder | None = None
    checksum: ChecksumModel | None = None
    field: Annotated[list[FieldModel], Field(max_length=256)] = []
    item: Annotated[list[ItemModel], Field(max_length=512)] = []
    on_unknown: Literal["error", "stop", "skip"] = "error"
    length_byte: bool = False

    @model_validator(mode="after")
    def _items_agree(self) -> Self:
        sizes = {len(item.id) if isinstance(item.id, list) else 1 for item in self.item}
        if len(sizes) > 1:
            raise ValueError("has items whose `id` differ in length: all must have as many bytes")
        if self.on_unknown == "skip" and not self.length_byte:
            raise ValueError('`on_unknown = "skip"` needs `length_byte = true`')
        return self


class CommandModel(Part):
    """One kind of downlink."""

    name: Words | None = None
    header: Annotated[list[Byte], Field(max_length=64)] = []
    f_port: Annotated[int, Field(ge=1, le=255)] | None = None
    byte_order: ByteOrder | None = None
    field: Annotated[list[FieldModel], Field(min_length=1, max_length=64)]
    checksum: ChecksumModel | None = None


class ExampleModel(Part):
    """Bytes and what they mean: an `object` (uplink), or a `command` (downlink)."""

    hex: Annotated[str, StringConstraints(max_length=1024)]
    f_port: Annotated[int, Field(ge=0, le=255)] = 1
    object: dict[str, Json] | None = None
    command: dict[str, Json] | None = None

    @model_validator(mode="after")
    def _one_direction(self) -> Self:
        if (self.object is None) == (self.command is None):
            raise ValueError("needs either `object` (an uplink) or `command` (a downlink)")
        return self


class LayoutModel(Part):
    """A whole file."""

    vendor: Words
    model: Words
    source: Words
    byte_order: ByteOrder = "big"
    f_port: Annotated[int, Field(ge=1, le=255)] | None = None
    combine: bool = False
    message: Annotated[list[MessageModel], Field(max_length=64)] = []
    command: Annotated[list[CommandModel], Field(max_length=128)] = []
    example: Annotated[list[ExampleModel], Field(max_length=256)] = []
