"""The whole gateway in another language: only sentences change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, settings
from server_events import txack

from gateway.config import Config
from gateway.devices import Device
from gateway.speech import speaking
from gateway.types import (
    QUANTILES,
    Channel,
    DownlinkState,
    EventType,
    Forecast,
    Status,
    Verdict,
)

HOT = {"name": "hot", "channel": "air.temperature", "above": 30.0, "hysteresis": 2.0}
CHINESE = {"language": "zh_CN", "units": "imperial"}
AIR = Channel("air.temperature")


def hot(**site: str) -> Config:
    return settings(alerts={"threshold": [HOT]}, site=site)


async def test_an_alert_is_told_in_the_language_and_units_of_the_site_and_is_the_same_else() -> (
    None
):
    told = {}
    for language in ({}, CHINESE):
        bench = Bench(hot(**language))
        outcome = await bench.hear(up(eui(1), 1, NOW_S, {"TempC_SHT": 45.0}), received_s=NOW_S)
        ((event,), (record,)) = (outcome.alerts, outcome.uplinks)
        told[bool(language)] = event.alert
        assert {reading.unit for reading in record.readings if reading.channel == AIR} == {"°C"}
        await bench.store.close()

    assert told[False].title == "probe-0001: air temperature above 30 °C"
    assert told[True].title == "probe-0001：气温高于 86 °F"
    assert replace(told[True], title=told[False].title) == told[False]


async def test_what_was_told_before_a_change_of_language_stays_as_it_was_told(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gateway.db"
    english = Bench(hot(), path)
    outcome = await english.hear(up(eui(1), 1, NOW_S, {"TempC_SHT": 45.0}), received_s=NOW_S)
    (began,) = outcome.alerts
    await english.store.close()

    chinese = Bench(hot(**CHINESE), path, start_s=NOW_S + 60.0)
    at_s = NOW_S + 3600.0
    (worse,) = (
        await chinese.hear(up(eui(1), 2, at_s, {"TempC_SHT": 55.0}), received_s=at_s)
    ).alerts
    await chinese.store.close()

    assert (worse.event_type, worse.alert.id) == (EventType.UPDATE, began.alert.id)
    assert worse.alert.title == began.alert.title


INTERVAL = {
    "f_port": 2,
    "hex": "",
    "keys": {"minutes": {"type": "integer", "min": 5, "max": 240, "unit": "min"}},
    "interval_key": "minutes",
}


def calm(device: Device) -> None:
    """Let a forecast say that nothing will happen for a day."""
    quantiles = np.full((96, len(QUANTILES)), 20.0, np.float32)
    forecast = Forecast(device.info.dev_eui, AIR, NOW_S, 900.0, quantiles)
    device.verdicts[AIR] = Verdict(
        device.info.dev_eui, AIR, NOW_S, 20.0, Status.OK, forecast=forecast
    )


@pytest.mark.parametrize("agreed", [True, False])
async def test_an_interval_goes_to_the_network_server_where_the_operator_agreed(
    *, agreed: bool
) -> None:
    profile = up(eui(1), 0, NOW_S, {})
    name = json.loads(profile[1])["deviceInfo"]["deviceProfileName"]
    bench = Bench(
        settings(
            site=CHINESE,
            advice={"sampling": "send" if agreed else "suggest"},
            profiles={name: {"commands": {"interval": INTERVAL}}},
        )
    )
    for number in range(12):
        at_s = NOW_S + 900.0 * number
        await bench.hear(up(eui(1), number, at_s, {"TempC_SHT": 20.0}), received_s=at_s)
    (device,) = bench.assembly.stages.devices
    calm(device)
    outcome = await bench.wait(86400.0)

    (advice,) = outcome.advice.values()
    assert advice is not None
    assert advice.text == "变化平缓，改为每 2 小时测量一次（目前为每 15 分钟）同样够用，还能省电。"
    sent = [(one.command, one.object, one.by) for one in outcome.dispatch]
    assert sent == ([("interval", {"minutes": 120}, "gateway")] if agreed else [])
    assert not agreed or outcome.dispatch[0].state is DownlinkState.ACCEPTED
    audited = [row.body for row in bench.store.audit() if "interval" in row.body]
    assert bool(audited) is agreed
    await bench.store.close()


async def test_a_gateway_speaks_as_its_settings_say_whatever_was_spoken_before() -> None:
    with speaking("zh_CN"):
        bench = Bench(hot())
        outcome = await bench.hear(up(eui(1), 1, NOW_S, {"TempC_SHT": 45.0}), received_s=NOW_S)
        assert outcome.alerts[0].alert.title == "probe-0001: air temperature above 30 °C"
        await bench.store.close()


VALVE = {
    "open": {"f_port": 10, "effect": "open", "hex": "01", "close_with": "close", "max_s": 600},
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
    "level": {"f_port": 11, "keys": {"level": {"type": "integer", "min": 0, "max": 9}}},
}
WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"command": "open"}, "interlock"),
    ({"command": "open", "duration_s": 601}, "limit"),
    ({"command": "opne"}, "unknown_command"),
    ({"command": "level", "object": {"level": 12}}, "value"),
    ({"command": "level"}, "value"),
    ({"hex": "01", "f_port": 10}, "not_in_schema"),
    ({"command": "close", "time": "2020-01-01T00:00:00Z"}, "stale"),
    ({"command": "close", "expires_in_s": 1e9}, "expiry"),
    ({"command": "close", "id": "mine"}, "malformed"),
    ({"command": "close", "signature": "0"}, "signature"),
)


async def test_a_refusal_has_one_reason_for_programs_and_a_sentence_in_the_sites_language() -> None:
    for site, is_chinese in (({}, False), (CHINESE, True)):
        bench = Bench(settings(site=site, devices={eui(1): {"commands": VALVE}}))
        await bench.hear(up(eui(1), 1, NOW_S, {"x": 1}))
        for body, reason in WRONG:
            topic = f"lora-gateway/device/{eui(1)}/set"
            (answer,) = (await bench.ask(topic, json.dumps(body).encode())).answers
            found, _, said = answer.detail.partition(": ")
            assert (answer.state, found) == (DownlinkState.REFUSED, reason)
            assert any("\u4e00" <= letter <= "\u9fff" for letter in said) is is_chinese, said
        await bench.store.close()


async def test_what_becomes_of_a_command_is_told_in_the_sites_language() -> None:
    bench = Bench(settings(site=CHINESE, devices={eui(1): {"commands": VALVE}}))
    await bench.hear(up(eui(1), 1, NOW_S, {"x": 1}))
    topic, body = f"lora-gateway/device/{eui(1)}/set", {"command": "open", "duration_s": 60}
    outcome = await bench.ask(topic, json.dumps(body).encode())
    (given,) = outcome.dispatch
    bench.assembly.stages.note(bench.assembly.downlinks.queued(given.id, NOW_S))
    outcome = await bench.hear(txack(eui(1), NOW_S + 1, given.id))
    assert [one.detail for one in outcome.downlinks if one.id == given.id][-1] == (
        "已发射；未要求设备确认，因此不会再有更多消息。"
    )
    await bench.store.close()
