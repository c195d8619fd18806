"""One device's air quality over the hours, as indices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from gateway.agronomy import air_quality
from gateway.agronomy.air_quality import PPM_TO_UGM3_20, PPM_TO_UGM3_25, Index
from gateway.agronomy.channels import Told, figure
from gateway.agronomy.hours import Hours, hour_of
from gateway.errors import BadInput
from gateway.types import Reading

POLLUTANTS = {
    "air.pm2_5": ("pm2_5", "µg/m³"),
    "air.pm10": ("pm10", "µg/m³"),
    "air.o3": ("o3", "ppm"),
    "air.no2": ("no2", "ppm"),
    "air.so2": ("so2", "ppm"),
    "air.co": ("co", "ppm"),
}
"""Channels, with the name a pollutant has in the tables and the unit its channel must have."""

_DAY, _MOST_OF_DAY = 24, 18
_EIGHT, _MOST_OF_EIGHT = 8, 6

Means = dict[str, float]

_MEAN = re.compile(r"_(1|8|24)h$")


class Breath:
    """Hourly means of one device's pollutants: gases in ppm, particles in µg/m³."""

    def __init__(self) -> None:
        self._hours: dict[str, Hours] = {}

    def take(self, readings: Sequence[Reading]) -> None:
        """Take what is a pollutant."""
        for reading in readings:
            name, unit = POLLUTANTS.get(reading.channel, ("", ""))
            value = figure(reading) if name and reading.unit == unit else None
            if value is not None and 0 <= value < 1e5:  # noqa: PLR2004 - beyond it: a broken probe
                self._hours.setdefault(name, Hours()).add(reading.time_s, value)

    def tell(self, told: Told, indices: Sequence[str]) -> Iterator[Reading]:
        """Yield each index that has enough hours, and the pollutant that leads the first."""
        hour = hour_of(told.time_s)
        leading, known = "", False
        for name in indices:
            try:
                index = _INDICES[name](self._hours, hour)
            except BadInput:
                continue
            yield told.number(f"air.aqi.{name}", index.value, "", f"aqi.{name}")
            known = True
            leading = leading or _MEAN.sub("", index.leading)
        if known:
            yield told.word("air.aqi.leading", leading or "none", "aqi")


def _epa(hours: Mapping[str, Hours], hour: int) -> Index:
    means: Means = {}
    for name in ("pm2_5", "pm10"):
        if name in hours:
            _put(means, name, air_quality.nowcast(hours[name].back(hour, 12)))
    for name in ("o3", "co"):
        if name in hours:
            _put(means, f"{name}_8h", hours[name].mean(hour, _EIGHT, _MOST_OF_EIGHT))
    for name, factor in (("o3", 1.0), ("so2", 1000.0), ("no2", 1000.0)):
        if name in hours:
            _put(means, f"{name}_1h", hours[name].mean_of(hour), factor)
    if "so2" in hours:
        _put(means, "so2_24h", hours["so2"].mean(hour, _DAY, _MOST_OF_DAY), 1000.0)
    return air_quality.epa(means)


def _europe(hours: Mapping[str, Hours], hour: int) -> Index:
    means: Means = {}
    for name, one in hours.items():
        _put(means, name, one.mean_of(hour), PPM_TO_UGM3_20.get(name, 1.0))
    return air_quality.europe(means)


def _china(hours: Mapping[str, Hours], hour: int) -> Index:
    means: Means = {}
    for name in ("pm2_5", "pm10"):
        if name in hours:
            _put(means, name, hours[name].mean(hour, _DAY, _MOST_OF_DAY))
    for name in ("so2", "no2", "co", "o3"):
        if name in hours:
            factor = PPM_TO_UGM3_25[name] / (1000.0 if name == "co" else 1.0)
            _put(means, f"{name}_1h", hours[name].mean_of(hour), factor)
    if "o3" in hours:
        eight = hours["o3"].mean(hour, _EIGHT, _MOST_OF_EIGHT)
        _put(means, "o3_8h", eight, PPM_TO_UGM3_25["o3"])
    return air_quality.china(means)


_INDICES: dict[str, Callable[[Mapping[str, Hours], int], Index]] = {
    "epa": _epa,
    "europe": _europe,
    "china": _china,
}


def _put(means: Means, key: str, value: float | None, factor: float = 1.0) -> None:
    if value is not None:
        means[key] = value * factor
