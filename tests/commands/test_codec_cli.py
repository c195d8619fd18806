"""The `codec` commands are there, take what they say, and answer with the right exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app


def test_the_group_names_its_commands() -> None:
    result = CliRunner().invoke(app, ["codec", "--help"])
    assert result.exit_code == 0
    for name in ("test", "run", "encode", "add", "import", "list"):
        assert f"\n  {name} " in result.output


def test_a_path_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["codec", "test", str(tmp_path / "nowhere")])
    assert result.exit_code == 2


@pytest.mark.parametrize("arguments", [["run", "x"], ["encode", "x"], ["import", "x"], ["test"]])
def test_what_is_needed_must_be_given(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["codec", *arguments]).exit_code == 2


def test_an_empty_folder_lists_what_ships(tmp_path: Path) -> None:
    arguments = ["codec", "list", "--folder", str(tmp_path), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert {row["from"] for row in json.loads(result.output)} == {"built-in"}


def test_the_examples_in_a_layout_are_run(tmp_path: Path) -> None:
    layout = """
vendor = "own"
model = "probe"
source = "here"
f_port = 7
[[message]]
[[message.field]]
name = "t"
type = "u8"
[[command]]
[[command.field]]
name = "minutes"
type = "u8"
[[example]]
hex = "15"
object = { t = 21 }
[[example]]
hex = "0a"
f_port = 7
command = { minutes = 10 }
"""
    (tmp_path / "probe.toml").write_text(layout)
    result = CliRunner().invoke(app, ["codec", "test", str(tmp_path), "--json"])

    assert json.loads(result.output)["summary"] == {
        "codecs": 1, "examples": 2, "exact": 2, "close": 0, "differ": 0, "failed": 0,
    }  # fmt: skip
    (tmp_path / "probe.toml").write_text(layout.replace("t = 21", "t = 22"))
    assert CliRunner().invoke(app, ["codec", "test", str(tmp_path)]).exit_code == 1
