"""From one uplink's temperature and humidity: dew point, wet bulb, deficit, heat index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.agronomy.channels import Told, find
from gateway.agronomy.vapour import deficit_kpa, dew_point_c, heat_index_c, wet_bulb_c
from gateway.errors import BadInput
from gateway.types import Reading

TEMPERATURE = "air.temperature"
HUMIDITY = "air.relativeHumidity"


def comfort(readings: Sequence[Reading], air_kpa: float) -> Iterator[Reading]:
    """Yield what follows from each pair of air temperature and humidity in one uplink.

    `air.temperature.2` goes with `air.relativeHumidity.2`, and what follows ends in `.2` too.
    """
    for reading in readings:
        suffix = _probe(reading.channel)
        if suffix is None or reading.unit != "°C":
            continue
        t, rh = find([reading], reading.channel, "°C"), find(readings, HUMIDITY + suffix, "%")
        if t is None or rh is None:
            continue
        told = Told(reading.dev_eui, reading.time_s)
        try:
            yield from _of(told, suffix, t, rh, air_kpa)
        except BadInput:
            continue  # a broken probe: the rule of the physical range says so


def _of(told: Told, suffix: str, t: float, rh: float, air_kpa: float) -> Iterator[Reading]:
    yield told.number("air.dewPoint" + suffix, dew_point_c(t, rh), "°C", "dewPoint")
    yield told.number("air.vpd" + suffix, deficit_kpa(t, rh), "kPa", "vpd")
    yield told.number("air.wetBulb" + suffix, wet_bulb_c(t, rh, air_kpa), "°C", "wetBulb")
    yield told.number("air.heatIndex" + suffix, heat_index_c(t, rh), "°C", "heatIndex")


def _probe(channel: str) -> str | None:
    """Return what follows `air.temperature`: nothing or a probe's number; None for others."""
    if not channel.startswith(TEMPERATURE):
        return None
    suffix = channel[len(TEMPERATURE) :]
    return suffix if not suffix or (suffix[0] == "." and suffix[1:].isdigit()) else None
