"""Limits on values: the user's own, and those of physics."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts import AlertEngine, sentence
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.types import (
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    EventType,
    Reading,
    ReadingKind,
    Severity,
)

STATION = DeviceInfo(DevEui("70b3d57ed0000004"), "Station", profile="weather")
STEP_S = 600.0
FROST: dict[str, Any] = {
    "name": "frost", "channel": "air.temperature", "below": 1.0, "hysteresis": 1.0, "kind": "frost",
    "severity": "critical", "advice": "Start the frost irrigation.",
}  # fmt: skip


def engine_with(**changes: object) -> AlertEngine:
    rule = {key: value for key, value in {**FROST, **changes}.items() if value is not None}
    return AlertEngine(Config.model_validate({"alerts": {"threshold": [rule]}}))


def feed(
    engine: AlertEngine,
    values: list[Any],
    channel: str = "air.temperature",
    *,
    device: DeviceInfo = STATION,
    kind: ReadingKind = ReadingKind.NUMERIC,
    start_s: float = 0.0,
) -> list[tuple[int, AlertEvent]]:
    found = []
    for index, value in enumerate(values):
        time_s = start_s + index * STEP_S
        one = Reading(device.dev_eui, Channel(channel), value, "°C", kind, time_s, channel)
        found += [(index, event) for event in engine.consider(device, [], [one], time_s)]
    return found


def steps(found: list[tuple[int, AlertEvent]]) -> list[tuple[int, str]]:
    return [(index, str(event.event_type)) for index, event in found]


@pytest.mark.parametrize(
    ("changes", "values", "expected"),
    [
        ({}, [2, 1, 0.9, 1.5, 2.0, 0.5], [(2, "new"), (4, "end"), (5, "new")]),
        ({}, [1.0, 1.0], []),
        ({"hysteresis": 0.0}, [0.9, 1.0], [(0, "new"), (1, "end")]),
        ({"for_s": 1200}, [0, 0, 0, 5], [(2, "new"), (3, "end")]),
        ({"for_s": 1200}, [0, 0, 2, 0, 0, 2], []),
        ({"below": None, "above": 30.0}, [30, 30.1, 29.5, 29.0], [(1, "new"), (3, "end")]),
        ({}, [0, -1, -2, -3, -4], [(0, "new"), (3, "update")]),
        ({"devices": ["Station"]}, [0], [(0, "new")]),
        ({"devices": ["70b3d57ed0000004"]}, [0], [(0, "new")]),
        ({"devices": ["Other"]}, [0], []),
        ({"profiles": ["weather"]}, [0], [(0, "new")]),
        ({"profiles": ["soil"]}, [0], []),
        ({"channel": "soil.temperature"}, [0], []),
        ({"channel": "*.temperature"}, [0], [(0, "new")]),
    ],
)
def test_a_threshold_fires_and_ends_where_it_says(
    changes: dict[str, object], values: list[float], expected: list[tuple[int, str]]
) -> None:
    assert steps(feed(engine_with(**changes), values)) == expected


def test_a_frost_alert_says_what_and_why_and_what_to_do() -> None:
    ((_, event),) = feed(engine_with(), [-0.44])
    assert (event.alert.kind, event.alert.cause) == ("frost", "environment")
    assert (event.alert.rule, event.alert.severity) == ("frost", Severity.CRITICAL)
    assert sentence(event.alert) == (
        "Station: air temperature below 1 °C. Air temperature is -0.44 °C. "
        "Start the frost irrigation."
    )


def test_a_leak_contact_may_have_a_threshold() -> None:
    engine = engine_with(name="wet", channel="water.leak", below=None, above=0.5, kind="leak",
                         hysteresis=0.5)  # fmt: skip
    found = feed(engine, [False, True, False], "water.leak", kind=ReadingKind.BOOLEAN)
    assert steps(found) == [(1, "new"), (2, "end")]


def test_text_has_no_limits() -> None:
    assert feed(engine_with(), ["-5"], kind=ReadingKind.TEXT) == []


@pytest.mark.parametrize(
    ("channel", "values", "expected"),
    [
        ("air.temperature", [20, -327.7, -327.7, 20], [(2, "new"), (3, "end")]),
        ("soil.temperature.2", [6553.5, 6553.5], [(1, "new")]),
        ("air.temperature", [-327.7, 20, -327.7], []),
        ("air.temperature", [85.0, -60.0, 85.0], []),
        ("air.relativeHumidity", [100, 101, 0, 0], []),
        ("soil.moisture", [655.35, 655.35], [(1, "new")]),
    ],
)
def test_what_cannot_be_is_told_without_any_setting(
    channel: str, values: list[float], expected: list[tuple[int, str]]
) -> None:
    found = feed(AlertEngine(Config()), values, channel)
    assert steps(found) == expected
    assert all(event.alert.cause == "sensor" for _, event in found)


def test_late_readings_are_not_compared() -> None:
    engine = engine_with()
    one = Reading(STATION.dev_eui, Channel("air.temperature"), -5.0, "°C", ReadingKind.NUMERIC,
                  0.0, "t")  # fmt: skip
    assert engine.consider(STATION, [], [one], 9e5, late=True) == []


def test_a_restart_neither_repeats_nor_forgets_a_threshold() -> None:
    before = engine_with()
    ((_, new),) = feed(before, [0.0])
    after = engine_with()
    after.restore(before.open(), {}, 600.0)
    assert feed(after, [0.0], start_s=600.0) == []
    ((_, end),) = feed(after, [3.0], start_s=1200.0)
    assert (end.event_type, end.alert.id) == (EventType.END, new.alert.id)


@pytest.mark.parametrize("name", ["model", "silence", "silence-site"])
def test_a_threshold_may_not_be_called_like_a_built_in_rule(name: str) -> None:
    with pytest.raises(ConfigError, match="built-in"):
        engine_with(name=name)


@given(st.lists(st.floats(-5, 5), max_size=60))
def test_new_and_end_take_turns_whatever_the_values(values: list[float]) -> None:
    engine = engine_with()
    kinds = [kind for _, kind in steps(feed(engine, values)) if kind != "update"]
    assert kinds == (["new", "end"] * len(kinds))[: len(kinds)]
    assert len(engine.open()) == len(kinds) % 2


def test_a_configured_name_is_what_people_read() -> None:
    config = Config.model_validate(
        {"alerts": {"threshold": [FROST]}, "devices": {STATION.dev_eui: {"name": "Hill top"}}}
    )
    ((_, event),) = feed(AlertEngine(config), [0.0], device=replace(STATION, name="dev-17"))
    assert event.alert.title.startswith("Hill top: ")
