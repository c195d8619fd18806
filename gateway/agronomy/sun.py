"""Where the sun is: extraterrestrial radiation, day length, sunrise.

Source: FAO-56 (1998), chapter 3, equations 21 to 34; sunrise with the equation of time of equation
33 and the standard 0.833° for refraction and the sun's radius. Latitude and longitude in degrees,
north and east positive; `day` is the day of the year, 1 to 366. All raise `BadInput` `nonphysical`.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

from gateway.agronomy.physical import within

SOLAR_CONSTANT = 0.0820
"""MJ per m² and minute."""

_DAY_S = 86400.0
_HORIZON = math.radians(-0.833)


def day_of_year(day: date) -> int:
    """Return 1 for 1 January."""
    return day.timetuple().tm_yday


def inverse_distance(day: int) -> float:
    """Return the inverse relative distance of earth and sun (equation 23)."""
    return 1 + 0.033 * math.cos(2 * math.pi / 365 * _day(day))


def declination(day: int) -> float:
    """Return the sun's declination in radians (equation 24)."""
    return 0.409 * math.sin(2 * math.pi / 365 * _day(day) - 1.39)


def sunset_angle(latitude: float, day: int) -> float:
    """Return the hour angle of sunset in radians (equation 25): 0 polar night, pi polar day."""
    return math.acos(min(max(-math.tan(_latitude(latitude)) * math.tan(declination(day)), -1), 1))


def daylight_hours(latitude: float, day: int) -> float:
    """Return the greatest possible hours of sunshine (equation 34)."""
    return 24 / math.pi * sunset_angle(latitude, day)


def extraterrestrial(latitude: float, day: int) -> float:
    """Return a day's radiation above the atmosphere, MJ/m²/day (equation 21)."""
    phi, delta, omega = _latitude(latitude), declination(day), sunset_angle(latitude, day)
    return max(
        24 * 60 / math.pi * SOLAR_CONSTANT * inverse_distance(day)
        * (omega * math.sin(phi) * math.sin(delta)
           + math.cos(phi) * math.cos(delta) * math.sin(omega)),
        0.0,
    )  # fmt: skip


def extraterrestrial_hour(
    latitude: float, day: int, solar_hour: float, hours: float = 1.0
) -> float:
    """Return the radiation above the atmosphere in MJ/m² per period (equations 28 to 30).

    `solar_hour` is solar time at the period's middle, `hours` its length.
    """
    phi, delta = _latitude(latitude), declination(day)
    omega = math.pi / 12 * (within("solar hour", solar_hour, 0.0, 24.0) - 12)
    half = math.pi * within("period", hours, 0.01, 24.0) / 24
    sunset = sunset_angle(latitude, day)
    first, last = max(omega - half, -sunset), min(omega + half, sunset)
    if last <= first:
        return 0.0
    return max(
        12 * 60 / math.pi * SOLAR_CONSTANT * inverse_distance(day)
        * ((last - first) * math.sin(phi) * math.sin(delta)
           + math.cos(phi) * math.cos(delta) * (math.sin(last) - math.sin(first))),
        0.0,
    )  # fmt: skip


def seasonal_correction_h(day: int) -> float:
    """Return by how much the sundial is ahead of mean solar time, in hours (equation 32)."""
    b = 2 * math.pi * (_day(day) - 81) / 364
    return 0.1645 * math.sin(2 * b) - 0.1255 * math.cos(b) - 0.025 * math.sin(b)


def solar_hour(time_s: float, longitude: float) -> float:
    """Return solar time in hours, 0 to 24, at a moment and longitude (equation 31)."""
    moment = datetime.fromtimestamp(time_s, UTC)
    shift = within("longitude", longitude, -180.0, 180.0) / 15
    utc_h = (time_s % _DAY_S) / 3600
    return (utc_h + shift + seasonal_correction_h(day_of_year(moment.date()))) % 24


def next_sunrise_s(time_s: float, latitude: float, longitude: float) -> float | None:
    """Return when the sun next rises after a moment, None when it does not within two days."""
    for ahead in range(-1, 3):
        moment = datetime.fromtimestamp(time_s + ahead * _DAY_S, UTC)
        rises = _sunrise_s(moment.date(), latitude, longitude)
        if rises is not None and rises > time_s:
            return rises
    return None


def _sunrise_s(day: date, latitude: float, longitude: float) -> float | None:
    number = day_of_year(day)
    phi, delta = _latitude(latitude), declination(number)
    across = math.cos(phi) * math.cos(delta)
    cosine = (math.sin(_HORIZON) - math.sin(phi) * math.sin(delta)) / max(across, 1e-9)
    if not -1 < cosine < 1:
        return None
    hour = 12 - math.degrees(math.acos(cosine)) / 15
    hour -= within("longitude", longitude, -180.0, 180.0) / 15 + seasonal_correction_h(number)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return midnight.timestamp() + hour * 3600


def _latitude(degrees: float) -> float:
    # At the pole itself the tangent has no value; a kilometre off it has.
    return math.radians(min(max(within("latitude", degrees, -90.0, 90.0), -89.99), 89.99))


def _day(day: int) -> float:
    return within("day of the year", day, 1, 366)
