"""The built-in limits on derived channels: frost tonight, unhealthy air, irrigation due."""

from __future__ import annotations

import pytest

from gateway.alerts import AlertEngine, sentence
from gateway.alerts.families import Family, family_of
from gateway.alerts.water import WaterLedger
from gateway.config import Config
from gateway.types import (
    DERIVED,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    Reading,
    ReadingKind,
    Severity,
)

STATION = DeviceInfo(DevEui("70b3d57ed0000004"), "Station")
UNITS = {"frost.probability": "%", "field.north.irrigation": "mm"}


def told(channel: str, value: float, time_s: float) -> Reading:
    return Reading(STATION.dev_eui, Channel(channel), value, UNITS.get(channel, ""),
                   ReadingKind.NUMERIC, time_s, DERIVED + "x")  # fmt: skip


def feed(
    engine: AlertEngine, channel: str, values: list[float], step_s: float = 900.0
) -> list[tuple[int, AlertEvent]]:
    return [
        (index, event)
        for index, value in enumerate(values)
        for event in engine.consider(
            STATION, [], [told(channel, value, index * step_s)], index * step_s
        )
    ]


@pytest.mark.parametrize(
    ("channel", "values", "expected"),
    [
        ("frost.probability", [0.5, 60, 70, 45, 55, 30, 20, 10], [(2, "new"), (6, "end")]),
        ("frost.probability", [49, 50, 50, 49, 60, 30], []),
        ("air.aqi.epa", [140, 160, 160, 160, 160, 130, 120], [(3, "new"), (6, "end")]),
        ("air.aqi.epa", [160, 160, 90, 160, 160, 90], []),
        ("trend.device.battery_v.daysToLimit", [99, 6, 5, 9, 4, 12], [(2, "new"), (5, "end")]),
        ("field.north.irrigation", [0, 0, 24, 28, 0], [(2, "new"), (4, "end")]),
    ],
)
def test_they_begin_late_and_end_well_below(
    channel: str, values: list[float], expected: list[tuple[int, str]]
) -> None:
    events = feed(AlertEngine(Config()), channel, values)
    steps = [(index, str(event.event_type)) for index, event in events]
    assert [step for step in steps if step[1] != "update"] == expected


def test_they_speak_plainly() -> None:
    ((_, frost),) = feed(AlertEngine(Config()), "frost.probability", [80, 84])
    assert (frost.alert.kind, frost.alert.cause) == ("frost", "environment")
    assert sentence(frost.alert) == (
        "Station: frost is likely before the sun is back. The chance of frost is 84 %. "
        "Protect what is tender, and have the frost irrigation ready."
    )
    ((_, due),) = feed(AlertEngine(Config()), "field.north.irrigation", [24.0])
    assert due.alert.severity is Severity.INFO
    assert "24 mm" in sentence(due.alert)


def test_a_restart_neither_repeats_nor_forgets_them() -> None:
    before, after = AlertEngine(Config()), AlertEngine(Config())
    feed(before, "frost.probability", [80, 84])
    after.restore(before.open(), {}, 1800.0)
    ((_, end),) = feed(after, "frost.probability", [80, 10])
    assert end.alert.id == before.open()[0].id


def test_advice_to_irrigate_explains_no_water() -> None:
    ledger = WaterLedger({})
    channel = Channel("field.north.irrigation")
    assert family_of(channel) is Family.VALVE
    ledger.note(STATION, [told("field.north.irrigation", 24.0, 0.0)])
    assert not ledger.explains(
        STATION.dev_eui, Channel("soil.moisture"), "rise", up=True, time_s=60.0
    )
