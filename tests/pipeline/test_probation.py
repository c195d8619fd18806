"""A new pack is on trial in the daemon: kept, or rolled back by itself, through any restarts."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import model_packs as packs
import numpy as np
import pytest
from chirpstack_events import eui, up
from daemon_in_memory import running
from gateways import NOW_S, Bench, settings
from jsonschema import Draft202012Validator
from onnx_bytes import OnnxFile

from gateway.app import HEALTH_S
from gateway.commands import models_canary, models_install
from gateway.config import Config
from gateway.inference import BUILTIN, active, load_model, read_pack, trial
from gateway.inference.installed import CURRENT, stage, switch, target
from gateway.inference.session import OnnxModel
from gateway.probation import LONGEST_TICK_S
from gateway.publishers.contract import schema

EUI = eui(1)
STEP_S = 900.0
HOUR_S = 3600.0
NOISE = np.random.default_rng(7).normal(0, 0.2, 1000)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return settings(
        inference={"packs": str(tmp_path / "packs")},
        store={"path": str(tmp_path / "gateway.db")},
    )


def bring_in(config: Config, folder: Path, files: dict[str, bytes], version: str) -> Path:
    """Take a pack into use as `models install` does at its end, whatever it is worth."""
    files = packs.replaced_in(files, "version.txt", version.encode())
    made = stage(read_pack(packs.write(folder / "new.zip", files)), config.inference.packs)
    switch(config.inference.packs, made)
    trial.begin(config.inference.packs, made)
    return made


def useless(config: Config, folder: Path) -> Path:
    """Take a pack into use that answers the middle of the window to everything."""
    return bring_in(config, folder, packs.around(OnnxFile()), "useless")


def good(config: Config, folder: Path) -> Path:
    return bring_in(config, folder, packs.members(), "again")


@asynccontextmanager
async def started(config: Config, at: int = 0) -> AsyncIterator[Bench]:
    """Start the gateway on the store of these settings, at the time of a sample."""
    bench = Bench(config, config.store.path, start_s=NOW_S + at * STEP_S, live=True)
    try:
        yield bench
    finally:
        await bench.store.close()


async def hear(bench: Bench, samples: range) -> None:
    for at in samples:
        value = round(20 + 6 * math.sin(at * 2 * math.pi / 96) + NOISE[at], 2)
        time_s = NOW_S + at * STEP_S
        await bench.hear(up(EUI, at, time_s, {"temperature": value}), received_s=time_s)


async def test_a_useless_pack_is_rolled_back_with_its_figures(
    config: Config, tmp_path: Path
) -> None:
    made = useless(config, tmp_path)
    async with started(config) as bench:
        assert bench.assembly.model_name.endswith(read_pack(made).sha256[:16])
        await hear(bench, range(220))
        assert bench.assembly.probation.tick(bench.clock.now_s())
        assert "times as much" in bench.assembly.probation.trouble
        assert bench.telemetry.counts["packs_rolled_back"] == 1
        assert not bench.assembly.probation.tick(bench.clock.now_s()), "it is told once"
    assert active(config.inference) == BUILTIN
    ending = trial.read(config.inference.packs).ending(made.name)
    assert ending is not None
    assert ending.reason == "worse"
    async with started(config, 230) as bench:
        assert bench.assembly.model_name == read_pack(BUILTIN).identity
        assert bench.assembly.probation.trouble.startswith(f"The new model pack {made.name}")


async def test_a_good_pack_is_kept_when_its_time_is_over_also_through_a_restart(
    config: Config, tmp_path: Path
) -> None:
    made = good(config, tmp_path)
    short = config.inference.model_copy(update={"trial_hours": 0.05})
    config = config.model_copy(update={"inference": short})
    async with started(config) as bench:
        await hear(bench, range(100))
        assert not bench.assembly.probation.tick(NOW_S + 40 * 365 * 24 * HOUR_S), "a clock was set"
        bench.assembly.probation.save()
    async with started(config, 100) as bench:
        await hear(bench, range(100, 200))
        running = bench.assembly.probation.health()["trial"]
        assert isinstance(running, dict)
        assert running["samples"] == 100 + 100 - 64, "what was compared before counts still"
        now_s = bench.clock.now_s()
        assert not bench.assembly.probation.tick(now_s)
        assert bench.assembly.probation.tick(now_s + LONGEST_TICK_S)
        assert bench.assembly.probation.trouble == ""
    assert active(config.inference) == made
    ending = trial.read(config.inference.packs).ending(made.name)
    assert ending is not None
    assert ending.reason == ""


async def test_a_pack_with_which_the_gateway_never_lasts_goes_at_the_fourth_start(
    config: Config, tmp_path: Path
) -> None:
    made = good(config, tmp_path)
    for start in range(4):
        assert active(config.inference) == made, f"start {start}"
        async with started(config, start) as bench:
            name = bench.assembly.model_name
    assert name == read_pack(BUILTIN).identity
    assert "ended early" in bench.assembly.probation.trouble
    assert active(config.inference) == BUILTIN


async def test_a_pack_that_was_damaged_on_the_card_goes_at_once(
    config: Config, tmp_path: Path
) -> None:
    made = good(config, tmp_path)
    made.write_bytes(made.read_bytes()[:9000])
    async with started(config) as bench:
        assert bench.assembly.model_name == read_pack(BUILTIN).identity
        assert "breaks off" in bench.assembly.probation.trouble
    assert active(config.inference) == BUILTIN


async def test_a_gateway_that_is_asked_to_stop_has_not_crashed(
    config: Config, tmp_path: Path
) -> None:
    made = good(config, tmp_path)
    for start in range(6):
        async with started(config, start) as bench:
            bench.assembly.probation.save()
    assert active(config.inference) == made


async def test_a_replay_and_a_pack_without_a_trial_change_nothing(
    config: Config, tmp_path: Path
) -> None:
    made = good(config, tmp_path)
    bench = Bench(config, config.store.path)
    await bench.store.close()
    record = trial.read(config.inference.packs)
    assert record.trial is not None
    assert record.trial.starts == 0
    without = config.inference.model_copy(update={"trial_hours": 0.0})
    for start in range(5):
        async with started(config.model_copy(update={"inference": without}), start) as bench:
            assert bench.assembly.probation.health()["trial"] is None
    assert target(config.inference.packs, CURRENT) == made


async def test_history_in_the_store_refuses_a_pack_before_it_is_installed(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with started(config) as bench:
        await hear(bench, range(220))
    file = tmp_path / "c.toml"
    file.write_text(
        f"[inference]\npacks = '{config.inference.packs}'\n[store]\npath = '{config.store.path}'\n"
    )
    same = packs.write(tmp_path / "same.zip", packs.members())
    assert models_install.install(same, file, unsigned=True) == 0
    assert "On 156 stored samples its errors are 1.0 times" in capsys.readouterr().out
    compared = models_canary.on_stored_windows(
        OnnxModel(OnnxFile().content(), name="zeros", context=512, horizon=96),
        load_model(),
        config.inference,
        config.store.path,
    )
    assert "times as much as those of the pack before it, on 156 samples" in compared.complaint()


@pytest.mark.slow
async def test_the_daemon_goes_back_while_it_runs_and_tells_everybody(
    config: Config, tmp_path: Path
) -> None:
    useless(config, tmp_path)
    alerts = config.alerts.model_copy(update={"late_after_s": 1e7})
    async with running(config.model_copy(update={"alerts": alerts})) as farm:
        begin_s = time.time() - 220 * STEP_S
        for at in range(220):
            value = round(20 + 6 * math.sin(at * 2 * math.pi / 96) + NOISE[at], 2)
            farm.say(*up(EUI, at, begin_s + at * STEP_S, {"temperature": value}))
        shipped = read_pack(BUILTIN).identity
        told: list[str] = []
        for _ in range(6):  # the trial is looked at every 15 s
            await asyncio.sleep(HEALTH_S / 2)
            told = [info["model"] for info in farm.heard("lora-gateway/bridge/info")]
            if told[-1] == shipped:
                break
        assert told[0] != shipped
        assert told[-1] == shipped
        await farm.until(
            lambda: farm.heard("lora-gateway/bridge/health")[-1]["model"]["rolled_back"]
        )
        health = farm.heard("lora-gateway/bridge/health")[-1]
        assert health["status"] == "degraded"
        Draft202012Validator(schema("bridge_health")).validate(health)
