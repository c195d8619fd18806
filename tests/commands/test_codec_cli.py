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
