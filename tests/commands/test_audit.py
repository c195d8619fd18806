"""The audit log on the command line: printed, exported, checked."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, settings

from gateway.commands import audit

SET = f"lora-gateway/device/{eui(1)}/set"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give the settings of a gateway that was commanded twice, once wrongly."""
    path = tmp_path / "lora-gateway.toml"
    path.write_text(f"[store]\npath = '{tmp_path / 'gateway.db'}'\n")

    async def command() -> None:
        gateway = Bench(settings(), tmp_path / "gateway.db", start_s=NOW_S)
        await gateway.hear(up(eui(1), 1, NOW_S, {"TempC_SHT": 20.0}))
        body = {"hex": "01", "f_port": 2, "by": "anna"}
        await gateway.ask(SET, json.dumps(body).encode())
        await gateway.ask(SET, b"{")
        await gateway.store.close()

    asyncio.run(command())
    return path


def show(config: Path, *, verify: bool = False, known: list[str] | None = None) -> int:
    return audit.run(config, verify_it=verify, known=known or [], as_json=True)


def test_every_decision_is_exported_as_it_was_hashed(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(config) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    details = [json.loads(row["body"])["detail"] for row in rows]
    assert [one["state"] for one in details] == ["accepted", "refused"]
    assert (details[0]["by"], details[0]["data"]) == ("anna", "01")
    assert details[1]["detail"].startswith("malformed: ")
    digest = bytes(32)
    for row in rows:
        digest = hashlib.sha256(digest + row["body"].encode()).digest()
        assert row["hash"] == digest.hex()


def test_a_person_reads_a_line_for_each(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.run(config, verify_it=False, known=[], as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "accepted" in lines[0]
    assert "by anna" in lines[0]


def test_a_whole_log_is_said_to_be_whole(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(config, verify=True) == 0
    head = json.loads(capsys.readouterr().out)["head"]
    assert show(config, known=[head.upper()]) == 0
    assert show(config, known=["00" * 32]) == 1
    assert audit.run(config, verify_it=True, known=[], as_json=False) == 0
    assert head in capsys.readouterr().out


def test_an_altered_log_is_found_out(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(config.parent / "gateway.db")) as stranger:
        stranger.execute("UPDATE audit SET body = replace(body, 'anna', 'otto') WHERE seq = 1")
        stranger.commit()
    assert show(config, verify=True) == 1
    assert json.loads(capsys.readouterr().out)["seq"] == 1
    assert audit.run(config, verify_it=True, known=[], as_json=False) == 1
    assert "row 1" in capsys.readouterr().out
