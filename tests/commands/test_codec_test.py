"""`codec test` counts every example once, shows what differs, and its exit status says the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stand_in_codecs import (
    CHIRPSTACK,
    METER,
    THINGS_NETWORK,
    evaluate_json5,
    make_codec,
    write_tree,
)

from gateway.commands import codec_test
from gateway.types import Json


def run(path: Path, *, as_json: bool = False) -> int:
    return codec_test.run(
        path, as_json=as_json, make_codec=make_codec, evaluate_json5=evaluate_json5
    )


def report(path: Path, capsys: pytest.CaptureFixture[str], status: int) -> Json:
    assert run(path, as_json=True) == status
    return json.loads(capsys.readouterr().out)


def test_both_ecosystems_examples_are_exact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tree(tmp_path, {**THINGS_NETWORK, **CHIRPSTACK})
    found = report(tmp_path, capsys, 0)
    assert found["summary"] == {
        "codecs": 3,
        "examples": 9,
        "exact": 9,
        "close": 0,
        "differ": 0,
        "failed": 0,
    }
    assert found["results"][0] == {
        "vendor": "acme",
        "model": "meter",
        "codec": "acme/meter",
        "kind": "uplink",
        "description": "On is text",
        "verdict": "exact",
        "diff": [],
        "reason": "",
    }


def mixed(tmp_path: Path) -> Path:
    """Write one example of each outcome, one broken file, and one codec that does not load."""

    def uplink(name: str, data: Json, port: int = 2) -> Json:
        given = {"fPort": port, "bytes": [1, 16]}
        return {"name": name, "input": given, "expected": {"data": data}}

    tests = [
        uplink("same", {"valve": "On", "level": 1.6}),
        uplink("nearly", {"valve": "On", "level": 1.6000000000000001e0 + 1e-12}),
        uplink("boolean", {"valve": True, "level": 1.6}),
        uplink("no such port", {}, port=9),
    ]
    folder = tmp_path / "vendors/acme/codecs"
    write_tree(
        folder,
        {
            "meter.js": METER,
            "test_decode_meter.json": tests,
            "test_encode_meter.json": "[{",
            "broken.js": "function (",
            "test_decode_broken.json": tests[:2],
            "test_decode_gone.json": tests[:1],
        },
    )
    return tmp_path


def test_each_outcome_is_counted_and_what_is_broken_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(mixed(tmp_path), capsys, 1)
    assert found["summary"] == {
        "codecs": 3,
        "examples": 6,
        "exact": 1,
        "close": 1,
        "differ": 1,
        "failed": 5,
    }
    told = {
        (r["model"], r["kind"], r["description"]): (r["verdict"], r["diff"], r["reason"])
        for r in found["results"]
    }
    assert told["meter", "uplink", "boolean"] == ("differ", ['data.valve: true -> "On"'], "")
    assert told["meter", "uplink", "no such port"][2].startswith("codec_exception")
    assert told["meter", "file", ""][2].startswith("test_encode_meter.json: codec_syntax")
    assert told["broken", "uplink", "same"][2].startswith("codec_syntax")
    assert told["gone", "file", ""][2].startswith("gone.js: file_missing")
    assert ("gone", "uplink", "same") not in told


def test_the_table_has_a_row_for_each_codec_and_the_differences_below(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(mixed(tmp_path)) == 1
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if "meter" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "acme",
        "meter",
        "4",
        "1",
        "1",
        "1",
        "2",
    ]
    assert 'acme/meter  uplink  boolean: differ\n    data.valve: true -> "On"\n' in out
    assert "3 codecs" in out


def test_what_is_in_brackets_is_printed_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"name": "[red]x[/red] [1]", "input": {"bytes": []}, "expected": {"data": {}}}
    write_tree(tmp_path, {"a.js": METER, "a.examples.json": [entry]})
    assert run(tmp_path) == 1
    assert "a  uplink  [red]x[/red] [1]: failed" in capsys.readouterr().out


def test_a_strangers_words_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"name": "a\x1b[2Jb", "input": {"bytes": []}, "expected": {"data": {}}}
    write_tree(tmp_path, {"a.js": METER, "a.examples.json": [entry]})
    assert run(tmp_path) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "a\ufffd[2Jb: failed" in out


def test_a_codec_without_examples_is_loaded_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tree(tmp_path, {"a.js": METER})
    assert run(tmp_path / "a.js") == 0
    assert "no examples" in capsys.readouterr().out
    write_tree(tmp_path, {"a.js": "function ("})
    assert run(tmp_path / "a.js") == 1


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_path_without_a_codec_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / name) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert name in captured.err
