"""Commands of a layout: an object -> bytes, and bytes -> the object they command."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gateway.codecs.payloads.contract import MAX_PAYLOAD, Decoded, Encoded, Frame
from gateway.codecs.payloads.layouts.checksums import CHECKSUMS, Checksum, checksum_of
from gateway.codecs.payloads.layouts.fields import FieldError, compile_fields, merged
from gateway.codecs.payloads.layouts.keep import Place
from gateway.codecs.payloads.layouts.messages import scan_of
from gateway.codecs.payloads.layouts.model import (
    ByteOrder,
    CommandModel,
    FieldModel,
)
from gateway.codecs.payloads.layouts.packing import Draft, Pack, compile_packing, number_range
from gateway.codecs.payloads.layouts.scan import Scan, Step
from gateway.errors import BadInput
from gateway.types import Json, Scalar

MAX_DEPTH = 16
"""Levels of a command's object: deeper ones are nobody's."""


@dataclass(frozen=True, slots=True)
class CommandKey:
    """One key of a command, for a form or a check before it is sent.

    `type` is `number`, `integer`, `boolean`, `text`, `hex`, `choice` or `const`; `step` is the
    least difference that arrives, None where there is none.
    """

    key: str
    type: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    unit: str = ""
    choices: tuple[Scalar, ...] = ()
    default: Scalar | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class CommandForm:
    """What a command takes: its name, its port (None: the caller's choice), its keys."""

    name: str
    f_port: int | None
    keys: tuple[CommandKey, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a command; `key` is empty for bytes that carry no value."""

    key: str
    is_bits: bool
    default: Scalar | None
    pack: Pack


@dataclass(frozen=True, slots=True)
class Command:
    """One kind of downlink, both ways."""

    form: CommandForm
    header: bytes
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]
    checksum: Checksum | None

    @property
    def required(self) -> frozenset[str]:
        """The keys it cannot do without."""
        return frozenset(key.key for key in self.form.keys if key.required)

    @property
    def known(self) -> frozenset[str]:
        """The keys it takes."""
        return frozenset(key.key for key in self.form.keys)

    def encode(self, values: Mapping[str, Json]) -> bytes:
        """Return the bytes for flat values by dotted key."""
        draft = Draft()
        draft.place(None, self.header)
        in_a_row = False
        for part in self.parts:
            if part.is_bits and not in_a_row:
                draft.bit = 8 * draft.at
            in_a_row = part.is_bits
            part.pack(draft, values.get(part.key, part.default))
        if self.checksum is not None:
            return _with_checksum(bytes(draft.data), self.checksum)
        return bytes(draft.data)

    def read(self, scan: Scan, *, to_the_end: bool) -> bool:
        """Read this command if it is what stands next; `scan.out` then has its keys."""
        first = scan.at
        if not scan.data.startswith(self.header, first):
            return False
        scan.first = first
        scan.at = scan.far = first + len(self.header)
        try:
            if self.checksum is not None:
                self.checksum.check(scan.data)
                scan.end = self.checksum.end(len(scan.data))
            for step in self.steps:
                step(scan)
        except BadInput:
            return False
        scan.at = scan.far
        return scan.at == scan.end or not to_the_end


def _with_checksum(data: bytes, checksum: Checksum) -> bytes:
    size = CHECKSUMS[checksum.kind][0]
    if checksum.at < 0:
        data += bytes(max(-checksum.at, size))
    at = checksum.at if checksum.at >= 0 else len(data) + checksum.at
    data = data.ljust(at + size, b"\0")
    found = checksum.of(data).to_bytes(size, checksum.byte_order)
    return data[:at] + found + data[at + size :]


@dataclass(frozen=True, slots=True)
class Commands:
    """All commands of a layout; `combine` lets several go in one frame."""

    known: tuple[Command, ...]
    combine: bool

    def encode(self, command: Mapping[str, Json]) -> Encoded:
        """Return the bytes of an object; raises `BadInput`."""
        if not self.known:
            raise BadInput("codec_no_function", "this layout has no commands")
        values = flat(command)
        chosen = self._chosen(values)
        ports = {one.form.f_port for one in chosen}
        if len(ports) > 1:
            raise BadInput(
                "codec_no_match", "these keys belong on different ports: send them apart"
            )
        data = b"".join(one.encode(values) for one in chosen)
        if len(data) > MAX_PAYLOAD:
            raise BadInput("codec_out_of_range", f"{len(data)} bytes are more than a frame carries")
        return Encoded(data, ports.pop())

    def decode(self, frame: Frame) -> Decoded:
        """Return the object that a downlink's bytes command; raises `BadInput`."""
        if not self.known:
            raise BadInput("codec_no_function", "this layout has no commands")
        scan = scan_of(frame)
        while True:
            self._read_one(scan, frame)
            if scan.at >= scan.end or not self.combine:
                return Decoded(scan.out, rejects=tuple(scan.rejects))

    def _read_one(self, scan: Scan, frame: Frame) -> None:
        """Read what stands next: a command whose values all have a meaning goes first."""
        at, end, out, rejects = scan.at, scan.end, scan.out, scan.rejects
        best: tuple[int, int, dict[str, Json], list[tuple[str, str]]] | None = None
        for one in self.known:
            if one.form.f_port not in (None, frame.f_port):
                continue
            scan.at, scan.end, scan.out, scan.rejects, scan.raw = at, end, {}, [], {}
            found = one.read(scan, to_the_end=not self.combine)
            if not found or (scan.at <= at and self.combine):
                continue
            if best is None or not scan.rejects:
                best = scan.at, scan.end, scan.out, scan.rejects
            if not scan.rejects:
                break
        if best is None:
            raise BadInput(
                "codec_no_match", f"no command begins with {frame.data[at : at + 8].hex(' ')}"
            )
        scan.at, scan.end, given, refused = best
        scan.out, scan.rejects = merged(out, given), rejects + refused

    def _chosen(self, values: Mapping[str, Json]) -> list[Command]:
        """Return the command that the keys are for, or several where they may be combined."""
        given = values.keys()
        for key in given:
            if not any(key in one.known for one in self.known):
                raise self._unknown(key)
        for one in self.known:
            if given and one.required <= given <= one.known:
                return [one]
        if self.combine:
            chosen = [one for one in self.known if one.required and one.required <= given]
            if chosen and given <= frozenset().union(*(one.known for one in chosen)):
                return chosen
        raise self._incomplete(given)

    def _unknown(self, key: str) -> BadInput:
        keys = [each.key for one in self.known for each in one.form.keys]
        near = difflib.get_close_matches(key[:64], keys, 1)
        hint = (
            f"; did you mean `{near[0]}`?" if near else f"; it has {', '.join(sorted(set(keys)))}"
        )
        return BadInput("codec_unknown_key", f"there is no `{key[:64]}`{hint}")

    def _incomplete(self, given: Collection[str]) -> BadInput:
        forms = "; ".join(" + ".join(sorted(one.required)) for one in self.known)
        what = ", ".join(sorted(given))[:64] or "nothing"
        return BadInput("codec_no_match", f"{what} makes no command; it takes {forms}")


def flat(command: Mapping[str, Json]) -> dict[str, Json]:
    """Return an object's leaves by dotted key."""
    leaves: dict[str, Json] = {}
    waiting: list[tuple[str, Json, int]] = [(str(key), command[key], 1) for key in command]
    while waiting:
        key, value, depth = waiting.pop()
        if not isinstance(value, Mapping):
            leaves[key] = value
        elif depth == MAX_DEPTH:
            raise BadInput("codec_unknown_key", f"`{key[:64]}` is too deep")
        else:
            waiting.extend((f"{key}.{name}", value[name], depth + 1) for name in value)
    return leaves


# --- compiling -------------------------------------------------------------------------------


def compile_command(model: CommandModel, byte_order: ByteOrder, f_port: int | None) -> Command:
    """Return a command ready for both directions; raises `ValueError` in plain words."""
    place = Place(model.byte_order or byte_order, strict=True)
    for field in model.field:
        _refuse_unfit(field)
    parts = tuple(_part(field, place) for field in model.field)
    keys = tuple(_key(field) for field in model.field if field.name)
    if not keys:
        raise ValueError("needs a field with a name: its keys choose a command")
    form = CommandForm(model.name or keys[0].key, model.f_port or f_port, keys)
    steps = compile_fields(model.field, place)
    checksum = checksum_of(model.checksum, place.byte_order)
    return Command(form, bytes(model.header), parts, steps, checksum)


UNFIT = frozenset({"when", "optional", "polynomial", "flags", "invalid", "other", "repeat"})
"""Keys whose meaning has no way back from a value to bytes."""


def _refuse_unfit(field: FieldModel) -> None:
    what = f"field `{field.name or field.type}`"
    unfit = UNFIT & field.model_fields_set
    if field.type == "group":
        raise FieldError(f"{what}: a command has no groups: give its fields dotted names")
    if field.type in {"version", "split"}:
        raise FieldError(f"{what}: a command has no type `{field.type}`")
    if unfit:
        raise FieldError(f"{what}: a command has no `{min(unfit)}`: remove it")
    if field.at is not None and field.at < 0:
        raise FieldError(f"{what}: in a command `at` counts from the front")
    if field.name and field.name.startswith("_"):
        raise FieldError(f"{what}: a command has no hidden fields: use type `bytes` or `skip`")


def _part(field: FieldModel, place: Place) -> Part:
    try:
        pack = compile_packing(field, place)
        if field.default is not None:
            pack(Draft(), field.default)
    except BadInput as error:
        raise FieldError(f"`default` does not fit: {error.detail}") from None
    except ValueError as error:
        raise FieldError(f"field `{field.name or field.type}`: {error}") from None
    return Part(field.name or "", field.type == "bits", field.default, pack)


def _key(field: FieldModel) -> CommandKey:
    key, default = field.name or "", field.default
    required = default is None
    if field.values is not None:
        choices = tuple(field.values.values())
        return CommandKey(key, "choice", choices=choices, default=default, required=required)
    if field.type == "const" and not isinstance(field.value, list):
        fixed = () if field.value is None else (field.value,)
        return CommandKey(key, "const", choices=fixed, default=default, required=required)
    if field.type in PLAIN_TYPES:
        return CommandKey(key, PLAIN_TYPES[field.type], default=default, required=required)
    low, high, step = number_range(field)
    return CommandKey(
        key,
        "integer" if step and step == round(step) and low == round(low) else "number",
        low if math.isfinite(low) else None,
        high if math.isfinite(high) else None,
        step or None,
        field.unit,
        default=default,
        required=required,
    )


PLAIN_TYPES: Mapping[str, str] = {"bool": "boolean", "text": "text", "hex": "hex"}
