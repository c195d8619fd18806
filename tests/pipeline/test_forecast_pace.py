"""A forecast is told when it has something new to say."""

from __future__ import annotations

import numpy as np

from gateway.bulletin import FORECAST_STEPS, Bulletin
from gateway.config import Config
from gateway.devices import Device, DeviceBook
from gateway.outcome import Outcome
from gateway.store import Store
from gateway.types import QUANTILES, Channel, DevEui, DeviceInfo, Forecast, Status, Verdict

EUI = DevEui("a840410000000001")
STEP_S = 900.0


class NoAlerts:
    """Nothing is wrong."""

    def open(self) -> list[object]:
        return []


def device_at(end_s: float, channel: str = "soil.moisture") -> Device:
    quantiles = np.tile(np.linspace(30, 32, len(QUANTILES), dtype=np.float32), (96, 1))
    forecast = Forecast(EUI, Channel(channel), end_s + STEP_S, STEP_S, quantiles)
    verdict = Verdict(EUI, Channel(channel), end_s, 31.0, Status.OK, forecast=forecast)
    device = Device(DeviceInfo(EUI), 0.0, end_s)
    device.verdicts[verdict.channel] = verdict
    return device


def told(bulletin: Bulletin, device: Device) -> int:
    outcome = Outcome(now_s=0.0, touched={EUI: device})
    return sum(one.topic.endswith("/forecast") for one in bulletin.live(outcome))


async def test_a_forecast_is_told_again_only_when_steps_have_passed() -> None:
    store = Store.open(None, Config().store)
    bulletin = Bulletin(
        Config(),
        devices=DeviceBook(Config(), store),
        alerts=NoAlerts(),  # type: ignore[arg-type]
        downlinks=NoAlerts(),  # type: ignore[arg-type]
        programs=NoAlerts(),  # type: ignore[arg-type]
        groups=NoAlerts(),  # type: ignore[arg-type]
        now_s=float,
        version="1",
        info=dict,
        health=dict,
        simulate=dict,
    )
    counts = [told(bulletin, device_at(STEP_S * step)) for step in range(2 * FORECAST_STEPS + 1)]
    assert counts == [1, *[0] * (FORECAST_STEPS - 1)] * 2 + [1]
    assert told(bulletin, device_at(STEP_S * 100, "radio.rssi")) == 0
    await store.close()
