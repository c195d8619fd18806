"""Fields of a layout -> the steps that read them, made once when the file is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.codecs.payloads.layouts.conditions import when_all
from gateway.codecs.payloads.layouts.keep import Place, is_hidden, key_of, leaf
from gateway.codecs.payloads.layouts.model import FLOAT_BYTES, INTEGER_BYTES, FieldModel
from gateway.codecs.payloads.layouts.numeric import (
    compile_bcd,
    compile_bits,
    compile_bool,
    compile_float,
    compile_integer,
)
from gateway.codecs.payloads.layouts.parts import compile_split, compile_version
from gateway.codecs.payloads.layouts.scan import Finished, Scan, Step
from gateway.errors import BadInput
from gateway.types import Json

MAX_DEPTH = 4
"""Groups stand no deeper than this within each other."""


class FieldError(ValueError):
    """A field cannot be as it is written; `str(error)` says which, why, and what to do."""


def compile_fields(fields: Sequence[FieldModel], place: Place) -> tuple[Step, ...]:
    """Return the steps that read fields in their order; raises `FieldError`."""
    steps: list[Step] = []
    before = None
    for field in fields:
        order = (field.byte_order or place.byte_order) if field.type == "bits" else None
        if order is not None and before is None:
            steps.append(_align)
        elif order != before and order is not None and field.at is field.start_bit is None:
            raise FieldError(f"field `{field.name}`: bits in a row must be of one `byte_order`")
        before = order
        steps.append(_compile_named(field, place))
    return tuple(steps)


def _compile_named(field: FieldModel, place: Place) -> Step:
    try:
        return _compile_field(field, place)
    except FieldError:
        raise
    except ValueError as error:
        raise FieldError(f"field `{key_of(field, place) or field.type}`: {error}") from None


def _compile_field(field: FieldModel, place: Place) -> Step:
    place = replace(place, byte_order=field.byte_order or place.byte_order)
    if field.default is not None and not place.strict:
        raise ValueError("`default` is for commands: remove it")
    step = _COMPILERS[field.type](field, place)
    if field.optional and field.repeat is None:
        step = _optional(step)
    holds = when_all(field.when, place)
    if holds is None:
        return step

    def read(scan: Scan) -> None:
        if holds(scan):
            step(scan)

    return read


def _align(scan: Scan) -> None:
    scan.bit = 8 * scan.at


def _optional(step: Step) -> Step:
    def read(scan: Scan) -> None:
        out, rejects = scan.out, len(scan.rejects)
        scan.out = {}
        try:
            step(scan)
        except BadInput as error:
            if error.reason != "codec_truncated":
                raise
            scan.out = out
            del scan.rejects[rejects:]
            raise Finished from None
        except Finished:
            scan.out = merged(out, scan.out)
            raise
        scan.out = merged(out, scan.out)

    return read


def merged(into: dict[str, Json], new: Mapping[str, Json]) -> dict[str, Json]:
    """Return `into` with the leaves of `new` set in it."""
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merged(into[key], value)
        else:
            into[key] = value
    return into


# --- groups ----------------------------------------------------------------------------------


def _compile_group(field: FieldModel, place: Place) -> Step:
    if place.depth == MAX_DEPTH:
        raise ValueError(f"groups stand no deeper than {MAX_DEPTH} within each other")
    if field.repeat is not None:
        return _compile_list(field, place)
    prefix = f"{key_of(field, place)}." if field.name else place.prefix
    steps = compile_fields(field.field, replace(place, prefix=prefix, depth=place.depth + 1))

    def read(scan: Scan) -> None:
        first = scan.first
        scan.first = scan.at = scan.position(field.at)
        for step in steps:
            step(scan)
        scan.first = first

    return read


def _compile_list(field: FieldModel, place: Place) -> Step:
    if not field.name or is_hidden(field.name):
        raise ValueError("a group with `repeat` is a list, which needs a `name`")
    steps = compile_fields(field.field, Place(place.byte_order, "", place.depth + 1))
    keep, turns = leaf(key_of(field, place)), _turns(field.repeat, place)
    may_end_early = field.optional

    def read(scan: Scan) -> None:
        first, out, raw = scan.first, scan.out, scan.raw
        scan.at = scan.position(field.at)
        entries: list[Json] = []
        left, ended = turns(scan), False
        try:
            while scan.at < scan.end if left is None else len(entries) < left:
                begin = scan.at
                _read_turn(steps, scan, raw, entries)
                if left is None and scan.at <= begin:
                    break
        except Finished:
            ended = True
        except BadInput as error:
            if not may_end_early or error.reason != "codec_truncated":
                raise
            ended = True
        finally:
            scan.first, scan.out, scan.raw = first, out, raw
        keep(scan, entries)
        if ended:
            raise Finished

    return read


def _read_turn(
    steps: tuple[Step, ...], scan: Scan, raw: Mapping[str, float], entries: list[Json]
) -> None:
    scan.turn()
    scan.first, scan.out, scan.raw = scan.at, {}, dict(raw)
    rejects = len(scan.rejects)
    try:
        for step in steps:
            step(scan)
    except Finished:
        if scan.out:
            entries.append(scan.out)
        raise
    except BadInput:
        del scan.rejects[rejects:]
        raise
    entries.append(scan.out)


def _turns(repeat: int | str | None, place: Place) -> Callable[[Scan], int | None]:
    """Return what says how many turns there are; None is as many as fit."""
    if isinstance(repeat, int):
        return lambda _scan: repeat
    if repeat is None or repeat == "end":
        return lambda _scan: None

    def counted(scan: Scan) -> int:
        count = scan.raw.get(place.prefix + repeat, scan.raw.get(repeat))
        if count is None:
            raise BadInput("codec_truncated", f"`{repeat}`, which counts a list, was not read")
        return int(count)

    return counted


# --- what is no number -----------------------------------------------------------------------


def _compile_text(field: FieldModel, place: Place) -> Step:
    at, size, key = field.at, field.size, key_of(field, place)
    keep = leaf(key)

    def read(scan: Scan) -> None:
        text = _take_some(scan, at, size, key).split(b"\0", 1)[0].decode("latin-1")
        if text.isascii() and (text.isprintable() or not text):
            keep(scan, text)
        else:
            scan.rejects.append(("codec_out_of_range", key))

    return read


def _compile_hex(field: FieldModel, place: Place) -> Step:
    at, size, key = field.at, field.size, key_of(field, place)
    keep, big = leaf(key), place.byte_order == "big"

    def read(scan: Scan) -> None:
        data = _take_some(scan, at, size, key)
        keep(scan, (data if big else data[::-1]).hex())

    return read


def _take_some(scan: Scan, at: int | None, size: int | None, key: str) -> bytes:
    if size is None:
        size = max(scan.end - scan.position(at), 0)
    start = scan.take(at, size, key)
    return scan.data[start : start + size]


def _compile_skip(field: FieldModel, place: Place) -> Step:
    at, size, key = field.at, field.size or 1, key_of(field, place)

    def read(scan: Scan) -> None:
        scan.take(at, size, key)

    return read


def _compile_bytes(field: FieldModel, place: Place) -> Step:
    at, key = field.at, key_of(field, place)
    data = bytes(field.value) if isinstance(field.value, list) else b""

    def read(scan: Scan) -> None:
        start = scan.take(at, len(data), key)
        if place.strict and not scan.data.startswith(data, start):
            raise BadInput("codec_no_match", f"bytes {data.hex(' ')} are missing")

    return read


def _compile_const(field: FieldModel, place: Place) -> Step:
    keep, value = leaf(key_of(field, place)), field.value
    return lambda scan: keep(scan, value)


_COMPILERS: Mapping[str, Callable[[FieldModel, Place], Step]] = {
    **dict.fromkeys(INTEGER_BYTES, compile_integer),
    **dict.fromkeys(FLOAT_BYTES, compile_float),
    "bits": compile_bits,
    "bool": compile_bool,
    "bcd": compile_bcd,
    "text": _compile_text,
    "hex": _compile_hex,
    "const": _compile_const,
    "skip": _compile_skip,
    "bytes": _compile_bytes,
    "version": compile_version,
    "split": compile_split,
    "group": _compile_group,
}
