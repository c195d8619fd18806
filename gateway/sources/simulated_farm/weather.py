"""One weather over the whole farm: sun, cloud, air, wind and rain, stepped through time.

The sun's height follows from latitude, date and hour; cloud, fronts, humidity and wind are
Ornstein-Uhlenbeck processes; air temperature integrates what the sun gives and a clear sky takes.
Rain and the frost night are scripted, so that every seed has them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.sources.simulated_farm.chance import Drift, clamp, stream

LATITUDE_DEG = 46.0
HOUR_S = 3600.0
DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Rain:
    """A shower: `mm_h` at its heart, from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    mm_h: float


@dataclass(frozen=True, slots=True)
class ColdNight:
    """Cold, dry, still air under a clear sky: `depth_c` below the season between the two times."""

    start_s: float
    end_s: float
    depth_c: float


@dataclass(frozen=True, slots=True)
class Sky:
    """The weather at one moment. `rain_mm_h` is a rate, `solar_w_m2` falls on level ground.

    `wind_deg` may lie outside [0, 360), so that it has no jump at north.
    """

    air_c: float
    humidity_pct: float
    pressure_hpa: float
    wind_m_s: float
    wind_deg: float
    solar_w_m2: float
    rain_mm_h: float


def sun_height(time_s: float) -> float:
    """Return the sine of the sun's elevation, negative at night. Local time is UTC."""
    day = time_s / DAY_S
    year = math.tau * ((day + 284.0) % 365.2425) / 365.2425
    declination = math.radians(23.44) * math.sin(year)
    hour_angle = math.tau * (day % 1.0) - math.pi
    latitude = math.radians(LATITUDE_DEG)
    return math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(
        declination
    ) * math.cos(hour_angle)


def season_mean_c(time_s: float) -> float:
    """Return the mean air temperature of the season (°C), lowest in late January."""
    return 11.0 - 9.0 * math.cos(math.tau * (time_s / DAY_S - 22.0) / 365.2425)


def saturation_hpa(temperature_c: float) -> float:
    """Return the vapour pressure over water at saturation (Magnus form; WMO-No. 8, annex 4.B)."""
    return 6.112 * math.exp(17.62 * temperature_c / (243.12 + temperature_c))


class Weather:
    """Steps the sky. `step` must be called with times that go forward by `dt_s`."""

    def __init__(self, seed: int, rains: Sequence[Rain], cold: Sequence[ColdNight]) -> None:
        def process(name: str, tau_s: float) -> Drift:
            return Drift(stream(seed, f"weather/{name}"), tau_s)

        self._rains, self._cold = tuple(rains), tuple(cold)
        self._front = process("front", 2.5 * DAY_S)
        self._cloud = process("cloud", 5.0 * HOUR_S)
        self._patches = process("patches", 0.4 * HOUR_S)
        self._dew = process("dew", 14.0 * HOUR_S)
        self._pressure = process("pressure", 1.2 * DAY_S)
        self._breeze = process("breeze", 1.5 * HOUR_S)
        self._vane = process("vane", 4.0 * HOUR_S)
        self._warmth_c = 0.0  # what sun and sky have done to the air since yesterday
        self._front_c = 0.0
        self._pressure_hpa = 1010.0
        self._wet = 0.0  # how moist rain has left the air, 0 to 1

    def with_cold(self, nights: Sequence[ColdNight]) -> Weather:
        """Return a copy that goes on from here, with other cold nights."""
        other = copy.deepcopy(self)
        other._cold = tuple(nights)  # noqa: SLF001 - one of our own
        return other

    def step(self, time_s: float, dt_s: float) -> Sky:
        """Return the sky at `time_s`, `dt_s` after the call before."""
        rain = _rain_mm_h(self._rains, time_s)
        cold = _cold_c(self._cold, time_s)
        cover = self._cover(rain, cold, dt_s)
        height = sun_height(time_s)
        solar = 1050.0 * max(height, 0.0) ** 1.15 * (1.0 - 0.75 * cover**1.6)
        air = self._air(time_s, dt_s, solar=solar, cover=cover, cold=cold, rain=rain)
        self._wet += (clamp(rain / 2.0, 0.0, 1.0) - self._wet) * dt_s / (2.5 * HOUR_S)
        calm = 0.35 if cold else 1.0
        breeze = 1.8 + 2.2 * max(height, 0.0) + 1.1 * self._breeze.step(dt_s)
        self._pressure_hpa += (
            (1011.0 + 5.5 * self._pressure.step(dt_s) - self._pressure_hpa) * dt_s / (8 * HOUR_S)
        )
        return Sky(
            air_c=air,
            humidity_pct=self._humidity(time_s, air, dt_s),
            pressure_hpa=self._pressure_hpa
            + 0.6 * math.cos(2 * math.tau * (time_s / DAY_S - 10 / 24)),
            wind_m_s=max(0.0, breeze * calm),
            wind_deg=235.0 + 45.0 * self._vane.step(dt_s),
            solar_w_m2=solar,
            rain_mm_h=rain,
        )

    def _cover(self, rain: float, cold: float, dt_s: float) -> float:
        slow, fast = self._cloud.step(dt_s), self._patches.step(dt_s)
        cover = 1.0 / (1.0 + math.exp(-(1.6 * slow + 0.7 * fast - 0.3)))
        if cold:
            cover *= 0.1
        return max(cover, 0.92) if rain > 0.0 else cover

    def _air(
        self, time_s: float, dt_s: float, *, solar: float, cover: float, cold: float, rain: float
    ) -> float:
        hours = dt_s / HOUR_S
        gain = 0.0029 * solar - 0.78 * (1.0 - 0.6 * cover) - 0.12 * min(rain, 5.0)
        self._warmth_c += hours * (gain - self._warmth_c / 5.5)
        # Bounded: an unscripted front must not bring a frost of its own.
        front = 2.2 * math.tanh(self._front.step(dt_s) / 1.6)
        self._front_c += (front - cold - self._front_c) * dt_s / (4.0 * HOUR_S)
        return season_mean_c(time_s) + self._front_c + self._warmth_c

    def _humidity(self, time_s: float, air_c: float, dt_s: float) -> float:
        usual = season_mean_c(time_s) + 0.7 * self._front_c - 3.4 + 1.4 * self._dew.step(dt_s)
        dew = usual + (air_c - 0.4 - usual) * self._wet
        dew = min(dew, air_c - 0.15)
        return 100.0 * saturation_hpa(dew) / saturation_hpa(air_c)


def _rain_mm_h(rains: Sequence[Rain], time_s: float) -> float:
    for rain in rains:
        if rain.start_s < time_s < rain.end_s:
            share = (time_s - rain.start_s) / (rain.end_s - rain.start_s)
            return rain.mm_h * math.pow(math.sin(math.pi * share), 0.7)
    return 0.0


def _cold_c(nights: Sequence[ColdNight], time_s: float) -> float:
    for night in nights:
        if night.start_s < time_s < night.end_s:
            return night.depth_c
    return 0.0
