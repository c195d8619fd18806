"""Reference evapotranspiration of a well-watered lawn, and the radiation it takes.

Source: FAO-56 (1998), chapters 3 and 4, equation numbers with each function. Radiation in MJ/m²
per day or hour, wind in m/s, vapour pressure in kPa, temperature in °C. All raise `BadInput`
`nonphysical`; no result is negative but net radiation, soil heat and an hour's dew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.agronomy.physical import air_temperature, relative_humidity, within
from gateway.agronomy.sun import extraterrestrial
from gateway.agronomy.vapour import (
    mean_saturation_kpa,
    pressure_kpa,
    psychrometric_constant,
    saturation_kpa,
    saturation_slope,
)

ALBEDO = 0.23
CALM_MS = 0.5
"""Wind below this is taken as this: buoyancy moves the air (FAO-56, page 63)."""
USUAL_WIND_MS = 2.0
"""Where wind is not measured: the mean of 2,000 weather stations (FAO-56, page 63)."""
INTERIOR = 0.16
COASTAL = 0.19
"""Hargreaves' coefficient of equation 50, away from and near a large water."""

_STEFAN_BOLTZMANN = 4.903e-9
_KELVIN = 273.16
_MOST_MJ = 60.0
_MOST_MS = 75.0
_BRIGHT_AT_NIGHT = 0.8


@dataclass(frozen=True, slots=True)
class Day:
    """One day's weather. What was not measured is None and is estimated as FAO-56 says.

    `lowest_c`, `highest_c` air temperature; `vapour_kpa` actual vapour pressure; `wind_ms` at 2 m;
    `radiation_mj` solar radiation in MJ/m²; `number` the day of the year.
    """

    number: int
    lowest_c: float
    highest_c: float
    vapour_kpa: float | None = None
    wind_ms: float | None = None
    radiation_mj: float | None = None


def actual_vapour_kpa(
    lowest_c: float, highest_c: float, least_humidity: float, most_humidity: float
) -> float:
    """Return a day's actual vapour pressure from its extremes (equation 17)."""
    dawn = saturation_kpa(lowest_c) * relative_humidity(most_humidity) / 100
    noon = saturation_kpa(highest_c) * relative_humidity(least_humidity) / 100
    return (dawn + noon) / 2


def wind_at_2_m(wind_ms: float, height_m: float) -> float:
    """Return the wind at 2 m over grass from that at another height (equation 47)."""
    height = within("height of the anemometer", height_m, 0.5, 200.0)
    factor = 1.0 if height == 2.0 else 4.87 / math.log(67.8 * height - 5.42)  # noqa: PLR2004
    return within("wind", wind_ms, 0.0, 2 * _MOST_MS) * factor


def solar_from_sunshine(sunshine_h: float, daylight_h: float, extraterrestrial_mj: float) -> float:
    """Return solar radiation from the hours of bright sunshine (equation 35, a 0.25, b 0.50)."""
    longest = within("day length", daylight_h, 0.01, 24.0)
    share = within("hours of sunshine", sunshine_h, 0.0, 24.0) / longest
    return (0.25 + 0.50 * min(share, 1.0)) * extraterrestrial_mj


def solar_from_temperature(
    lowest_c: float, highest_c: float, extraterrestrial_mj: float, coefficient: float = INTERIOR
) -> float:
    """Return solar radiation from how far the day warmed up, at most clear sky (equation 50)."""
    spread = within("warming of the day", highest_c - lowest_c, 0.0, 60.0)
    return min(coefficient * math.sqrt(spread), 0.75) * extraterrestrial_mj


def clear_sky(elevation_m: float, extraterrestrial_mj: float) -> float:
    """Return solar radiation without clouds (equation 37)."""
    return (0.75 + 2e-5 * within("elevation", elevation_m, -500.0, 9000.0)) * extraterrestrial_mj


def net_longwave(
    lowest_c: float, highest_c: float, vapour_kpa: float, cloudiness_ratio: float
) -> float:
    """Return a day's net outgoing longwave radiation (equation 39).

    `cloudiness_ratio` is solar radiation over that of a clear sky, 0.25 to 1.
    """
    emitted = (_fourth_power(lowest_c) + _fourth_power(highest_c)) / 2
    return _longwave(emitted, vapour_kpa, cloudiness_ratio)


def net_radiation(
    day: Day, vapour_kpa: float, radiation_mj: float, extraterrestrial_mj: float, elevation_m: float
) -> float:
    """Return a day's net radiation at the lawn (equations 38 to 40)."""
    clear = clear_sky(elevation_m, extraterrestrial_mj)
    ratio = radiation_mj / clear if clear > 0 else _BRIGHT_AT_NIGHT
    return (1 - ALBEDO) * radiation_mj - net_longwave(
        day.lowest_c, day.highest_c, vapour_kpa, ratio
    )


def soil_heat_monthly(before_c: float, after_c: float) -> float:
    """Return a month's soil heat flux from the means of the months around it (equation 43)."""
    return 0.07 * (after_c - before_c)


def penman_monteith(
    day: Day, latitude: float, elevation_m: float, soil_heat_mj: float = 0.0
) -> float:
    """Return a day's reference evapotranspiration in mm (equation 6).

    Missing humidity, wind and radiation are estimated (equations 48 and 50, 2 m/s).
    """
    highest, lowest = air_temperature(day.highest_c), air_temperature(day.lowest_c)
    within("warming of the day", highest - lowest, 0.0, 60.0)
    above = extraterrestrial(latitude, day.number)
    saturated = mean_saturation_kpa(highest, lowest)
    vapour = saturation_kpa(lowest) if day.vapour_kpa is None else day.vapour_kpa
    vapour = min(within("vapour pressure", vapour, 0.0, 60.0), saturated)
    measured = day.radiation_mj is not None
    solar = day.radiation_mj if measured else solar_from_temperature(lowest, highest, above)
    solar = within("solar radiation", solar or 0.0, 0.0, _MOST_MJ)
    net = net_radiation(day, vapour, solar, above, elevation_m)
    wind = USUAL_WIND_MS if day.wind_ms is None else day.wind_ms
    wind = max(within("wind", wind, 0.0, _MOST_MS), CALM_MS)
    mean = (highest + lowest) / 2
    gamma = psychrometric_constant(pressure_kpa(elevation_m))
    evaporated = _combine(
        mean, energy_mj=net - soil_heat_mj, wind_ms=wind, deficit_kpa=saturated - vapour,
        gamma=gamma, numerator=900.0,
    )  # fmt: skip
    return max(evaporated, 0.0)


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour's weather, means but for `radiation_mj`; `cloudiness_ratio` as in `net_longwave`.

    At night the ratio of the hours before sunset stands for the sky's.
    """

    temperature_c: float
    humidity: float
    wind_ms: float
    radiation_mj: float
    cloudiness_ratio: float
    daytime: bool


def penman_monteith_hourly(hour: Hour, elevation_m: float) -> float:
    """Return an hour's reference evapotranspiration in mm (equation 53); slightly negative: dew."""
    t = air_temperature(hour.temperature_c)
    saturated = saturation_kpa(t)
    vapour = saturated * relative_humidity(hour.humidity) / 100
    solar = within("solar radiation", hour.radiation_mj, 0.0, 6.0)
    net = (1 - ALBEDO) * solar
    net -= _longwave(_fourth_power(t) / 24, vapour, hour.cloudiness_ratio)
    soil = (0.1 if hour.daytime else 0.5) * net  # equations 45 and 46
    gamma = psychrometric_constant(pressure_kpa(elevation_m))
    wind = max(within("wind", hour.wind_ms, 0.0, _MOST_MS), CALM_MS)
    return _combine(
        t, energy_mj=net - soil, wind_ms=wind, deficit_kpa=saturated - vapour, gamma=gamma,
        numerator=37.0,
    )  # fmt: skip


def hargreaves(lowest_c: float, highest_c: float, extraterrestrial_mj: float) -> float:
    """Return a day's reference evapotranspiration in mm from temperature alone (equation 52)."""
    highest, lowest = air_temperature(highest_c), air_temperature(lowest_c)
    spread = within("warming of the day", highest - lowest, 0.0, 60.0)
    above = 0.408 * within("extraterrestrial radiation", extraterrestrial_mj, 0.0, 50.0)
    return max(0.0023 * ((highest + lowest) / 2 + 17.8) * math.sqrt(spread) * above, 0.0)


def _combine(
    mean_c: float, *, energy_mj: float, wind_ms: float, deficit_kpa: float, gamma: float,
    numerator: float,
) -> float:  # fmt: skip
    """Return equation 6, or 53 with the numerator of an hour."""
    slope = saturation_slope(mean_c)
    radiant = 0.408 * slope * energy_mj
    aerial = gamma * numerator / (mean_c + 273) * wind_ms * deficit_kpa
    return (radiant + aerial) / (slope + gamma * (1 + 0.34 * wind_ms))


def _longwave(emitted: float, vapour_kpa: float, cloudiness_ratio: float) -> float:
    ratio = min(max(cloudiness_ratio, 0.25), 1.0)
    vapour = within("vapour pressure", vapour_kpa, 0.0, 60.0)
    return emitted * max(0.34 - 0.14 * math.sqrt(vapour), 0.0) * (1.35 * ratio - 0.35)


def _fourth_power(temperature_c: float) -> float:
    return _STEFAN_BOLTZMANN * (air_temperature(temperature_c) + _KELVIN) ** 4
