"""Codecs that need no engine: their script is a JSON table of what they answer.

`{"01ff@2": {"data": …}}` answers an uplink of those bytes on that port; `encode`, `normalize` and
`downlink` are tables likewise. `errors` in an answer is raised as the contract says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from gateway.codecs.payloads.contract import Decoded, Encoded, Frame
from gateway.errors import BadInput
from gateway.types import Json


class StandInCodec:
    """Answers from its table; what is not in it has no function."""

    def __init__(self, name: str, table: Mapping[str, Json]) -> None:
        self.name = name
        self._table = table

    def decode(self, frame: Frame) -> Decoded:
        return self._decoded("uplink", frame)

    def decode_downlink(self, frame: Frame) -> Decoded:
        return self._decoded("downlink", frame)

    def encode(self, command: Mapping[str, Json], variables: Mapping[str, str]) -> Encoded:
        answer = self._answer("encode", json.dumps({**command, **variables}, sort_keys=True))
        return Encoded(
            bytes(answer["bytes"]), answer.get("fPort"), tuple(answer.get("warnings", ()))
        )

    def normalize(self, data: Mapping[str, Json]) -> tuple[Mapping[str, Json], ...]:
        answer = self._answer("normalize", json.dumps(data, sort_keys=True))
        return tuple(answer["data"])

    def _decoded(self, function: str, frame: Frame) -> Decoded:
        answer = self._answer(function, f"{frame.data.hex()}@{frame.f_port}")
        rejects = tuple(tuple(reject) for reject in answer.get("rejects", ()))
        return Decoded(answer.get("data", {}), tuple(answer.get("warnings", ())), rejects)

    def _answer(self, function: str, asked: str) -> Mapping[str, Json]:
        if function not in self._table:
            raise BadInput("codec_no_function", function)
        if asked not in self._table[function]:
            raise BadInput("codec_exception", f"asked {asked}")
        answer: Mapping[str, Json] = self._table[function][asked]
        if answer.get("errors"):
            raise BadInput("codec_error", "; ".join(answer["errors"]))
        return answer


def make_codec(name: str, suffix: str, script: str) -> StandInCodec:
    """Make one of a script; raises `codec_syntax` as an engine does."""
    assert suffix in {".js", ".toml"}
    try:
        return StandInCodec(name, json.loads(script))
    except ValueError as error:
        raise BadInput("codec_syntax", str(error)) from None


def evaluate_json5(text: str) -> Json:
    """Read the two things of JavaScript that real test files use: comments and hex numbers."""
    bare = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    decimal = re.sub(r"\b0x([0-9a-fA-F]+)\b", lambda digits: str(int(digits[1], 16)), bare)
    try:
        return json.loads(decimal)
    except ValueError as error:
        raise BadInput("codec_syntax", str(error)) from None


def write_tree(root: Path, files: Mapping[str, Json]) -> Path:
    """Write files: text as it is, anything else as JSON."""
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return root


METER = {
    "uplink": {
        "0110@2": {"data": {"valve": "On", "level": 1.6}},
        "0111@2": {"data": {"valve": "NO", "level": 1.7}, "warnings": ["low battery"]},
        "ff@42": {"errors": ["unknown FPort"]},
    },
    "encode": {'{"valve": "open"}': {"bytes": [1, 255], "fPort": 3}},
    "downlink": {"01ff@3": {"data": {"valve": "open"}}},
    "normalize": {'{"level": 1.6, "valve": "On"}': {"data": [{"water": {"level": 1.6}}]}},
}
"""A codec for a water meter that nobody makes."""

THINGS_NETWORK = {
    "vendor/acme/index.yaml": "endDevices:\n  - meter\n",
    "vendor/acme/meter.yaml": """
name: Acme Water Meter 3000
firmwareVersions:
  - version: '1.0'
    profiles:
      EU863-870: {id: meter-profile, codec: meter-codec}
""",
    "vendor/acme/meter-codec.yaml": """
uplinkDecoder:
  fileName: meter.js
  examples:
    - description: On is text
      input: {fPort: 2, bytes: [0x01, 0x10]}
      output:
        data: {valve: On, level: 1.6}
      normalizedOutput:
        data:
          water: {level: 1.6}
    - description: A warning counts, and bytes may be hex
      input: {fPort: 2, bytes: '01 11'}
      output:
        data: {valve: NO, level: 1.70}
        warnings: [low battery]
    - description: An error is expected
      input: {fPort: 42, bytes: [255]}
      output:
        errors: [unknown FPort]
downlinkEncoder:
  fileName: meter.js
  examples:
    - description: Open
      input: {data: {valve: open}}
      output: {bytes: [1, 255], fPort: 3}
downlinkDecoder:
  fileName: meter.js
  examples:
    - description: Open, read back
      input: {fPort: 3, bytes: [1, 255]}
      output: {data: {valve: open}}
""",
    "vendor/acme/meter.js": METER,
}

CHIRPSTACK = {
    "vendors/acme/vendor.toml": '[vendor]\nname = "Acme"\ndevices = ["meter.toml"]\n',
    "vendors/acme/devices/meter.toml": """
[device]
id = "0b2f3c2e-1f7e-4c3e-9f59-0e7d0f8f0001"
name = "Acme Water Meter"
[[device.firmware]]
version = "1.0"
codec = "meter-3000.js"
""",
    "vendors/acme/profiles/eu868.toml": '[profile]\nregion = "EU868"\n',
    "vendors/acme/codecs/meter-3000.js": METER,
    "vendors/acme/codecs/test_decode_meter-3000.json": """[
  // hex numbers and comments are JavaScript, not JSON
  {"name": "hex", "input": {"fPort": 0x02, "bytes": [0x01, 0x10]},
   "expected": {"data": {"level": 1.6, "valve": "On"}, "errors": [], "warnings": []}},
  {"name": "error", "input": {"fPort": 42, "bytes": [255]},
   "expected": {"data": {}, "errors": ["unknown FPort"]}}
]""",
    "vendors/acme/codecs/test_encode_meter-3000.json": [
        {
            "name": "open",
            "input": {"data": {"valve": "open"}},
            "expected": {"bytes": [1, 255], "fPort": 3},
        }
    ],
    "vendors/acme/codecs/untested.js": {},
}
