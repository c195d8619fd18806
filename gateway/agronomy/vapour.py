"""Water vapour in air: pressure, deficit, dew point, wet bulb.

Sources: Allen, Pereira, Raes and Smith, "Crop evapotranspiration", FAO Irrigation and Drainage
Paper 56 (1998), here FAO-56, with its equation numbers; Stull, "Wet-bulb temperature from relative
humidity and air temperature", J. Appl. Meteorol. Climatol. 50 (2011), equation 1. Temperatures in
°C, vapour pressures in kPa, relative humidity in %. All raise `BadInput` `nonphysical`.
"""

from __future__ import annotations

import math

from gateway.agronomy.physical import air_temperature, relative_humidity, within

TETENS_A = 17.27
TETENS_B_C = 237.3
TETENS_KPA = 0.6108
SEA_LEVEL_KPA = 101.3
VENTILATED = 0.000662
"""Psychrometer coefficient in 1/°C with about 5 m/s of air over the bulb (FAO-56, equation 16)."""

_DRIEST = 0.01
_CLOSE_C = 1e-4
_MOST_STEPS = 60


def saturation_kpa(temperature_c: float) -> float:
    """Return the vapour pressure at which air of this temperature is saturated (equation 11)."""
    t = air_temperature(temperature_c)
    return TETENS_KPA * math.exp(TETENS_A * t / (t + TETENS_B_C))


def mean_saturation_kpa(highest_c: float, lowest_c: float) -> float:
    """Return a day's saturation vapour pressure from its extremes (equation 12)."""
    return (saturation_kpa(highest_c) + saturation_kpa(lowest_c)) / 2


def saturation_slope(temperature_c: float) -> float:
    """Return the slope of the saturation curve in kPa/°C (equation 13)."""
    return 4098.0 * saturation_kpa(temperature_c) / (temperature_c + TETENS_B_C) ** 2


def vapour_pressure_kpa(temperature_c: float, humidity: float) -> float:
    """Return the actual vapour pressure of air (equation 54)."""
    return saturation_kpa(temperature_c) * relative_humidity(humidity) / 100.0


def deficit_kpa(temperature_c: float, humidity: float) -> float:
    """Return the vapour pressure deficit: how much more water the air could take up."""
    saturated = saturation_kpa(temperature_c)
    return saturated * (1 - relative_humidity(humidity) / 100.0)


def dew_point_c(temperature_c: float, humidity: float) -> float:
    """Return the temperature at which this air is saturated: equation 14 turned round.

    Drier air than 0.01 % counts as that, for in none at all there is no dew point.
    """
    pressure = saturation_kpa(temperature_c) * max(relative_humidity(humidity), _DRIEST) / 100.0
    return dew_point_of_c(pressure)


def dew_point_of_c(vapour_kpa: float) -> float:
    """Return the dew point of air with this vapour pressure."""
    log = math.log(within("vapour pressure", vapour_kpa, 1e-9, 100.0) / TETENS_KPA)
    return TETENS_B_C * log / (TETENS_A - log)


def pressure_kpa(elevation_m: float) -> float:
    """Return the usual air pressure at an elevation (equation 7)."""
    z = within("elevation", elevation_m, -500.0, 9000.0)
    return SEA_LEVEL_KPA * math.pow((293.0 - 0.0065 * z) / 293.0, 5.26)


def psychrometric_constant(air_kpa: float) -> float:
    """Return gamma in kPa/°C (equation 8)."""
    return 0.000665 * within("air pressure", air_kpa, 20.0, 120.0)


def psychrometer_kpa(dry_c: float, wet_c: float, air_kpa: float) -> float:
    """Return the vapour pressure that a ventilated psychrometer shows (equations 15 and 16)."""
    return saturation_kpa(wet_c) - VENTILATED * air_kpa * (dry_c - wet_c)


def wet_bulb_c(temperature_c: float, humidity: float, air_kpa: float = SEA_LEVEL_KPA) -> float:
    """Return what a ventilated wet bulb would show: equation 15 solved for it.

    It lies between dew point and temperature. Also below freezing the bulb counts as wet, not icy.
    """
    wanted = vapour_pressure_kpa(temperature_c, humidity)
    within("air pressure", air_kpa, 20.0, 120.0)
    low, high = max(dew_point_c(temperature_c, humidity), -120.0), temperature_c
    wet = (2 * temperature_c + low) / 3
    for _ in range(_MOST_STEPS):
        wet = min(max(wet, low), high)
        e = TETENS_KPA * math.exp(TETENS_A * wet / (wet + TETENS_B_C))
        off = e - VENTILATED * air_kpa * (temperature_c - wet) - wanted
        step = off / (4098.0 * e / (wet + TETENS_B_C) ** 2 + VENTILATED * air_kpa)
        wet -= step
        if abs(step) < _CLOSE_C:
            break
    return min(max(wet, low), high)


def wet_bulb_stull_c(temperature_c: float, humidity: float) -> float:
    """Return Stull's fit at sea level, for -20 to 50 °C and 5 to 99 %: good to about 1 °C."""
    t = within("temperature", temperature_c, -20.0, 50.0)
    rh = within("relative humidity", humidity, 5.0, 99.0)
    return (
        t * math.atan(0.151977 * math.sqrt(rh + 8.313659))
        + math.atan(t + rh)
        - math.atan(rh - 1.676331)
        + 0.00391838 * math.pow(rh, 1.5) * math.atan(0.023101 * rh)
        - 4.686035
    )


def heat_index_c(temperature_c: float, humidity: float) -> float:
    """Return how hot it feels in the shade.

    US National Weather Service, Weather Prediction Center, "The heat index equation": Steadman's
    simple form where that gives less than 80 °F, else Rothfusz's regression (1990) with its two
    adjustments. Below 40 °F there is no heat to speak of: the temperature itself.
    """
    t = air_temperature(temperature_c) * 9 / 5 + 32
    rh = relative_humidity(humidity)
    if t <= _NO_HEAT_F:
        return temperature_c
    simple = (t + 61.0 + (t - 68.0) * 1.2 + rh * 0.094) / 2
    index = (simple + t) / 2
    if index >= _HOT_F:
        index = _rothfusz_f(t, rh)
    return (index - 32) * 5 / 9


_NO_HEAT_F = 40.0
_HOT_F = 80.0
_FITTED_F = 130.0


def _rothfusz_f(t: float, rh: float) -> float:
    t = min(t, _FITTED_F)  # the regression rises without end beyond the data it was made from
    index = (
        -42.379 + 2.04901523 * t + 10.14333127 * rh - 0.22475541 * t * rh - 6.83783e-3 * t * t
        - 5.481717e-2 * rh * rh + 1.22874e-3 * t * t * rh + 8.5282e-4 * t * rh * rh
        - 1.99e-6 * t * t * rh * rh
    )  # fmt: skip
    if rh < 13 and 80 <= t <= 112:  # noqa: PLR2004 - the source's own bounds
        return index - (13 - rh) / 4 * math.sqrt((17 - abs(t - 95)) / 17)
    if rh > 85 and 80 <= t <= 87:  # noqa: PLR2004
        return index + (rh - 85) / 10 * (87 - t) / 5
    return index
