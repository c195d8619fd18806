"""Layouts that nobody wrote: generated files, generated values, any bytes."""

import json
import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.payloads import MAX_PAYLOAD, REASONS, Frame
from gateway.codecs.payloads.layouts import LayoutCodec, parse_layout
from gateway.errors import BadInput
from gateway.types import Json

HEAD = 'vendor = "v"\nmodel = "m"\nsource = "s"\n'
ORDERS = st.sampled_from(["big", "little"])
SCALES = st.sampled_from([1, 0.1, 0.01, 0.5, 0.0625, 3, 0.003])
OFFSETS = st.sampled_from([0, -40, 12.5, 1000])

Line = dict[str, Any]
Drawn = tuple[Line, Json, float]
"""A field's keys, a value for it, and how far what comes back may be from that value."""


@st.composite
def integers(draw: st.DrawFn) -> Drawn:
    """Draw a whole number of any size, sign and scale."""
    size, signed = draw(st.integers(1, 8)), draw(st.booleans())
    line: Line = {"type": f"{'i' if signed else 'u'}{8 * size}"}
    sign = draw(st.sampled_from(["twos", "ones", "magnitude"]))
    high = 2 ** (8 * size - signed) - 1
    low = -high - (sign == "twos") if signed else 0
    if signed:
        line["sign"] = sign
    return scaled(draw, line, draw(st.integers(low, high)))


@st.composite
def bit_fields(draw: st.DrawFn) -> Drawn:
    """Draw a number of any count of bits, wherever the one before it ends."""
    bits, signed = draw(st.integers(1, 40)), draw(st.booleans())
    line: Line = {"type": "bits", "bits": bits, "signed": signed}
    low = -(2 ** (bits - 1)) if signed else 0
    return scaled(draw, line, draw(st.integers(low, low + 2**bits - 1)))


def scaled(draw: st.DrawFn, line: Line, raw: int) -> Drawn:
    """Scale a raw number; its value then comes back but for the last binary digits."""
    scale, offset = draw(SCALES), draw(OFFSETS)
    if scale == 1 and offset == 0:
        return line, raw, 0
    value = raw * scale + offset
    return line | {"scale": scale, "offset": offset}, value, 1e-9 + abs(value) * 1e-12


@st.composite
def masked(draw: st.DrawFn) -> Drawn:
    """Draw a few bits in the middle of a number."""
    low, width = draw(st.integers(0, 7)), draw(st.integers(1, 8))
    mask = (2**width - 1) << low
    return {"type": "u16", "mask": mask}, draw(st.integers(0, 2**width - 1)), 0


@st.composite
def floats(draw: st.DrawFn) -> Drawn:
    """Draw a floating point number that its type can hold."""
    width = draw(st.sampled_from([16, 32, 64]))
    value = draw(st.floats(width=width, allow_nan=False, allow_infinity=False))  # type: ignore[call-overload]
    # What comes back is the shortest decimal of the same bits: at most half their step away.
    precision, smallest = {16: (11, 24), 32: (24, 149), 64: (60, 1100)}[width]
    return {"type": f"f{width}"}, value, max(abs(value) * 2.0**-precision, 2.0 ** -(smallest + 1))


@st.composite
def others(draw: st.DrawFn) -> Drawn:
    """Draw what is no measurement."""
    size = draw(st.integers(1, 6))
    texts = st.text(string.ascii_letters + string.digits + " -", max_size=size)
    kind = draw(st.sampled_from(["bool", "text", "hex", "bcd", "values", "const"]))
    return {
        "bool": ({"type": "bool", "bit": draw(st.integers(0, 7))}, draw(st.booleans()), 0),
        "text": ({"type": "text", "size": size}, draw(texts), 0),
        "hex": (
            {"type": "hex", "size": size},
            draw(st.binary(min_size=size, max_size=size)).hex(),
            0,
        ),
        "bcd": ({"type": "bcd", "size": size}, draw(st.integers(0, 10 ** (2 * size) - 1)), 0),
        "values": ({"type": "u8", "values": {"3": "on", "9": "off"}}, "off", 0),
        "const": ({"type": "const", "value": "fixed"}, "fixed", 0),
    }[kind]


FIELDS = st.lists(
    st.one_of(integers(), bit_fields(), masked(), floats(), others()), min_size=1, max_size=12
)


def toml(value: Json) -> str:
    """Return a value as TOML; JSON is the same but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def layout_of(fields: list[Line], order: str) -> LayoutCodec:
    lines = "field = [\n" + ",\n".join(toml(line) for line in fields) + "\n]\n"
    head = f'{HEAD}byte_order = "{order}"\n'
    return parse_layout(f"{head}[[message]]\n{lines}[[command]]\n{lines}", "made")


@given(FIELDS, ORDERS)
def test_what_a_layout_encodes_it_decodes(drawn: list[Drawn], order: str) -> None:
    fields = [
        line | {"name": f"k{number // 2}.v{number}"} for number, (line, _, _) in enumerate(drawn)
    ]
    command = {f"k{number // 2}.v{number}": value for number, (_, value, _) in enumerate(drawn)}
    codec = layout_of(fields, order)
    data = codec.encode(command, {}).data
    for decoded in (codec.decode(Frame(data, 1)), codec.decode_downlink(Frame(data, 1))):
        assert decoded.rejects == ()
        for number, (_, value, slack) in enumerate(drawn):
            back = decoded.data[f"k{number // 2}"][f"v{number}"]
            assert back == value or abs(back - value) <= slack


@given(FIELDS, ORDERS, st.binary(max_size=MAX_PAYLOAD), st.integers(0, 255))
def test_any_bytes_give_values_or_a_reason(
    drawn: list[Drawn], order: str, data: bytes, f_port: int
) -> None:
    fields = [line | {"name": f"v{number}"} for number, (line, _, _) in enumerate(drawn)]
    codec = layout_of(fields, order)
    found = None
    for decode in (codec.decode, codec.decode_downlink):
        try:
            json.dumps(dict(decode(Frame(data, f_port)).data), allow_nan=False)
        except BadInput as error:
            found = error.reason
    assert found is None or found in REASONS


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["name", "type", "at", "bits", "mask", "scale", "values", "when", "repeat", "field", "flags"]
)
TYPES = st.sampled_from(["u8", "i16", "f32", "bits", "bool", "text", "group", "const", "skip"])


@given(
    st.dictionaries(KEYS, VALUES | st.integers(-9, 9), max_size=5),
    TYPES,
    st.binary(max_size=8),
)
def test_any_file_is_a_layout_or_is_refused_in_words(line: Line, kind: str, payload: bytes) -> None:
    text = f"{HEAD}[[message]]\nfield = [{toml_or_rubbish({'name': 'x', **line, 'type': kind})}]\n"
    reason = None
    try:
        codec = parse_layout(text, "made")
        json.dumps(dict(codec.decode(Frame(payload, 1)).data), allow_nan=False)
    except BadInput as error:
        reason = error.reason
    assert reason is None or reason in REASONS


def toml_or_rubbish(value: Json) -> str:
    """Return a value as TOML where TOML has it, else something that is none."""
    if isinstance(value, dict):
        inner = (f"{json.dumps(key)} = {toml_or_rubbish(item)}" for key, item in value.items())
        return "{ " + ", ".join(inner) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_or_rubbish, value)) + "]"
    return json.dumps(value).replace("Infinity", "inf").replace("NaN", "nan")
