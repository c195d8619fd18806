"""Packs are listed and verified, and a broken one is told with what to do about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.commands import models
from gateway.errors import PackError
from gateway.inference import BUILTIN
from gateway.inference.sizes import SHIPPED

TINY = SHIPPED["tiny"]


def settings_file(folder: Path, pack: Path) -> Path:
    path = folder / "c.toml"
    path.write_text(f"[inference]\npack = '{pack}'\n")
    return path


def test_the_pack_in_use_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.zip"
    mine.write_bytes(BUILTIN.read_bytes())
    assert models.list_packs(settings_file(tmp_path, mine), as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["path"], row["active"]) for row in rows] == [
        (str(BUILTIN), False),
        (str(TINY), False),
        (str(mine), True),
    ]
    assert rows[2]["why"] == "In use: `inference.pack` names it."
    assert models.list_packs(settings_file(tmp_path, mine), as_json=False) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("* ")


def test_the_shipped_pack_is_good_and_timed_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert models.verify(None, None, as_json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["bytes"] == BUILTIN.stat().st_size
    assert report["ms_per_window"] > 0
    assert models.verify(BUILTIN, None, as_json=False) == 0
    assert capsys.readouterr().out.startswith(f"{BUILTIN}: good.")


@pytest.mark.parametrize("content", [b"", b"PK not a zip", None], ids=["empty", "cut", "missing"])
def test_a_pack_that_is_none_is_told_with_a_remedy(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "pack.zip"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PackError) as caught:
        models.verify(file, None, as_json=False)
    assert caught.value.remedy
    assert str(file) in str(caught.value)


def test_a_pack_with_one_byte_changed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pack.zip"
    content = bytearray(BUILTIN.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(PackError):
        models.verify(file, None, as_json=False)
