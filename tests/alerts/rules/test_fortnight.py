"""The memory of hourly means: in any order, with gaps, and no further back than it reaches."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.rules.fortnight import HOUR_S, KEPT, Fortnight, Hourly
from gateway.types import Channel, DevEui, DeviceInfo, Reading, ReadingKind

PROBE = DeviceInfo(DevEui("70b3d57ed0000001"), "Probe")
FIRST = 490_000


@given(
    st.lists(
        st.tuples(st.integers(0, KEPT - 1), st.floats(-50, 50, width=32)), min_size=1, max_size=60
    )
)
def test_an_hour_holds_the_mean_of_its_samples_in_whatever_order_they_come(
    samples: list[tuple[int, float]],
) -> None:
    series = Hourly()
    for hour, value in samples:
        series.add(FIRST + hour, value)

    told = series.until(FIRST + KEPT - 1, KEPT)

    for hour in range(KEPT):
        values = [value for at, value in samples if at == hour]
        if values:
            assert math.isclose(told[hour], sum(values) / len(values), abs_tol=1e-2)
        else:
            assert np.isnan(told[hour])


def test_what_is_older_than_the_ring_is_neither_taken_nor_told() -> None:
    series = Hourly()
    series.add(FIRST, 1.0)
    series.add(FIRST + KEPT, 2.0)
    series.add(FIRST, 3.0)

    assert np.isnan(series.until(FIRST, 1)[0])
    assert series.until(FIRST + KEPT, 1)[0] == 2.0
    assert np.isnan(series.until(FIRST + KEPT + 5, 3)).all()


def test_radio_batteries_and_text_are_not_remembered() -> None:
    days = Fortnight()
    days.note(PROBE, [_reading("radio.rssi", -90.0), _reading("device.battery_v", 3.6),
                      _reading("door", "open"), _reading("air.temperature", 12.0)])  # fmt: skip

    assert list(days.channels()) == ["air.temperature"]
    days.forget(PROBE.dev_eui)
    assert days.get(PROBE.dev_eui, Channel("air.temperature")) is None


def _reading(channel: str, value: float | str) -> Reading:
    return Reading(PROBE.dev_eui, Channel(channel), value, "", ReadingKind.NUMERIC,
                   FIRST * HOUR_S, channel)  # fmt: skip
