"""Trends of daily means: told once a day, drawn on to a limit only when sure, kept in the store."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.agronomy import Derivation
from gateway.config import AgronomyConfig
from gateway.errors import ConfigError
from gateway.types import Channel, DevEui, DeviceInfo, Reading, ReadingKind, Scalar

PROBE = DeviceInfo(DevEui("a84041000181c061"), "Probe")
DAY_S = 86400.0
BEGIN_S = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
CHANNEL = "device.battery_v"
TREND: dict[str, Any] = {"device": "Probe", "channel": CHANNEL, "limit": 2.7, "days": 30}


def watching(**changes: Any) -> Derivation:  # noqa: ANN401 - settings are of any type
    return Derivation(
        AgronomyConfig.model_validate({"time_zone": "UTC", "trend": [TREND | changes]})
    )


def battery(day: float, volts: float) -> list[Reading]:
    time_s = BEGIN_S + day * DAY_S
    return [Reading(PROBE.dev_eui, Channel(CHANNEL), volts, "V", ReadingKind.NUMERIC, time_s, "b")]


def falling(day: float) -> float:
    return 3.6 - 0.02 * day + 0.005 * math.sin(7 * day)


def values(readings: list[Reading]) -> dict[str, Scalar]:
    return {one.channel.removeprefix(f"trend.{CHANNEL}."): one.value for one in readings}


def lived(made: Derivation, first: int, last: int) -> list[list[Reading]]:
    """Return what is told of quarter days, each from `first` up to `last`."""
    return [
        made.readings(PROBE, battery(quarter / 4, falling(quarter / 4)))
        for quarter in range(4 * first, 4 * last)
    ]


def test_a_falling_battery_is_told_with_the_days_that_are_left() -> None:
    told = values(lived(watching(), 0, 21)[-4])
    assert told["slope"] == pytest.approx(-0.02, abs=0.001)
    assert told["p"] == 0.0
    assert told["daysToLimit"] == pytest.approx((falling(19.4) - 2.7) / 0.02, abs=1.0)


def test_it_is_told_once_a_day() -> None:
    counts = [len(one) for one in lived(watching(), 0, 12)]
    assert [index for index, count in enumerate(counts) if count] == list(range(4, 48, 4))
    assert counts[4] == 1  # a mean alone, until there are days enough
    assert counts[-4] == 4


def test_what_goes_nowhere_meets_no_limit() -> None:
    made = watching()
    told: list[Reading] = []
    for day in range(20):
        told = made.readings(PROBE, battery(day, 3.0 + 0.1 * math.sin(2.5 * day)))
    assert values(told)["daysToLimit"] == 99.0


def test_without_a_limit_none_is_met() -> None:
    assert "daysToLimit" not in values(lived(watching(limit=None), 0, 12)[-4])


@pytest.mark.parametrize("stop", [3, 11, 40])
def test_a_restart_changes_nothing(stop: int) -> None:
    one, other = watching(), watching()
    rows = [battery(quarter / 4, falling(quarter / 4)) for quarter in range(4 * stop + 2)]
    stored = [[*row, *one.readings(PROBE, row)] for row in rows]
    assert other.lookback_s(PROBE) == 31 * DAY_S
    other.recall(PROBE, stored[-4 * 31 :])
    assert lived(other, stop + 1, stop + 6) == lived(one, stop + 1, stop + 6)


def test_other_devices_and_channels_are_not_watched() -> None:
    made = watching(device="Other")
    assert lived(made, 0, 12)[-4] == []
    assert made.lookback_s(PROBE) == 0.0


def test_a_trend_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        Derivation(AgronomyConfig.model_validate({"trend": [TREND, TREND]}))
