"""What nature allows: every formula looks at its arguments through this one gate."""

from __future__ import annotations

from gateway.errors import BadInput

COLDEST_C = -90.0
HOTTEST_C = 90.0
WETTEST_PERCENT = 105.0
"""A capacitive probe in fog reads a little past 100 %: that much is taken as 100."""


def within(name: str, value: float, low: float, high: float) -> float:
    """Return the value when it lies within both bounds.

    Raises
    ------
    BadInput
        `nonphysical`: it does not, or is not a number.

    """
    if low <= value <= high:
        return value
    raise BadInput("nonphysical", f"{name} = {value:g} is not within {low:g} and {high:g}")


def air_temperature(value: float) -> float:
    """Return a temperature in °C that weather, a store or a greenhouse may have."""
    return within("temperature", value, COLDEST_C, HOTTEST_C)


def relative_humidity(value: float) -> float:
    """Return a relative humidity in %, at most 100; a little more than that counts as 100."""
    return min(within("relative humidity", value, 0.0, WETTEST_PERCENT), 100.0)
