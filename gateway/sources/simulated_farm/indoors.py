"""The greenhouse, the yard's air and its noise."""

from __future__ import annotations

import math
from random import Random

from gateway.sources.simulated_farm.chance import Drift, clamp
from gateway.sources.simulated_farm.weather import DAY_S, HOUR_S, Sky, saturation_hpa

OUTDOOR_CO2_PPM = 424.0


class Greenhouse:
    """Heated at night, vented by day; its plants take carbon dioxide in the light."""

    def __init__(self) -> None:
        self.air_c = 16.0
        self.vapour_hpa = 13.0
        self.co2_ppm = 480.0
        self._vent = 0.0

    def step(self, sky: Sky, dt_s: float) -> None:
        """Exchange heat, vapour and carbon dioxide with `sky` for `dt_s`."""
        hours = dt_s / HOUR_S
        wanted = clamp((self.air_c - 22.0) / 5.0, 0.0, 1.0)
        self._vent += (wanted - self._vent) * min(1.0, hours / 0.3)
        exchange = 0.35 + 4.5 * self._vent + 0.04 * sky.wind_m_s
        heating = clamp((16.5 - self.air_c) * 6.0, 0.0, 14.0)
        sun = 0.020 * sky.solar_w_m2
        self.air_c += hours * (sun + heating - (0.55 + 0.45 * exchange) * (self.air_c - sky.air_c))
        outside = sky.humidity_pct / 100.0 * saturation_hpa(sky.air_c)
        breath = 1.2 + 0.022 * sky.solar_w_m2
        dew = max(0.0, self.vapour_hpa - 0.93 * saturation_hpa(self.air_c)) * 3.0
        self.vapour_hpa += hours * (breath - dew - exchange * (self.vapour_hpa - outside))
        light = sky.solar_w_m2 / (sky.solar_w_m2 + 180.0)
        uptake = 230.0 * light * clamp(self.co2_ppm / 400.0, 0.3, 1.6)
        self.co2_ppm += hours * (85.0 - uptake - exchange * (self.co2_ppm - OUTDOOR_CO2_PPM))

    @property
    def humidity_pct(self) -> float:
        """Relative humidity, at most 99 %."""
        return clamp(100.0 * self.vapour_hpa / saturation_hpa(self.air_c), 5.0, 99.0)


class YardAir:
    """Fine dust: log-normal, more on still evenings, washed out by rain. PM2.5 in µg/m³."""

    def __init__(self, random: Random) -> None:
        self._slow = Drift(random, 20.0 * HOUR_S)
        self._fast = Drift(random, 1.2 * HOUR_S)
        self.pm2_5 = 8.0

    def step(self, time_s: float, sky: Sky, dt_s: float) -> None:
        """Let dust gather and settle for `dt_s`."""
        hour = time_s % DAY_S / HOUR_S
        evening = 0.5 * math.exp(-(((hour - 20.5) / 2.4) ** 2))
        morning = 0.35 * math.exp(-(((hour - 7.2) / 1.6) ** 2))
        still = 0.25 * math.exp(-sky.wind_m_s / 2.0)
        level = 1.9 + evening + morning + still
        level += 0.28 * self._slow.step(dt_s) + 0.10 * self._fast.step(dt_s)
        level -= 0.9 * clamp(sky.rain_mm_h / 2.0, 0.0, 1.0)
        self.pm2_5 += (math.exp(level) - self.pm2_5) * min(1.0, dt_s / (0.6 * HOUR_S))


def noise_dba(time_s: float, sky: Sky, random: Random) -> float:
    """Return a quarter hour's LAeq: work by day, a road in the evening, wind and rain at all hours.

    Sound levels add as powers.
    """
    hour = time_s % DAY_S / HOUR_S
    work = 54.0 * _ramp(hour, 6.5, 8.0) * (1.0 - _ramp(hour, 17.0, 19.5))
    road = 41.0 + 5.0 * _ramp(hour, 5.5, 7.5) * (1.0 - _ramp(hour, 20.5, 23.0))
    wind = 27.0 + 3.4 * sky.wind_m_s
    rain = 30.0 + 9.0 * math.log1p(sky.rain_mm_h) if sky.rain_mm_h > 0.0 else 0.0
    power = sum(10.0 ** (level / 10.0) for level in (work, road, wind, rain))
    return 10.0 * math.log10(power) + random.gauss(0.0, 1.3)


def _ramp(hour: float, begins: float, ends: float) -> float:
    return clamp((hour - begins) / (ends - begins), 0.0, 1.0)
