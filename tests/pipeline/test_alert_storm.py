"""500 devices in trouble at once are one alert, told at once, and nothing is left of it after."""

from __future__ import annotations

from collections import Counter

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, delivery, settings

from gateway.pipeline import BATCH
from gateway.types import AlertEvent, EventType

DEVICES = 500
HOT = {"name": "hot", "channel": "air.temperature", "above": 40.0, "hysteresis": 2.0}
LIMITS = {"devices": 600, "new_devices_per_minute": 1000}
INTERVAL_S = 900.0


async def round_of(
    gateway: Bench, f_cnt: int, celsius: float, at_s: float, within_s: float = 60.0
) -> list[AlertEvent]:
    """Let every device speak once, spread over a minute, in the batches of the daemon."""
    sent = [(at_s + within_s * number / DEVICES, number) for number in range(DEVICES)]
    found: list[AlertEvent] = []
    for first in range(0, DEVICES, BATCH):
        batch = [
            delivery(up(eui(number), f_cnt, time_s, {"TempC_SHT": celsius}), time_s)
            for time_s, number in sent[first : first + BATCH]
        ]
        found += (await gateway.take(*batch)).alerts
    return found


def steps(events: list[AlertEvent]) -> Counter[str]:
    return Counter(event.event_type.value for event in events)


@pytest.mark.parametrize("within_s", [0.0, 60.0, INTERVAL_S])
async def test_500_devices_beyond_a_limit_are_one_alert(within_s: float) -> None:
    config = settings(alerts={"threshold": [HOT]}, limits=LIMITS)
    async with bench(config) as gateway:
        for f_cnt in range(3):
            await round_of(gateway, f_cnt, 20.0, NOW_S + f_cnt * INTERVAL_S, within_s)
        storm = await round_of(gateway, 3, 45.0, NOW_S + 3 * INTERVAL_S, within_s)
        storm += (await gateway.wait(60.0 + INTERVAL_S)).alerts
        calm = await round_of(gateway, 4, 20.0, NOW_S + 6 * INTERVAL_S, within_s)

        assert steps(storm)[EventType.NEW] == 1
        assert steps(storm)[EventType.UPDATE] <= 4 + within_s / 60.0
        assert len(storm[-1].alert.peers) == DEVICES - 1
        assert storm[-1].alert.title.endswith("499 more devices likewise")
        assert steps(calm)[EventType.END] == 1
        assert gateway.store.open_alerts() == gateway.assembly.alerts.open() == []


async def test_500_devices_that_fall_silent_are_one_alert_that_names_the_radio_gateway() -> None:
    async with bench(settings(limits=LIMITS)) as gateway:
        for f_cnt in range(8):
            assert not await round_of(gateway, f_cnt, 20.0, NOW_S + f_cnt * INTERVAL_S)
        silence: list[AlertEvent] = []
        for _ in range(200):
            silence += (await gateway.wait(30.0)).alerts
        back = await round_of(gateway, 9, 20.0, gateway.clock.now_s() + 30.0)

        assert [event.event_type for event in silence] == [EventType.NEW]
        alert = silence[0].alert
        assert (alert.kind, alert.cause) == ("silence", "network")
        assert len(alert.peers) == DEVICES - 1
        assert any("Radio gateway" in said for said in alert.evidence)
        assert any("No device at all" in said for said in alert.evidence)
        assert [event.event_type for event in back] == [EventType.END]
