"""A device whose profile has an adapter is judged with it, others by the base; restarts too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import model_adapters as adapters
import pytest
from chirpstack_events import eui, up
from farm_series import air_temperature
from gateways import NOW_S, Bench, bench, settings

from gateway.inference.installed_adapters import folder_of
from gateway.publishers import payloads
from gateway.types import Verdict

ADAPTED, PLAIN = eui(1), eui(2)
PROFILE = "Leaf sensor"
STEP_S = 900.0


def event(dev_eui: str, at: int, value: float) -> tuple[str, bytes]:
    topic, payload = up(dev_eui, at, NOW_S + at * STEP_S, {"TempC_SHT": value})
    body: dict[str, Any] = json.loads(payload)
    if dev_eui == ADAPTED:
        body["deviceInfo"]["deviceProfileName"] = PROFILE
    return topic, json.dumps(body).encode()


async def hear(gateway: Bench, first: int, last: int) -> None:
    """Let both devices say the same, in the same batches."""
    values = air_temperature(last).tolist()
    for at in range(first, last):
        both = [event(dev_eui, at, values[at]) for dev_eui in (ADAPTED, PLAIN)]
        await gateway.hear(*both, received_s=NOW_S + at * STEP_S)


def newest(gateway: Bench, dev_eui: str) -> Verdict:
    (device,) = [one for one in gateway.assembly.stages.devices if one.info.dev_eui == dev_eui]
    return next(v for v in device.verdicts.values() if v.channel == "air.temperature")


def config(folder: Path, **inference: Any) -> Any:  # noqa: ANN401
    return settings(
        inference={"enabled": True, "packs": str(folder / "packs"), "warm_samples": 16, **inference}
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    folder = folder_of(config(tmp_path).inference)
    folder.mkdir(parents=True)
    return adapters.write(folder / "field.zip", profiles=[PROFILE])


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:2000])


@pytest.mark.usefixtures("installed")
async def test_a_device_with_an_adapter_gets_its_forecasts_and_others_the_bases(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gateway.db"
    async with bench(config(tmp_path), path) as gateway:
        await hear(gateway, 0, 40)
        ours, theirs = newest(gateway, ADAPTED), newest(gateway, PLAIN)
        base = gateway.assembly.model_name
        assert theirs.model == base
        assert ours.model.startswith(f"{base}+field@sha256:")
        assert ours.expected != theirs.expected
        assert ours.observed == theirs.observed
        told = payloads.anomaly([ours], time_s=NOW_S, active=False)
        assert told["model"] == ours.model
        before = ours.model
    async with bench(config(tmp_path), path) as gateway:
        await hear(gateway, 40, 42)
        assert newest(gateway, ADAPTED).model == before
        assert newest(gateway, PLAIN).model == base


@pytest.mark.usefixtures("installed")
async def test_an_alert_names_the_adapter_that_judged(tmp_path: Path) -> None:
    async with bench(config(tmp_path)) as gateway:
        await hear(gateway, 0, 300)
        begun = []
        for at in range(300, 308):
            outcome = await gateway.hear(
                event(ADAPTED, at, 95.0 - at % 2), received_s=NOW_S + at * STEP_S
            )
            begun += [one.alert for one in outcome.alerts if one.alert.rule == "model"]
        assert begun
        assert all("+field@sha256:" in alert.model for alert in begun)


@pytest.mark.usefixtures("installed")
async def test_the_settings_choose_before_what_an_adapter_was_trained_for(tmp_path: Path) -> None:
    chosen = {"adapters": {PROFILE: "", PLAIN: "field"}}
    async with bench(config(tmp_path, **chosen)) as gateway:
        await hear(gateway, 0, 20)
        assert "+" not in newest(gateway, ADAPTED).model
        assert "+field" in newest(gateway, PLAIN).model
        assert gateway.assembly.model_trouble == ""


async def test_an_adapter_that_cannot_be_used_is_told_and_the_base_judges(
    tmp_path: Path, installed: Path
) -> None:
    cut_off(installed)
    async with bench(config(tmp_path)) as gateway:
        await hear(gateway, 0, 20)
        assert newest(gateway, ADAPTED).model == gateway.assembly.model_name
        assert "An adapter cannot be used" in gateway.assembly.model_trouble


async def test_of_two_adapters_for_one_profile_neither_is_used(
    tmp_path: Path, installed: Path
) -> None:
    adapters.write(installed.with_name("other.zip"), "other", profiles=[PROFILE])
    async with bench(config(tmp_path)) as gateway:
        await hear(gateway, 0, 20)
        assert newest(gateway, ADAPTED).model == gateway.assembly.model_name
        assert "both for the profile" in gateway.assembly.model_trouble
