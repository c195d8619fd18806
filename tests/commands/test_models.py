"""Packs are listed and verified, and a broken one is told with what to do about it."""

from __future__ import annotations

import json
from pathlib import Path

import model_packs as packs
import pytest

from gateway.commands import models, models_install
from gateway.errors import PackError
from gateway.inference import BUILTIN, read_pack, trial
from gateway.inference.fitness import Machine, this_machine
from gateway.inference.installed import stage, switch
from gateway.inference.sizes import SHIPPED, settle
from gateway.inference.trial import Ending

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


def test_what_became_of_packs_on_trial_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "c.toml"
    settings.write_text(f"[inference]\npacks = '{tmp_path}'\n")
    made = {}
    for version in ("2", "3", "4"):
        files = packs.changed_manifest(lambda m, v=version: m.update(version=v))
        made[version] = stage(read_pack(packs.write(tmp_path / "new", files)), tmp_path)
        switch(tmp_path, made[version])
        trial.begin(tmp_path, made[version])
        if version == "2":
            trial.end(tmp_path, Ending(pack=made["2"].name, time_s=0.0))
        if version == "3":
            detail = "Its forecasts err."
            ended = Ending(pack=made["3"].name, time_s=0.0, reason="worse", detail=detail)
            trial.end(tmp_path, ended)
    models.list_packs(settings, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].endswith("passed its trial 1970-01-01 00:00 UTC")
    assert lines[3].endswith("rolled back 1970-01-01 00:00 UTC: Its forecasts err.")
    assert lines[4].startswith("* ")
    assert lines[4].endswith("on trial from the next start on")
    assert lines[5] == "In use: it was installed."
    models_install.rollback(settings)
    assert "It was rolled back by itself before: Its forecasts err." in capsys.readouterr().out
    models.list_packs(settings, as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["trial"] for row in rows if row["active"]] == [lines[3].split("zip")[1]]


def test_of_the_packs_that_ship_the_one_chosen_is_said_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "c.toml"
    settings.write_text(f"[inference]\npacks = '{tmp_path}'\n")
    choice = settle(tmp_path, Machine("x86_64", "3.11", "1.20", None, total_mb=400.0))
    (tmp_path / "size.json").write_text(
        choice.model_copy(
            update={"memory_mb": this_machine().total_mb, "processor": this_machine().processor}
        ).model_dump_json()
    )
    models.list_packs(settings, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("* tiny")
    assert lines[2].startswith("In use: tiny, chosen for this machine. This machine has 400 MB")
    assert models_install.doctor(None, settings, as_json=False) == 0
    assert "size for this machine: tiny" in capsys.readouterr().out
