"""Soil that thaws: it warms at once and reads wetter, and nothing is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.alerts.rules.fortnight import HOUR_S, Fortnight
from gateway.alerts.rules.thaw import SOIL, Thaw
from gateway.types import Channel, DevEui, DeviceInfo, Reading, ReadingKind

BED = DeviceInfo(DevEui("70b3d57ed0000001"), "Bed")
MAST = DeviceInfo(DevEui("70b3d57ed0000002"), "Mast")
NOW_S = 1_790_000_000.0


def known(device: DeviceInfo, channel: str, hours: Sequence[float]) -> Thaw:
    """Return what is known after hourly values, the last one now."""
    days = Fortnight()
    for back, value in enumerate(reversed(hours)):
        time_s = NOW_S - back * HOUR_S
        days.note(device, [Reading(device.dev_eui, Channel(channel), value, "°C",
                                   ReadingKind.NUMERIC, time_s, channel)])  # fmt: skip
    return Thaw(days)


@pytest.mark.parametrize(("held", "thaws"), [(0.3, True), (1.4, False)])
def test_soil_wets_and_warms_where_it_was_frozen(held: float, thaws: bool) -> None:  # noqa: FBT001
    thaw = known(BED, "soil.temperature", [*[held] * 12, 1.5, 2.0, 2.6])

    assert thaw.wets(BED.dev_eui, NOW_S) is thaws
    assert thaw.warms(BED.dev_eui, SOIL, 2.6, NOW_S) is thaws
    assert not thaw.warms(BED.dev_eui, SOIL, 9.0, NOW_S)


@pytest.mark.parametrize(("night", "melts"), [(-4.0, True), (3.0, False)])
def test_without_soil_temperature_frost_in_the_air_says_that_snow_may_melt(
    night: float, melts: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    thaw = known(MAST, "air.temperature", [*[night] * 8, *[6.0] * 40])

    assert thaw.wets(BED.dev_eui, NOW_S) is melts
