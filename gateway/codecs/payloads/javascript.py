"""JavaScript codecs: TS013 and the older forms, run by an engine that the caller brings.

What the script may define, and what it is called with (first found serves)::

    uplink     decodeUplink({bytes, fPort, recvTime, variables}) -> {data, errors?, warnings?}
               Decode(fPort, bytes, variables)                   -> data    ChirpStack v3
               Decoder(bytes, fPort, variables)                  -> data    The Things Network v2
    encode     encodeDownlink({data, fPort, variables})          -> {bytes, fPort?, errors?, …}
               Encode(fPort, data, variables)                    -> bytes
               Encoder(data, fPort, variables)                   -> bytes
    downlink   decodeDownlink({bytes, fPort, recvTime, variables}) -> {data, errors?, warnings?}
    normalize  normalizeUplink({data, warnings?})                -> {data, errors?, warnings?}

Sources: LoRa Alliance TS013-1.0.0; ChirpStack v4 and The Things Stack documentation of payload
codecs. Scripts are sloppy mode unless they say otherwise; ES module and CommonJS exports work too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources

from gateway.codecs.payloads.contract import Decoded, Encoded, Frame
from gateway.errors import BadInput
from gateway.types import Json, Script, ScriptEngine

MOST_KEYS = 4096
MOST_CHARS = 262144
MAX_DOWNLINK = 242
_SAFE = 2**53
TIME_S = 0.1
MEMORY_BYTES = 8 << 20

Log = Callable[[str, str, str], None]
"""Told of a script's console lines: codec name, level, text."""


class JavaScriptCodec:
    """One script as a payload codec.

    Raises
    ------
    BadInput
        `codec_syntax` when the text is no script, `codec_no_function` when it defines no codec.

    """

    def __init__(
        self,
        name: str,
        text: str,
        engine: ScriptEngine,
        *,
        time_s: float = TIME_S,
        memory_bytes: int = MEMORY_BYTES,
        isolated: bool = False,
        log: Log | None = None,
    ) -> None:
        self._name = name
        self._engine = engine
        self._log = log
        lasting = isolated or _LASTING.search(text) is not None
        script = Script(_prelude(text), wrap(text), time_s, memory_bytes, lasting)
        try:
            opened = engine.open(script)
        except BadInput as error:
            if error.reason == "codec_exception":
                raise BadInput("codec_syntax", error.detail) from None
            raise
        self._number = opened.number
        self.functions = opened.functions
        self.isolated = opened.isolated
        if not self.functions:
            engine.close(self._number)
            raise BadInput(
                "codec_no_function",
                "the script defines none of decodeUplink, encodeDownlink, decodeDownlink, "
                "normalizeUplink, Decode, Decoder, Encode, Encoder",
            )

    @property
    def name(self) -> str:
        """Return the name it is assigned by."""
        return self._name

    def close(self) -> None:
        """Give its context back."""
        self._engine.close(self._number)

    def decode(self, frame: Frame) -> Decoded:
        """Return what an uplink says."""
        answer = self._answer("uplink", frame_input(frame))
        return _decoded(answer, _checked(answer["output"]))

    def decode_downlink(self, frame: Frame) -> Decoded:
        """Return what a downlink's bytes command."""
        answer = self._answer("downlink", frame_input(frame))
        return _decoded(answer, _checked(answer["output"]))

    def encode(
        self,
        command: Mapping[str, Json],
        variables: Mapping[str, str],
        f_port: int | None = None,
    ) -> Encoded:
        """Return a command's bytes, at most 242."""
        message = {"data": command, "fPort": f_port, "variables": dict(variables)}
        output = _checked(self._answer("encode", message)["output"])
        return Encoded(
            data=_bytes(output.get("bytes")),
            f_port=_port(output.get("fPort")),
            warnings=_texts(output.get("warnings")),
        )

    def output(self, direction: str, message: Mapping[str, Json]) -> Json:
        """Return exactly what the script's function returns for this input, as JSON.

        For comparing with examples; `direction` is `uplink`, `encode`, `downlink` or `normalize`.
        """
        return self._answer(direction, message)["output"]

    def _answer(self, direction: str, message: Mapping[str, Json]) -> Mapping[str, Json]:
        text = self._engine.call(self._number, direction, json.dumps(message))
        answer: Mapping[str, Json] = json.loads(text, parse_int=_number)
        if self._log is not None:
            for level, line in answer.get("log") or ():
                self._log(self._name, level, line)
        if (failure := answer.get("failure")) is not None:
            raise BadInput(failure[0], failure[1])
        return answer


def evaluate(engine: ScriptEngine, text: str) -> Json:
    """Return a JavaScript literal as JSON: comments, hexadecimal numbers, trailing commas and all.

    Raises
    ------
    BadInput
        It is none, or meets a limit.

    """
    script = wrap(f"const literal = {text}\n; function decodeUplink() {{ return literal; }}")
    opened = engine.open(Script(_prelude("", 1_000_000, 1 << 24), script, 2.0, 64 << 20, False))
    try:
        answer = json.loads(engine.call(opened.number, "uplink", "{}"), parse_int=_number)
    finally:
        engine.close(opened.number)
    if (failure := answer.get("failure")) is not None:
        raise BadInput(failure[0], failure[1])
    return answer["output"]


def frame_input(frame: Frame) -> dict[str, Json]:
    """Return a frame as TS013's input; the harness makes a Date of `recvTime` (milliseconds)."""
    message: dict[str, Json] = {
        "bytes": list(frame.data),
        "fPort": frame.f_port,
        "variables": dict(frame.variables),
    }
    if frame.time_s is not None:
        message["recvTime"] = round(frame.time_s * 1000)
    return message


# What a codec may do to objects that outlive a message; then every message gets a new context.
# Too much here costs half a millisecond of an idle process; too little would cost correctness.
_BUILTIN = (
    r"(?:Object|Function|\w*Error|DOMException|Iterator|\w*Array|ArrayBuffer|SharedArrayBuffer|DataView"
    r"|Atomics|Number|Boolean|String|Math|Reflect|Symbol|BigInt|Date|RegExp|JSON|Proxy|Map|Set|WeakMap"
    r"|WeakSet|WeakRef|FinalizationRegistry|Promise|\w*DisposableStack|Buffer|TextDecoder|TextEncoder"
    r"|console|performance|parseInt|parseFloat|isNaN|isFinite|queueMicrotask|(?:de|en)codeURI\w*"
    r"|escape|unescape|eval|atob|btoa|undefined|NaN|Infinity)"
)
_MEMBER = r"\s*(?:\.\s*[\w$]+|\[[^\]]*\])"
_ASSIGNED = r"\s*(?:[-+*/%&|^?<>]{0,3}=(?![=>])|\+\+|--)"
_LASTING = re.compile(
    "|".join((
        r"__(?:proto|define|lookup)",
        r"\b(?:setPrototypeOf|getPrototypeOf|definePropert\w*|eval|Function|constructor|Reflect)\b",
        r"\b(?:globalThis|Symbol)\b|\bassign\s*\(|\bprototype\s*\]",
        rf"\.\s*prototype(?:{_MEMBER})?{_ASSIGNED}|\.\s*prototype\s*[,;)]",
        rf"(?<![.\w$]){_BUILTIN}(?:{_MEMBER})?{_ASSIGNED}",
    ))
)  # fmt: skip


# --- the text ----------------------------------------------------------------------------------

_NAME = r"[A-Za-z_$][\w$]*"
_FROM = r"from\s+(['\"][^'\"]+['\"])"
_NAMED = r"(?=(?:async\s+)?function\s+[A-Za-z_$]|class\s+[A-Za-z_$])"
_DECLARED = r"(?=(?:async\s+)?function\b|class\b|const\b|let\b|var\b)"
_MODULE = tuple(
    (re.compile(rf"^([ \t]*){pattern}", re.MULTILINE), replacement)
    for pattern, replacement in (
        (rf"export\s+default\s+{_NAMED}", r"\1"),
        (r"export\s+default\s+", r"\1module.exports = "),
        (rf"export\s+{_DECLARED}", r"\1"),
        (rf"import\s+\*\s+as\s+({_NAME})\s+{_FROM}", r"\1const \2 = require(\3)"),
        (rf"import\s+({_NAME})\s+{_FROM}", r"\1const \2 = require(\3)"),
    )
)
_EXPORTED = re.compile(r"^[ \t]*export\s*\{([^}]*)\}\s*;?", re.MULTILINE)
_IMPORTED = re.compile(r"^([ \t]*)import\s*\{([^}]*)\}\s*from\s*(['\"][^'\"]+['\"])", re.MULTILINE)
_NAMES = (
    "decodeUplink", "encodeDownlink", "decodeDownlink", "normalizeUplink",
    "Decode", "Decoder", "Encode", "Encoder",
)  # fmt: skip


def wrap(text: str) -> str:
    """Return a script as a function that runs it and gives back a look-up of what it defined.

    Two functions, so that the script may have a `module` or `require` of its own; the end on a line
    of its own, for a script may end in a comment.
    """
    script = _as_script(text.removeprefix("\ufeff"))
    cases = "".join(
        f"case '{name}': return typeof {name} === 'undefined' ? undefined : {name};"
        for name in _NAMES
    )
    return (
        "(function (module, exports, require) { return (function () {"
        f"{script}\n;return function (name) {{ switch (name) {{ {cases} }} }};\n"
        "}).call(globalThis); })"
    )


def _as_script(text: str) -> str:
    """Return an ES module's text with its imports and exports as CommonJS; a script's unchanged."""
    if text.startswith("#!"):
        text = "//" + text
    if "export" not in text and "import" not in text:
        return text
    text = _EXPORTED.sub(_assigned, text)
    text = _IMPORTED.sub(lambda m: f"{m[1]}const {{{_renamed(m[2])}}} = require({m[3]})", text)
    for pattern, replacement in _MODULE:
        text = pattern.sub(replacement, text)
    return text


def _assigned(found: re.Match[str]) -> str:
    pairs = [part.split(" as ") for part in found[1].split(",") if part.strip()]
    names = [(pair[0].strip(), pair[-1].strip()) for pair in pairs]
    return "".join(
        f"module.exports{'' if outer == 'default' else '.' + outer} = {inner};"
        for inner, outer in names
    )


def _renamed(names: str) -> str:
    return re.sub(r"\s+as\s+", ": ", names)


def _prelude(
    text: str, most_keys: int = MOST_KEYS, most_chars: int = MOST_CHARS
) -> tuple[str, ...]:
    """Return what a script's context is given first, in order; shims only where it names them."""
    parts = [f"globalThis.__most_keys = {most_keys}; globalThis.__most_chars = {most_chars};"]
    buffer = re.search(r"\b[Bb]uffer\b", text) is not None
    if buffer or re.search(r"\b(?:atob|btoa|TextDecoder|TextEncoder)\b", text):
        parts.append(_sandbox("text.js"))
    if buffer:
        parts.append(_sandbox("buffer.js"))
    parts.append(_sandbox("harness.js"))
    return tuple(parts)


@cache
def _sandbox(name: str) -> str:
    folder = resources.files("gateway.codecs.payloads").joinpath("sandbox")
    return folder.joinpath(name).read_text("utf-8")


# --- the answer --------------------------------------------------------------------------------


def _number(text: str) -> float:
    """Return an integer as JavaScript has it: beyond 2^53 it is a float, whatever its digits."""
    number = int(text)
    return number if -_SAFE <= number <= _SAFE else float(text)


def _checked(output: Json) -> Mapping[str, Json]:
    """Return the output as an object, unless the codec itself reports errors."""
    if not isinstance(output, dict):
        raise BadInput("codec_result", f"the codec returns {_kind(output)}, not an object")
    if errors := _texts(output.get("errors")):
        raise BadInput("codec_error", "; ".join(errors))
    return output


def _decoded(answer: Mapping[str, Json], output: Mapping[str, Json]) -> Decoded:
    data = output.get("data")
    if not isinstance(data, dict):
        raise BadInput("codec_result", f"`data` is {_kind(data)}, not an object")
    rejects = [(reason, key.removeprefix("data.")) for reason, key in answer.get("rejects", ())]
    if (trouble := answer.get("normalize_error")) is not None:
        rejects.append(("codec_exception", f"normalizeUplink: {trouble}"[:200]))
    return Decoded(
        data=data,
        warnings=_texts(output.get("warnings")),
        rejects=tuple(rejects),
        normalized=_normalized(answer.get("normalized")),
    )


def _normalized(output: Json) -> tuple[Mapping[str, Json], ...]:
    if not isinstance(output, dict) or output.get("errors"):
        return ()
    data = output.get("data")
    rows = data if isinstance(data, list) else [data]
    return tuple(row for row in rows if isinstance(row, dict))


def _texts(value: Json) -> tuple[str, ...]:
    if value is None or value is False or value == "":
        return ()
    rows = value if isinstance(value, list) else [value]
    return tuple(row if isinstance(row, str) else json.dumps(row) for row in rows)


def _bytes(value: Json) -> bytes:
    if not isinstance(value, Sequence | Mapping) or isinstance(value, str):
        raise BadInput("codec_result", f"`bytes` is {_kind(value)}, not a list of bytes")
    items = list(value.values()) if isinstance(value, Mapping) else list(value)
    if len(items) > MAX_DOWNLINK:
        raise BadInput("codec_result", f"{len(items)} bytes; a downlink carries {MAX_DOWNLINK}")
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int | float) or item != int(item):
            raise BadInput("codec_result", f"`bytes` holds {json.dumps(item)[:40]}")
        if not -128 <= item <= 255:  # noqa: PLR2004 - a byte, or a signed one
            raise BadInput("codec_result", f"`bytes` holds {item}, which is no byte")
    return bytes(int(item) & 255 for item in items)


def _port(value: Json) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 223:  # noqa: PLR2004 - LoRaWAN's ports
        raise BadInput("codec_result", f"`fPort` is {json.dumps(value)[:40]}, outside 1 to 223")
    return value


def _kind(value: Json) -> str:
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else f"a {type(value).__name__}"
