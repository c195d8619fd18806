"""`lora-gateway devices health`, beside a database that may be in use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, settings

from gateway.commands import device_health
from gateway.store import Batch

DAY_S = 86400.0
DAYS = 12


def settings_file(folder: Path, text: str = "") -> Path:
    path = folder / "lora-gateway.toml"
    path.write_text(f"{text}\n[store]\npath = '{folder / 'gateway.db'}'\n")
    return path


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Path]:
    """Give the folder of a gateway that heard two devices for days, one with a failing battery."""

    async def hear() -> Bench:
        gateway = Bench(settings(), tmp_path / "gateway.db", start_s=NOW_S - DAYS * DAY_S)
        for hour in range(0, DAYS * 24, 2):
            at_s = NOW_S - DAYS * DAY_S + 3600.0 * hour
            for number, volts in ((1, 3.6 - 0.02 * hour / 24), (2, 3.6)):
                values = {"TempC_SHT": 20.0, "BatV": round(volts, 3)}
                await gateway.hear(up(eui(number), hour // 2, at_s, values), received_s=at_s)
        kept = {"every_s": 7200, "wanted_s": 14400, "case": "calm", "channel": "air.temperature"}
        await gateway.store.commit(Batch(control={f"sampling:{eui(2)}": kept}))
        return gateway

    gateway = asyncio.run(hear())
    yield tmp_path
    asyncio.run(gateway.store.close())


def told(folder: Path, capsys: pytest.CaptureFixture[str], text: str = "") -> str:
    path = settings_file(folder, text)
    assert device_health.run(path, as_json=False, now_s=NOW_S) == 0
    return capsys.readouterr().out


def test_devices_are_told_worst_first_with_the_days_their_batteries_have(
    farm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert device_health.run(settings_file(farm), as_json=True, now_s=NOW_S) == 0
    first, second = json.loads(capsys.readouterr().out)

    assert (first["dev_eui"], first["level"]) == (eui(1), "watch")
    assert first["battery"]["days_left"] == pytest.approx((3.6 - 0.24 - 2.9) / 0.02, abs=2.0)
    assert first["battery"]["soonest_days"] <= first["battery"]["days_left"]
    assert first["every_s"] == 7200
    assert (second["dev_eui"], second["level"], second["judgement"]) == (
        eui(2), "ok", "in good order",
    )  # fmt: skip
    assert second["battery"]["days_left"] is None
    assert second["sampling"]["wanted_s"] == 14400


def test_a_person_reads_a_line_for_each_device_and_the_advice_below(
    farm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(farm, capsys).splitlines()

    assert "its battery lasts about 23 days more" in lines[1]
    assert "in good order" in lines[2]
    assert ": Little happens: every 4 h instead of every 2 h tells as much" in lines[3]
    assert "Little happens" not in told(farm, capsys, "[advice]\nsampling = 'off'")


def test_the_table_is_in_the_language_of_the_site(
    farm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = told(farm, capsys, "[site]\nlanguage = 'zh_CN'")

    assert "电池约剩 23 天" in text
    assert "状态良好" in text
    assert "in good order" not in text


def test_a_name_of_the_settings_goes_before_the_servers(
    farm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "North field" in told(farm, capsys, f"[devices.{eui(1)}]\nname = 'North field'")
