"""Devices, copies and reports, beside a database that may be in use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, settings

from gateway.commands import inspect
from gateway.errors import GatewayError, StoreError

HOT = {"name": "hot", "channel": "air.temperature", "above": 30.0}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lora-gateway.toml"
    path.write_text(
        f"[store]\npath = '{tmp_path / 'gateway.db'}'\n[mqtt]\npassword = 'do-not-tell'\n"
    )
    return path


@pytest.fixture
def heard(config: Path) -> Iterator[Bench]:
    """Give a gateway at work on the database: two devices, one of them too hot."""

    async def hear() -> Bench:
        limits = settings(alerts={"threshold": [HOT]})
        gateway = Bench(limits, config.parent / "gateway.db", start_s=NOW_S - 60)
        await gateway.hear(up(eui(1), 1, NOW_S - 60, {"TempC_SHT": 20.0}), received_s=NOW_S - 60)
        await gateway.hear(up(eui(2), 1, NOW_S, {"TempC_SHT": 50.0}), received_s=NOW_S)
        await gateway.hear(("nonsense", b"{"))
        return gateway

    gateway = asyncio.run(hear())
    yield gateway
    asyncio.run(gateway.store.close())


@pytest.mark.usefixtures("heard")
def test_devices_are_listed_newest_first(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect.devices(config, as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["dev_eui"], row["f_cnt"], row["alerts"]) for row in rows] == [
        (eui(2), 1, 1),
        (eui(1), 1, 0),
    ]
    assert inspect.devices(config, as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(eui(2))


@pytest.mark.usefixtures("heard")
def test_the_report_holds_no_secret(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect.dump(config) == 0
    printed = capsys.readouterr().out
    report = json.loads(printed)
    assert "do-not-tell" not in printed
    assert report["store"]["uplinks"] == 2
    assert report["quarantine"] == {"unknown_topic": 1}
    assert {"version", "python", "packages", "settings"} <= set(report)


def test_the_report_needs_no_database(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect.dump(config) == 0
    assert "store" not in json.loads(capsys.readouterr().out)


def test_a_copy_made_while_the_gateway_runs_can_be_put_back(
    config: Path, heard: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.db"
    assert inspect.backup(config, copy) == 0
    before = heard.facts()
    asyncio.run(heard.store.close())
    with pytest.raises(GatewayError, match="is there already; --force replaces it"):
        inspect.restore(config, copy, force=False)
    assert inspect.restore(config, copy, force=True) == 0
    again = Bench(settings(), config.parent / "gateway.db")
    assert again.facts() == before
    asyncio.run(again.store.close())
    assert "restored from" in capsys.readouterr().out


def test_a_database_in_use_is_not_replaced(config: Path, heard: Bench, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    inspect.backup(config, copy)
    with pytest.raises(StoreError, match="in use"):
        inspect.restore(config, copy, force=True)
    assert len(heard.stored()) == 2


def test_what_is_no_copy_is_not_put_back(config: Path, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.db"
    rubbish.write_bytes(b"no database" * 1000)
    for file in (rubbish, tmp_path / "none.db"):
        with pytest.raises(StoreError):
            inspect.restore(config, file, force=True)
    assert not (tmp_path / "gateway.db").exists()


def test_before_the_first_start_there_is_nothing_to_see(config: Path, tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="the gateway has not run yet"):
        inspect.devices(config, as_json=True)
    with pytest.raises(GatewayError, match="the gateway has not run yet"):
        inspect.backup(config, tmp_path / "copy.db")
