"""`lora-gateway codec run` and `codec encode`: one frame, or one command, through a codec."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.codecs.payloads.contract import MAX_PAYLOAD, Decoded, Frame, PayloadCodec
from gateway.codecs.payloads.javascript import JavaScriptCodec
from gateway.codecs.payloads.layouts import LayoutCodec
from gateway.codecs.readings import ReadingMapper
from gateway.codecs.times import parse_rfc3339
from gateway.config import load
from gateway.errors import ConfigError
from gateway.types import DevEui, DeviceInfo, Json, Reading, Uplink

_SPACES = re.compile(r"0[xX]|[\s:,\-]")
_NOBODY = DevEui("0" * 16)


def run(
    codec: PayloadCodec,
    *,
    hex_data: str,
    f_port: int,
    variables: Sequence[str],
    time_text: str | None,
    downlink: bool,
    config_path: Path | None,
    as_json: bool,
) -> int:
    """Decode and print the object, its warnings, and the readings that it becomes.

    Raises
    ------
    ConfigError
        The bytes, the time or a variable cannot be read.
    BadInput
        What the codec raises.

    """
    time_s = time.time() if time_text is None else _time_s(time_text)
    frame = Frame(frame_bytes(hex_data), f_port, time_s, pairs(variables))
    decoded = codec.decode_downlink(frame) if downlink else codec.decode(frame)
    readings, rejects = (
        ([], []) if downlink else _readings(codec, frame, decoded, config_path, time_s)
    )
    report = {
        "codec": codec.name,
        "object": decoded.data,
        "warnings": list(decoded.warnings),
        "normalized": list(decoded.normalized),
        "readings": [
            {"channel": r.channel, "value": r.value, "unit": r.unit, "key": r.key} for r in readings
        ],
        "rejects": [{"reason": r, "key": k} for r, k in (*decoded.rejects, *rejects)],
    }
    print(json.dumps(report, ensure_ascii=False) if as_json else _told(report))
    return 0


def encode(
    codec: PayloadCodec,
    *,
    object_json: str,
    variables: Sequence[str],
    f_port: int | None,
    as_json: bool,
) -> int:
    """Encode a command and print its port and bytes; `f_port` stands in for a codec that has none.

    Raises
    ------
    ConfigError
        The object is no JSON object.
    BadInput
        What the codec raises.

    """
    command, given = _object(object_json), pairs(variables)
    if isinstance(codec, JavaScriptCodec):
        encoded = codec.encode(command, given, f_port)
    else:
        encoded = codec.encode(command, given)
    port = f_port if encoded.f_port is None else encoded.f_port
    report = {
        "codec": codec.name,
        "hex": encoded.data.hex(),
        "bytes": list(encoded.data),
        "fPort": port,
        "warnings": list(encoded.warnings),
    }
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        print(f"port {'not said' if port is None else port}  {report['hex'] or '(no bytes)'}")
        for warning in encoded.warnings:
            print(f"warning: {warning}")
    return 0


def frame_bytes(text: str) -> bytes:
    """Return hex digits, however separated, as bytes; raises ConfigError."""
    digits = _SPACES.sub("", text)
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        raise ConfigError(f"--hex {text[:40]!r} is not hex: give two digits a byte.") from None
    if len(data) > MAX_PAYLOAD:
        raise ConfigError(f"--hex has {len(data)} bytes: no frame has more than {MAX_PAYLOAD}.")
    return data


def pairs(variables: Sequence[str]) -> dict[str, str]:
    """Return `KEY=VALUE` texts as a table; raises ConfigError."""
    found: dict[str, str] = {}
    for text in variables:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--variables {text!r} is not KEY=VALUE.")
        found[key.strip()] = value
    return found


def _time_s(text: str) -> float:
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise ConfigError(f"--time {text!r} is not like 2026-01-31T12:00:00Z.") from None


def _object(text: str) -> Mapping[str, Json]:
    try:
        command = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--object is not JSON: {error}.") from None
    if not isinstance(command, dict):
        raise ConfigError("--object must be a JSON object: {…}.")
    return command


def _readings(
    codec: PayloadCodec, frame: Frame, decoded: Decoded, config_path: Path | None, time_s: float
) -> tuple[list[Reading], list[tuple[str, str]]]:
    """Return what the daemon would store of a device without settings of its own."""
    uplink = Uplink(
        id="codec-run",
        device=DeviceInfo(_NOBODY),
        time_s=time_s,
        received_s=time_s,
        dev_addr="",
        f_cnt=0,
        f_port=frame.f_port,
        data=frame.data,
        object=decoded.data,
        object_units=codec.units if isinstance(codec, LayoutCodec) else {},
        normalized=decoded.normalized,
    )
    return ReadingMapper(load(config_path)).readings(uplink)


def _told(report: Mapping[str, Json]) -> str:
    lines = [json.dumps(report["object"], indent=2, ensure_ascii=False)]
    lines += [f"warning: {warning}" for warning in report["warnings"]]
    lines += [f"left out: {reject['key']} ({reject['reason']})" for reject in report["rejects"]]
    readings = report["readings"]
    if readings:
        width = max(len(row["channel"]) for row in readings)
        lines += ["", "readings"]
        lines += [f"  {r['channel']:<{width}}  {r['value']} {r['unit']}".rstrip() for r in readings]
    return "\n".join(lines)
