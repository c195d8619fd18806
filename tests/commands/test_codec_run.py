"""One payload through a codec becomes an object and readings; one command becomes bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from stand_in_codecs import METER, StandInCodec

from gateway.commands import codec_open, codec_run
from gateway.errors import BadInput, ConfigError
from gateway.types import Json

CODEC = StandInCodec(
    "acme/air",
    {
        "uplink": {
            "01@2": {
                "data": {"temperature": 21.5, "door": "open"},
                "warnings": ["low battery"],
                "rejects": [["not_finite", "co2"]],
            }
        },
        **{name: METER[name] for name in ("encode", "downlink")},
    },
)


def run(hex_data: str, *, f_port: int = 2, downlink: bool = False, as_json: bool = True) -> int:
    return codec_run.run(
        CODEC,
        hex_data=hex_data,
        f_port=f_port,
        variables=(),
        time_text="2026-01-31T12:00:00Z",
        downlink=downlink,
        config_path=None,
        as_json=as_json,
    )


def test_an_uplink_shows_its_object_and_the_readings_it_becomes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("0x01") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["object"] == {"temperature": 21.5, "door": "open"}
    assert told["warnings"] == ["low battery"]
    assert told["rejects"] == [{"reason": "not_finite", "key": "co2"}]
    assert {"channel": "air.temperature", "value": 21.5, "unit": "°C", "key": "temperature"} in (
        told["readings"]
    )
    assert run("01", as_json=False) == 0
    out = capsys.readouterr().out
    assert "warning: low battery\nleft out: co2 (not_finite)\n" in out
    assert "air.temperature" in out


def test_a_downlink_is_shown_without_readings(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("01:FF", f_port=3, downlink=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["object"], told["readings"]) == ({"valve": "open"}, [])


def test_what_the_codec_refuses_goes_to_the_caller() -> None:
    with pytest.raises(BadInput) as caught:
        run("ff", f_port=77)
    assert caught.value.reason == "codec_exception"


@pytest.mark.parametrize("text", ["0", "xy", "00" * 256])
def test_what_is_no_payload_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="--hex"):
        run(text)


def encode(text: str, *, variables: Sequence[str] = (), as_json: bool = True) -> int:
    return codec_run.encode(CODEC, object_json=text, variables=variables, f_port=9, as_json=as_json)


def test_a_command_becomes_bytes_on_the_codecs_own_port(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert encode('{"valve": "open"}') == 0
    told: Json = json.loads(capsys.readouterr().out)
    assert (told["hex"], told["bytes"], told["fPort"]) == ("01ff", [1, 255], 3)
    assert encode('{"valve": "open"}', as_json=False) == 0
    assert capsys.readouterr().out == "port 3  01ff\n"


@pytest.mark.parametrize("text", ["{", "[1]", "7", "[" * 100_000])
def test_what_is_no_object_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="--object"):
        encode(text)


def test_a_variable_is_a_key_and_a_value() -> None:
    assert codec_run.pairs(["a=1", " b =x=y"]) == {"a": "1", "b": "x=y"}
    for text in ("a", "=1"):
        with pytest.raises(ConfigError, match="KEY=VALUE"):
            encode("{}", variables=[text])


def test_only_scripts_and_layouts_are_codecs() -> None:
    with pytest.raises(BadInput) as caught:
        codec_open.make_codec("x", ".py", "")
    assert caught.value.reason == "codec_syntax"


def test_a_folder_is_no_codec_to_open(tmp_path: Path) -> None:
    file = tmp_path / "a.js"
    file.mkdir()
    with pytest.raises(ConfigError):
        codec_open.open_codec(str(file), tmp_path)
