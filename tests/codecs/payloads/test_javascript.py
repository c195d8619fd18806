"""JavaScript codecs in every form, what they may return, and what they may leave behind: nothing."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs.payloads import Frame
from gateway.codecs.payloads.javascript import JavaScriptCodec
from gateway.errors import BadInput
from gateway.links import InProcessScripts

FRAME = Frame(
    data=bytes.fromhex("0ce5ff9c"), f_port=2, time_s=1700000000.25, variables={"depth": "20"}
)
READ = "function i16(b, i) { var v = b[i] << 8 | b[i + 1]; return v > 32767 ? v - 65536 : v; }\n"
VALUES = "{volt: i16(bytes, 0) / 1000, temp: i16(bytes, 2) / 100}"


def codec(text: str, **options: object) -> JavaScriptCodec:
    return JavaScriptCodec("own/test", text, InProcessScripts(), **options)  # type: ignore[arg-type]


def refusal(text: str, frame: Frame = FRAME) -> BadInput:
    with pytest.raises(BadInput) as refused:
        codec(text).decode(frame)
    return refused.value


UPLINK_FORMS = {
    "TS013": READ + "function decodeUplink(input) { var bytes = input.bytes; "
    f"return {{data: {VALUES}}}; }}",
    "TS013 arrow function": READ + "const decodeUplink = ({bytes}) => "
    f"({{data: {VALUES}, warnings: []}});",
    "ChirpStack v3": READ + f"function Decode(fPort, bytes, variables) {{ return {VALUES}; }}",
    "The Things Network v2": READ + f"function Decoder(bytes, port) {{ return {VALUES}; }}",
    "implicit global": READ + "decodeUplink = function (input) { var bytes = input.bytes; "
    f"return {{data: {VALUES}}}; }}",
    "CommonJS": READ + "function d(input) { const bytes = input.bytes; "
    f"return {{data: {VALUES}}}; }}\nmodule.exports = {{ decodeUplink: d }};",
    "CommonJS exports": READ + "exports.decodeUplink = function ({bytes}) { "
    f"return {{data: {VALUES}}}; }};",
    "ES module function": READ + "export function decodeUplink({bytes}) { "
    f"return {{data: {VALUES}}}; }}",
    "ES module const": READ + f"export const decodeUplink = ({{bytes}}) => ({{data: {VALUES}}});",
    "ES module list": READ + "function inner({bytes}) { "
    f"return {{data: {VALUES}}}; }}\nexport {{ inner as decodeUplink }};",
    "ES module default object": READ + "function decodeUplink({bytes}) { "
    f"return {{data: {VALUES}}}; }}\nexport default {{ decodeUplink }};",
    "ES module default function": READ + "export default function decodeUplink({bytes}) { "
    f"return {{data: {VALUES}}}; }}",
    "strict": "'use strict';\n" + READ + "function decodeUplink({bytes}) { "
    f"return {{data: {VALUES}}}; }}",
    "byte order mark and a comment at the end": "\ufeff" + READ + "function decodeUplink(input) { "
    f"var bytes = input.bytes; return {{data: {VALUES}}}; }} // done",
    "shebang": "#!/usr/bin/env node\n" + READ + "function decodeUplink({bytes}) { "
    f"return {{data: {VALUES}}}; }}",
    "names of the wrapper's own": "const module = 1; let exports = 2; function require() {}\n" + READ
    + f"function decodeUplink({{bytes}}) {{ return {{data: {VALUES}}}; }}",
}  # fmt: skip


@pytest.mark.parametrize("form", UPLINK_FORMS)
def test_every_form_of_uplink_codec_decodes(form: str) -> None:
    assert codec(UPLINK_FORMS[form]).decode(FRAME).data == {"volt": 3.301, "temp": -1.0}


def test_a_sloppy_script_may_be_sloppy() -> None:
    text = """
    function decodeUplink(input) {
      undeclared = 0755;                       // an implicit global, an old octal number
      with ({ inside: 7 }) { var got = inside; }
      var twice = 1; var twice = 2;
      delete input.bytes;
      return { data: { octal: undeclared, got: got, twice: twice, me: typeof this } };
    }"""

    assert codec(text).decode(FRAME).data == {
        "octal": 493, "got": 7, "twice": 2, "me": "object",
    }  # fmt: skip


def test_the_newer_form_serves_where_both_are_defined() -> None:
    text = (
        "function Decoder() { return {from: 'Decoder'}; }"
        "function Decode() { return {from: 'Decode'}; }"
    )

    assert codec(text).decode(FRAME).data == {"from": "Decode"}
    newest = text + "function decodeUplink() { return {data: {from: 'decodeUplink'}}; }"
    assert codec(newest).decode(FRAME).data == {"from": "decodeUplink"}


def test_a_codec_is_given_port_time_and_variables() -> None:
    text = """function decodeUplink(input) { return {data: {
        port: input.fPort, time: input.recvTime.toISOString(), isDate: input.recvTime instanceof Date,
        depth: input.variables.depth, isArray: Array.isArray(input.bytes) }}; }"""

    assert codec(text).decode(FRAME).data == {
        "port": 2, "time": "2023-11-14T22:13:20.250Z", "isDate": True, "depth": "20", "isArray": True,
    }  # fmt: skip


DOWNLINK_FORMS = {
    "TS013": "function encodeDownlink(input) { return {bytes: [1, input.data.minutes], fPort: 3, "
    "warnings: ['slow']}; }",
    "ChirpStack v3": "function Encode(fPort, obj, variables) { return [1, obj.minutes]; }",
    "The Things Network v2": "function Encoder(obj, port) { return [1, obj.minutes]; }",
    "a Uint8Array": "function encodeDownlink(i) { return {bytes: new Uint8Array([1, i.data.minutes])}; }",
}


@pytest.mark.parametrize("form", DOWNLINK_FORMS)
def test_every_form_of_downlink_codec_encodes(form: str) -> None:
    encoded = codec(DOWNLINK_FORMS[form]).encode({"minutes": 200}, {})

    assert encoded.data == bytes([1, 200])
    assert encoded.f_port == (3 if form == "TS013" else None)


def test_a_downlink_decodes_back() -> None:
    text = "function decodeDownlink(i) { return {data: {minutes: i.bytes[1], port: i.fPort}}; }"

    assert codec(text).decode_downlink(Frame(b"\x01\xc8", 3)).data == {"minutes": 200, "port": 3}


def test_the_normalized_form_comes_with_the_decoded_one() -> None:
    text = """
    function decodeUplink(i) { return {data: {TempC: i.bytes[0] / 10}, warnings: ['old']}; }
    function normalizeUplink(i) { return {data: [{air: {temperature: i.data.TempC}}]}; }"""
    decoded = codec(text).decode(Frame(b"\xeb", 1))

    assert decoded.data == {"TempC": 23.5}
    assert decoded.warnings == ("old",)
    assert decoded.normalized == ({"air": {"temperature": 23.5}},)


def test_a_normalization_that_fails_costs_no_data() -> None:
    text = """
    function decodeUplink(i) { return {data: {TempC: 1}}; }
    function normalizeUplink(i) { return i.data.missing.deep; }"""
    decoded = codec(text).decode(FRAME)

    assert decoded.data == {"TempC": 1}
    assert decoded.normalized == ()
    assert decoded.rejects[0][0] == "codec_exception"


SHIMS = {
    "Buffer.from(i.bytes).readInt16BE(2)": -100,
    "Buffer.from(i.bytes).readUInt16LE(0)": 0xE50C,
    "Buffer.from(i.bytes).readUIntBE(0, 3)": 0x0CE5FF,
    "Buffer.from(i.bytes).readIntLE(1, 3)": -6488091,
    "Buffer.from(i.bytes).toString('hex')": "0ce5ff9c",
    "Buffer.from(i.bytes).toString('base64')": "DOX/nA==",
    "Buffer.from('0ce5', 'hex').length": 2,
    "Buffer.from('DOX/nA==', 'base64').readUInt32BE(0)": 0x0CE5FF9C,
    "Buffer.from([0, 0, 0x20, 0x41]).readFloatLE(0)": 10,
    "Buffer.from([0x40, 9, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18]).readDoubleBE(0)": math.pi,
    "Buffer.concat([Buffer.from([1]), Buffer.from([2, 3])]).slice(1).toString('hex')": "0203",
    "Buffer.from('größe').length": 7,
    "Buffer.alloc(3, 7).equals(Buffer.from([7, 7, 7]))": True,
    "JSON.stringify(Buffer.from([1, 2]))": '{"type":"Buffer","data":[1,2]}',
    "require('buffer').Buffer.isBuffer(Buffer.alloc(1))": True,
    "(() => { const b = Buffer.alloc(4); b.writeInt16LE(-2, 1); return b.toString('hex'); })()": (
        "00feff00"
    ),
    "btoa('hello')": "aGVsbG8=",
    "atob('aGVsbG8=')": "hello",
    "new TextDecoder().decode(new Uint8Array([0x67, 0xc3, 0xbc, 0xf0, 0x9f, 0x8c, 0xb1]))": "gü🌱",
    "new TextDecoder('utf-8').decode(new Uint8Array([0x41, 0xff, 0x42]))": "A\ufffdB",
    "Array.from(new TextEncoder().encode('gü🌱')).length": 7,
}


@pytest.mark.parametrize("expression", SHIMS)
def test_the_shims_do_as_node_does(expression: str) -> None:
    text = f"function decodeUplink(i) {{ return {{data: {{got: {expression}}}}}; }}"

    assert codec(text).decode(FRAME).data == {"got": SHIMS[expression]}


def test_the_console_goes_to_the_log_and_is_bounded() -> None:
    heard: list[tuple[str, str, str]] = []
    text = """function decodeUplink(i) {
      console.log('bytes', i.bytes, {a: 1}); console.error('bad');
      for (var n = 0; n < 1000; n++) console.debug('x'.repeat(5000));
      return {data: {}}; }"""
    codec(text, log=lambda *line: heard.append(line)).decode(FRAME)

    assert heard[0] == ("own/test", "log", 'bytes [12,229,255,156] {"a":1}')
    assert heard[1] == ("own/test", "error", "bad")
    assert len(heard) == 20
    assert all(len(line) <= 200 for _, _, line in heard)


# --- what it returns ---------------------------------------------------------------------------

BAD_RESULTS = {
    "nothing": ("return;", "codec_result", "nothing"),
    "null": ("return null;", "codec_result", "nothing"),
    "a number": ("return 5;", "codec_result", "int"),
    "a list": ("return [1];", "codec_result", "list"),
    "no data": ("return {temperature: 5};", "codec_result", "`data` is nothing"),
    "data that is a list": ("return {data: [1, 2]};", "codec_result", "`data` is a list"),
    "data that is text": ("return {data: 'x'};", "codec_result", "`data` is a str"),
    "errors": ("return {errors: ['too short', 'no port']};", "codec_error", "too short; no port"),
    "errors beside data": ("return {data: {a: 1}, errors: ['x']};", "codec_error", "x"),
    "an exception": ("throw new Error('broken probe');", "codec_exception", "Error: broken probe"),
    "a thrown text": ("throw 'no!';", "codec_exception", "no!"),
    "a thrown nothing": ("throw undefined;", "codec_exception", "undefined"),
    "an error that cannot be shown": (
        "throw {toString() { throw 1; }};", "codec_exception", "cannot be shown",
    ),
    "an undefined variable": ("return {data: {a: missing}};", "codec_exception", "missing"),
    "a cycle": ("var a = {}; a.b = {c: a}; return {data: a};", "codec_result", "cyclic at data.b.c"),
    "a getter": ("return {data: {get t() { return 1; }}};", "codec_result", "data.t is a getter"),
    "an own __proto__": (
        "return {data: JSON.parse('{\"__proto__\": {\"a\": 1}}')};",
        "codec_result_key", "data.__proto__",
    ),
    "a constructor": ("return {data: {constructor: 1}};", "codec_result_key", "data.constructor"),
    "a BigInt": ("return {data: {a: 10n}};", "codec_result", "data.a is a BigInt"),
    "a promise": ("return Promise.resolve({data: {}});", "codec_result", "promise"),
    "10,000 keys": (
        "var d = {}; for (var i = 0; i < 10000; i++) d['k' + i] = i; return {data: d};",
        "codec_too_many_keys", "4096",
    ),
    "depth": (
        "var d = 1; for (var i = 0; i < 40; i++) d = {d: d}; return {data: d};",
        "codec_result", "nested deeper than 16",
    ),
    "a huge text": ("return {data: {t: 'x'.repeat(300000)}};", "codec_result", "characters"),
    "a proxy that throws": (
        "return new Proxy({}, {ownKeys() { throw new Error('trap'); }});", "codec_exception", "trap",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_RESULTS)
def test_a_result_that_is_no_reading_is_refused_with_its_reason(case: str) -> None:
    body, reason, words = BAD_RESULTS[case]
    error = refusal(f"function decodeUplink(input) {{ {body} }}")

    assert error.reason == reason
    assert words in error.detail


def test_numbers_that_are_none_become_null_and_cost_no_other_leaf() -> None:
    text = """function decodeUplink() { return {data: {
      a: NaN, b: {c: [1, Infinity]}, when: new Date(NaN), good: 5, none: undefined, f() {} }}; }"""
    decoded = codec(text).decode(FRAME)

    assert decoded.data == {"a": None, "b": {"c": [1, None]}, "when": None, "good": 5}
    assert decoded.rejects == (("not_finite", "a"), ("not_finite", "b.c.1"), ("not_finite", "when"))


def test_a_result_is_written_as_json_writes_it() -> None:
    text = """function decodeUplink() { return {data: {
      day: new Date(0), boxed: new Number(3), list: [undefined, 1], typed: new Uint8Array([1, 2]),
      neg: -0, nested: {deep: {x: 'ü\\u2028"'}} }}; }"""

    assert codec(text).decode(FRAME).data == {
        "day": "1970-01-01T00:00:00.000Z", "boxed": 3, "list": [None, 1], "typed": {"0": 1, "1": 2},
        "neg": 0, "nested": {"deep": {"x": 'ü\u2028"'}},
    }  # fmt: skip


BAD_BYTES = ["'0102'", "[256]", "[-129]", "[1.5]", "[true]", "['1']", "null", "[NaN]"]


@pytest.mark.parametrize("value", BAD_BYTES)
def test_bytes_that_are_none_are_refused(value: str) -> None:
    with pytest.raises(BadInput) as refused:
        codec(f"function encodeDownlink() {{ return {{bytes: {value}}}; }}").encode({"a": 1}, {})

    assert refused.value.reason == "codec_result"


def test_a_downlink_longer_than_any_frame_is_refused() -> None:
    text = "function encodeDownlink() { return {bytes: new Array(243).fill(0)}; }"
    with pytest.raises(BadInput, match="243 bytes"):
        codec(text).encode({}, {})


def test_a_script_that_is_none_is_refused_when_it_is_opened() -> None:
    for text, reason in (
        ("function decodeUplink( {", "codec_syntax"),
        ("throw new Error('at once')", "codec_syntax"),
        ("var x = 1;", "codec_no_function"),
        ("import {x} from './other.js';\nfunction decodeUplink() {}", "codec_syntax"),
    ):
        with pytest.raises(BadInput) as refused:
            codec(text)
        assert refused.value.reason == reason, text


def test_a_direction_that_is_not_defined_is_named() -> None:
    with pytest.raises(BadInput, match="encodeDownlink or Encode or Encoder") as refused:
        codec("function decodeUplink() { return {data: {}}; }").encode({}, {})

    assert refused.value.reason == "codec_no_function"


# --- what one message leaves behind ------------------------------------------------------------

LEFT_BEHIND = {
    "a top-level variable": "var n = 0; function decodeUplink() { return {data: {n: ++n}}; }",
    "a top-level let": "let n = 0; const decodeUplink = () => ({data: {n: ++n}});",
    "an object filled up": "var d = {}; function decodeUplink(i) { d['k' + Object.keys(d).length] = 1;"
    " return {data: {n: Object.keys(d).length}}; }",
    "an implicit global": "function decodeUplink() { if (typeof g == 'undefined') g = 0; g++;"
    " return {data: {n: g}}; }",
    "the global object": "function decodeUplink() { globalThis.g = (globalThis.g || 0) + 1;"
    " return {data: {n: globalThis.g}}; }",
    "this": "function decodeUplink() { this.g = (this.g || 0) + 1; return {data: {n: this.g}}; }",
    "a function's property": "function decodeUplink() { decodeUplink.n = (decodeUplink.n || 0) + 1;"
    " return {data: {n: decodeUplink.n}}; }",
    "a prototype": "function decodeUplink() { Array.prototype.n = (Array.prototype.n || 0) + 1;"
    " return {data: {n: [].n}}; }",
    "a built-in": "function decodeUplink() { Math.n = (Math.n || 0) + 1; return {data: {n: Math.n}}; }",
    "a built-in under another name": "function decodeUplink() { var m = Math; m.n = (m.n || 0) + 1;"
    " return {data: {n: m.n || 1}}; }",
    "a built-in function": "function decodeUplink() { var r = Math.round(1.4); Math.round = () => 2;"
    " return {data: {n: r}}; }",
    "a built-in's name": "function decodeUplink() { var r = typeof Map == 'function' ? 1 : 2; Map = 0;"
    " return {data: {n: r}}; }",
    "__proto__": "function decodeUplink() { var p = ({}).__proto__; p.n = (p.n || 0) + 1;"
    " var r = p.n; return {data: {n: r}}; }",
    "defineProperty": "function decodeUplink() { var n = ({}).hidden || 0;"
    " Object.defineProperty(Object.prototype, 'hidden', {value: n + 1, configurable: true});"
    " return {data: {n: ({}).hidden}}; }",
    "a regular expression's place": "var r = /a/g; function decodeUplink() { r.exec('aa');"
    " return {data: {n: r.lastIndex}}; }",
    "a promise": "function decodeUplink() { Promise.resolve().then(() => { late = 1; });"
    " return {data: {n: typeof late == 'undefined' ? 1 : 2}}; }",
    "a failure half way": "var n = 0; function decodeUplink(i) { n++; seen = n; if (i.fPort == 9)"
    " throw 1; return {data: {n: n}}; }",
}  # fmt: skip


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("case", LEFT_BEHIND)
def test_what_one_uplink_leaves_changes_no_later_result(case: str, *, isolated: bool) -> None:
    one = codec(LEFT_BEHIND[case], isolated=isolated)
    results = []
    for port in (2, 9, 2, 2):
        try:
            results.append(one.decode(Frame(FRAME.data, port)).data)
        except BadInput:
            assert port == 9

    assert results == [{"n": 1}] * len(results)
    assert len(results) >= 3


def test_a_plain_codec_stays_warm_and_one_that_changes_the_language_does_not() -> None:
    plain = (
        "var h = Object.prototype.hasOwnProperty; function decodeUplink(i) { return {data: {}}; }"
    )
    lasting = "String.prototype.twice = function () { return this + this; };\n" + plain

    assert not codec(plain).isolated
    assert codec(lasting).isolated
    assert codec(plain, isolated=True).isolated


# --- any bytes ---------------------------------------------------------------------------------

ECHO = codec("function decodeUplink(i) { return {data: {b: i.bytes, p: i.fPort}}; }")


@settings(max_examples=200)
@given(data=st.binary(max_size=255), port=st.integers(0, 255))
def test_any_payload_reaches_the_script_as_it_is(data: bytes, port: int) -> None:
    assert ECHO.decode(Frame(data, port)).data == {"b": list(data), "p": port}


MIRROR = codec("function decodeUplink(i) { return {data: JSON.parse(i.variables.json)}; }")
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)))
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(
        st.characters(exclude_categories=("Cs",)), max_size=8), inner, max_size=4), max_leaves=20
)  # fmt: skip


@settings(max_examples=200)
@given(tree=st.dictionaries(st.sampled_from("abcdef"), TREES, max_size=5))
def test_any_json_comes_through_unchanged(tree: dict[str, object]) -> None:
    frame = Frame(b"", 1, variables={"json": json.dumps(tree)})

    assert MIRROR.decode(frame).data == tree
