"""Coverage-guided fuzzing of JavaScript codecs: any text as a script, any bytes as a payload.

    python tests/fuzz/fuzz_javascript.py -max_total_time=600

Needs atheris. Whatever the script is, only BadInput may come of it, and a sound codec beside it
must go on decoding.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["gateway"]):
    from gateway.codecs.payloads.contract import Frame
    from gateway.codecs.payloads.javascript import JavaScriptCodec
    from gateway.errors import BadInput
    from gateway.links.scripts import ScriptProcess

ENGINE = ScriptProcess()
GOOD = JavaScriptCodec("good", "function decodeUplink(i) { return {data: {n: 1}}; }", ENGINE)
PIECES = (
    "function decodeUplink(i) { return ", "{data: ", "}", "[", "]", "i.bytes", "NaN", "null", ";",
    "var a = ", "a", "export ", "export default ", "import x from 'buffer';", "throw ", "1e999",
    "{get x() { return 1; }}", "JSON.parse('{\"__proto__\": 1}')",
    "function Decode(p, b) { return ",
    "i.recvTime", "errors: ", "warnings: ", "'text'", ",", "(", ")", "=>", "`${a}`", "//", "/*",
    "*/",
    "function normalizeUplink(i) { return ", "Buffer.from(i.bytes)", "new Date(NaN)", "\n", "10n",
)  # fmt: skip


def test_one(data: bytes) -> None:
    """Make a script of pieces and raw text, open it, and decode with it."""
    provider = atheris.FuzzedDataProvider(data)
    text = ""
    for _ in range(provider.ConsumeIntInRange(1, 24)):
        if provider.ConsumeBool():
            text += PIECES[provider.ConsumeIntInRange(0, len(PIECES) - 1)]
        else:
            text += provider.ConsumeUnicode(6)
    frame = Frame(provider.ConsumeBytes(32), provider.ConsumeIntInRange(0, 255))
    try:
        codec = JavaScriptCodec("fuzzed", text, ENGINE, time_s=0.02)
    except BadInput:
        return
    try:
        decoded = codec.decode(frame)
        if not isinstance(decoded.data, dict):
            raise AssertionError(decoded)  # noqa: TRY004 - a finding, for the fuzzer
    except BadInput:
        pass
    finally:
        codec.close()
    if GOOD.decode(frame).data != {"n": 1}:
        raise AssertionError("a codec changed another")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one)
    atheris.Fuzz()
