"""Which channels the model is asked about: what goes round in a circle is not one."""

from __future__ import annotations

import pytest

from gateway.recollection import is_judged
from gateway.types import Channel, DevEui, Reading, ReadingKind


def reading(channel: str, unit: str, value: float = 350.0) -> Reading:
    return Reading(
        DevEui("a840410001000001"),
        Channel(channel),
        value,
        unit,
        ReadingKind.NUMERIC,
        time_s=0.0,
        key=channel,
    )


@pytest.mark.parametrize("channel", ["wind.direction", "vehicle.heading", "antenna.azimuth"])
def test_a_direction_is_no_line_that_could_be_forecast(channel: str) -> None:
    assert not is_judged(reading(channel, "°"))


@pytest.mark.parametrize(
    ("channel", "unit"),
    [("tilt.angle", "°"), ("wind.speed", "m/s"), ("air.temperature", "°C"), ("flow.direction", "")],
)
def test_what_has_two_ends_is_judged(channel: str, unit: str) -> None:
    assert is_judged(reading(channel, unit, 1.0))
