"""What false alarms change in the rules, seen through the engine."""

from __future__ import annotations

import pytest

from gateway.alerts import AlertEngine
from gateway.alerts.rules.thresholds import PHYSICAL
from gateway.config import Config
from gateway.types import AlertEvent, Channel, DevEui, DeviceInfo, EventType, Reading, ReadingKind

NOW_S = 1_790_000_000.0
MINUTE_S = 60.0
HOUR_S = 3600.0
DEVICES = [DeviceInfo(DevEui(f"70b3d57ed000000{n}"), f"Probe {n}") for n in range(4)]
PROBE = DEVICES[0]


def reading(value: float, time_s: float, device: DeviceInfo = PROBE) -> Reading:
    moisture = Channel("soil.moisture")
    return Reading(device.dev_eui, moisture, value, "%", ReadingKind.NUMERIC, time_s, "water_SOIL")


def consider(engine: AlertEngine, value: float, time_s: float) -> list[str]:
    events = engine.consider(PROBE, (), [reading(value, time_s)], time_s)
    return [event.event_type.value for event in events if event.told]


def call_false(engine: AlertEngine, now_s: float) -> None:
    (alert,) = engine.open()
    engine.life.false_alarm(alert, "anna", "", now_s)


def test_a_built_in_limit_takes_more_readings_after_a_false_alarm() -> None:
    engine = AlertEngine(Config())
    said = [consider(engine, 250.0, NOW_S + n) for n in range(2)]
    assert said == [[], ["new"]]
    call_false(engine, NOW_S + 2)
    assert consider(engine, 30.0, NOW_S + 10) == []
    later_s = NOW_S + 24 * HOUR_S
    engine.tick(later_s)
    said = [consider(engine, 250.0, later_s + n) for n in range(4)]
    assert said == [[], [], [], ["new"]]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_built_in_limit_moves_outwards(steps: int) -> None:
    for limit in PHYSICAL:
        wider = limit.wider(steps)
        assert limit.beyond(wider.bound) > 0
        assert wider.samples == limit.samples * (1 + steps)
        assert limit.wider(0) is limit


def silent(engine: AlertEngine, until_s: float, from_s: float, quiet: int = 0) -> list[AlertEvent]:
    """Let every device but one speak every quarter of an hour."""
    events = []
    time_s = from_s
    while time_s < until_s:
        for device in DEVICES:
            if device is not DEVICES[quiet]:
                events += engine.heard(device, time_s, time_s)
        events += engine.tick(time_s)
        time_s += 15 * MINUTE_S
    return events


def test_a_device_is_given_longer_after_a_false_alarm_of_silence() -> None:
    engine, waits = AlertEngine(Config()), []
    start_s = NOW_S
    for _ in range(2):
        for step in range(40):
            for device in DEVICES:
                at_s = start_s + 15 * MINUTE_S * step
                engine.heard(device, at_s, at_s)
        last_s = start_s + 15 * MINUTE_S * 39
        events = silent(engine, last_s + 12 * HOUR_S, last_s + 15 * MINUTE_S)
        (begun,) = [one for one in events if one.event_type is EventType.NEW]
        waits.append(begun.alert.first_seen_s - last_s)
        call_false(engine, last_s + 12 * HOUR_S)
        start_s = last_s + 13 * HOUR_S
    assert waits[1] == pytest.approx(1.5 * waits[0], rel=0.01)
