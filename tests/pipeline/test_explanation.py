"""An alert says when it was like this before and normal, and draws its chart on request."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path

import numpy as np
import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, settings
from jsonschema import Draft202012Validator

from gateway.bulletin import Bulletin
from gateway.commands import explain
from gateway.config import Config
from gateway.errors import GatewayError
from gateway.explanation import AT_ONCE_S, MOST_AT_ONCE
from gateway.publishers import payloads
from gateway.publishers.contract import schema
from gateway.types import AlertEvent, Channel, DevEui, EventType, Reason

EUI = eui(1)
STEP_S = 900.0
DAYS = 6
NOISE = np.random.default_rng(3).normal(0, 0.15, 97 * DAYS)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return settings(
        inference={"packs": str(tmp_path / "packs")},
        store={"path": str(tmp_path / "gateway.db")},
        agronomy={"time_zone": "Europe/Berlin"},
    )


async def alarmed(bench: Bench) -> AlertEvent:
    """Let a probe be as every day for days, and then 9 degrees too warm; return the alert."""
    count = 96 * DAYS
    for at in range(count + 12):
        value = 18 + 5 * math.sin(at * 2 * math.pi / 96) + NOISE[at] + 9 * (at >= count)
        time_s = NOW_S + at * STEP_S
        event = up(EUI, at, time_s, {"temperature": round(value, 1)})
        outcome = await bench.hear(event, received_s=time_s)
        if found := [e for e in outcome.alerts if e.event_type is EventType.NEW and at >= count]:
            return found[0]
    raise AssertionError("no alert came")


async def ask(bench: Bench, body: dict[str, object]) -> dict[str, object]:
    bulletin = Bulletin(bench.assembly, version="0", info=dict, health=dict)
    topic = "lora-gateway/bridge/request/alert/chart"
    outcome = await bench.ask(topic, json.dumps(body).encode())
    told = bulletin.live(outcome)
    assert [message.topic for message in told] == ["lora-gateway/bridge/response/alert/chart"]
    answer: dict[str, object] = json.loads(told[0].payload)
    return answer


async def test_an_alert_is_explained_over_mqtt_and_at_the_terminal(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_model = config.inference.model_copy(update={"enabled": True})
    bench = Bench(config.model_copy(update={"inference": with_model}), config.store.path)
    event = await alarmed(bench)
    like = event.alert.nearest
    assert like is not None
    assert like.channel == "soil.temperature"
    days_before = (event.alert.first_seen_s - like.time_s) / 86400.0
    assert days_before == pytest.approx(round(days_before), abs=0.1), "the same time of day"
    assert like.value == pytest.approx(18, abs=2)
    assert like.said.startswith("Most like ")

    body = payloads.alert(event)
    Draft202012Validator(schema("alert")).validate(body)
    assert body["nearest"]["text"] == like.said
    assert bench.store.alert(event.alert.id) == event.alert, "it is the same after a restart"

    answer = await ask(bench, {"id": event.alert.id, "transaction": 7})
    assert (answer["status"], answer["transaction"]) == ("ok", 7)
    data = answer["data"]
    assert isinstance(data, dict)
    image = base64.b64decode(data["image"].removeprefix("data:image/svg+xml;base64,"))
    assert image.startswith(b"<svg ")
    assert b"CEST" in image
    assert like.said in data["text"]
    missing = await ask(bench, {"id": "none"})
    assert (missing["status"], missing["error"]) == ("error", "There is no alert of this id.")
    await bench.store.close()

    file = tmp_path / "c.toml"
    file.write_text(
        f"[store]\npath = '{config.store.path}'\n[agronomy]\ntime_zone = 'Europe/Berlin'\n"
    )
    chart = tmp_path / "chart.svg"
    assert explain.run(event.alert.id[:8], file, chart, as_json=False) == 0
    assert chart.read_bytes() == image
    said = capsys.readouterr().out
    assert like.said in said
    assert "expected" in said
    for wrong, out in (("none", None), (event.alert.id, tmp_path / "chart.png")):
        with pytest.raises(GatewayError):
            explain.run(wrong, file, out, as_json=False)


async def test_without_history_an_alert_is_raised_all_the_same(config: Config) -> None:
    bench = Bench(config)
    reason = Reason(Channel("t"), 1.0, None, 1.0, None)
    assert bench.assembly.explainer.nearest(DevEui(EUI), reason, NOW_S) is None
    await bench.store.close()


async def test_a_storm_of_alerts_does_not_hold_the_gateway_up(config: Config) -> None:
    bench = Bench(config)
    explainer = bench.assembly.explainer
    reason = Reason(Channel("t"), 1.0, None, 1.0, None)
    for _ in range(3 * MOST_AT_ONCE):
        explainer.nearest(DevEui(EUI), reason, NOW_S)
    assert list(explainer.searched_s) == [NOW_S] * MOST_AT_ONCE
    explainer.nearest(DevEui(EUI), reason, NOW_S + AT_ONCE_S)
    assert explainer.searched_s[-1] == NOW_S + AT_ONCE_S
    await bench.store.close()
