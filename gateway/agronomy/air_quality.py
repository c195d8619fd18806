"""Air quality indices: US EPA, European, China. Concentrations in µg/m³, or as a table says.

Sources: US EPA, "Technical assistance document for the reporting of daily air quality" (EPA-454/
B-24-002, May 2024: Table 6 with the PM2.5 breakpoints of February 2024, NowCast of its appendix);
European Environment Agency, European Air Quality Index (hourly bands in force since 2025, after
ETC HE Report 2024/17); HJ 633-2012, "Technical regulation on ambient air quality index (on trial)",
table 1, formulas 1 and 2. Each index is that of the worst pollutant.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.agronomy.physical import within
from gateway.errors import BadInput

PPM_TO_UGM3_25 = {"o3": 1962.0, "no2": 1882.0, "so2": 2620.0, "co": 1145.6}
"""1 ppm at 25 °C and 1013.25 hPa: molar mass over 24.45 L (US EPA; China since 2018)."""

PPM_TO_UGM3_20 = {"o3": 1995.4, "no2": 1912.5, "so2": 2663.1, "co": 1164.4}
"""The same at 20 °C, 24.055 L (Directive 2008/50/EC, Annex VI)."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index and the pollutant that makes it, "" where none stands out."""

    value: int
    leading: str


@dataclass(frozen=True, slots=True)
class _Scale:
    """Rows of (low, high) concentrations against (low, high) indices; figures are cut first.

    `beyond` is the index past the last row, None where another mean goes on.
    """

    rows: tuple[tuple[float, float, int, int], ...]
    decimals: int
    beyond: int | None


def _scale(decimals: int, *rows: tuple[float, float, int, int], beyond: int | None = 500) -> _Scale:
    return _Scale(rows, decimals, beyond)


EPA = {
    "o3_8h": _scale(3, (0, 0.054, 0, 50), (0.055, 0.070, 51, 100), (0.071, 0.085, 101, 150),
                    (0.086, 0.105, 151, 200), (0.106, 0.200, 201, 300), beyond=None),
    "o3_1h": _scale(3, (0.125, 0.164, 101, 150), (0.165, 0.204, 151, 200),
                    (0.205, 0.404, 201, 300), (0.405, 0.604, 301, 500)),
    "pm2_5": _scale(1, (0, 9.0, 0, 50), (9.1, 35.4, 51, 100), (35.5, 55.4, 101, 150),
                    (55.5, 125.4, 151, 200), (125.5, 225.4, 201, 300), (225.5, 325.4, 301, 500)),
    "pm10": _scale(0, (0, 54, 0, 50), (55, 154, 51, 100), (155, 254, 101, 150),
                   (255, 354, 151, 200), (355, 424, 201, 300), (425, 604, 301, 500)),
    "co_8h": _scale(1, (0, 4.4, 0, 50), (4.5, 9.4, 51, 100), (9.5, 12.4, 101, 150),
                    (12.5, 15.4, 151, 200), (15.5, 30.4, 201, 300), (30.5, 50.4, 301, 500)),
    "so2_1h": _scale(0, (0, 35, 0, 50), (36, 75, 51, 100), (76, 185, 101, 150),
                     (186, 304, 151, 200), beyond=200),
    "so2_24h": _scale(0, (305, 604, 201, 300), (605, 1004, 301, 500)),
    "no2_1h": _scale(0, (0, 53, 0, 50), (54, 100, 51, 100), (101, 360, 101, 150),
                     (361, 649, 151, 200), (650, 1249, 201, 300), (1250, 2049, 301, 500)),
}  # fmt: skip
"""Ozone and CO in ppm, SO2 and NO2 in ppb; PM over 24 h (or NowCast) in µg/m³.

An hour of SO2 says no more than 200 (40 CFR 58, Appendix G, Table 1, note 4): beyond that its day.
"""

_CHINA_INDEX = (0, 50, 100, 150, 200, 300, 400, 500)
CHINA = {
    "so2_24h": (0, 50, 150, 475, 800, 1600, 2100, 2620),
    "so2_1h": (0, 150, 500, 650, 800),
    "no2_24h": (0, 40, 80, 180, 280, 565, 750, 940),
    "no2_1h": (0, 100, 200, 700, 1200, 2340, 3090, 3840),
    "pm10": (0, 50, 150, 250, 350, 420, 500, 600),
    "co_24h": (0, 2, 4, 14, 24, 36, 48, 60),
    "co_1h": (0, 5, 10, 35, 60, 90, 120, 150),
    "o3_1h": (0, 160, 200, 300, 400, 800, 1000, 1200),
    "o3_8h": (0, 100, 160, 215, 265, 800),
    "pm2_5": (0, 35, 75, 115, 150, 250, 350, 500),
}
"""CO in mg/m³, the others in µg/m³; PM over 24 h."""

EUROPE = {
    "pm2_5": (5, 15, 50, 90, 140),
    "pm10": (15, 45, 120, 195, 270),
    "no2": (10, 25, 60, 100, 150),
    "o3": (60, 100, 120, 160, 180),
    "so2": (20, 40, 125, 190, 275),
}
"""Upper ends of good, fair, moderate, poor and very poor, hourly means in µg/m³."""

_CLEAN = 50


def epa(concentrations: Mapping[str, float]) -> Index:
    """Return the US index; keys as in `EPA`, ozone and SO2 by whichever of their means says more.

    Raises
    ------
    BadInput
        `nonphysical`, or `no_pollutant` when none of the keys is known or in its table's reach.

    """
    found = {
        key: value
        for key, concentration in concentrations.items()
        if key in EPA and (value := _epa(EPA[key], concentration)) is not None
    }
    return _worst(found, clean=-1)


def europe(concentrations: Mapping[str, float]) -> Index:
    """Return the European level, 1 good to 6 extremely poor; keys as in `EUROPE`, hourly means.

    Raises
    ------
    BadInput
        As `epa`.

    """
    found = {
        key: 1 + bisect.bisect_left(EUROPE[key], round(within(key, value, 0.0, 1e5)))
        for key, value in concentrations.items()
        if key in EUROPE
    }
    return _worst(found, clean=0)


def china(concentrations: Mapping[str, float]) -> Index:
    """Return the Chinese index, rounded up; keys as in `CHINA`. No pollutant leads up to 50.

    Raises
    ------
    BadInput
        As `epa`.

    """
    found = {
        key: value
        for key, concentration in concentrations.items()
        if key in CHINA
        and (value := _china(CHINA[key], within(key, concentration, 0.0, 1e5))) is not None
    }
    return _worst(found, clean=_CLEAN)


def nowcast(hourly: Sequence[float | None]) -> float | None:
    """Return EPA's NowCast of PM from hourly means, newest first, up to 12; None for a missing one.

    None when two of the newest three hours are missing. Hours weigh less the older they are, the
    more so the faster the air changes: by the ratio of the least to the greatest, at least 1/2.
    """
    hours = hourly[:12]
    known = [value for value in hours if value is not None]
    if sum(value is not None for value in hours[:3]) < 2:  # noqa: PLR2004 - two of three
        return None
    greatest = max(within("particulates", value, 0.0, 1e5) for value in known)
    weight = max(min(known) / greatest, 0.5) if greatest > 0 else 1.0
    weights = [weight**age if value is not None else 0.0 for age, value in enumerate(hours)]
    total = math.fsum(w * (value or 0.0) for w, value in zip(weights, hours, strict=True))
    return total / math.fsum(weights)


def _epa(scale: _Scale, concentration: float) -> int | None:
    value = within("concentration", concentration, 0.0, 1e5)
    power = 10**scale.decimals
    cut = math.floor(value * power + 1e-6) / power
    for low, high, first, last in scale.rows:
        if low <= cut <= high:
            return _nearest(first + (last - first) / (high - low) * (cut - low))
    return scale.beyond if cut > scale.rows[-1][1] else None


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)


def _china(points: Sequence[float], concentration: float) -> int | None:
    if concentration > points[-1]:
        return _CHINA_INDEX[-1] if len(points) == len(_CHINA_INDEX) else None
    at = max(bisect.bisect_left(points, concentration), 1)
    low, high = points[at - 1], points[at]
    first, last = _CHINA_INDEX[at - 1], _CHINA_INDEX[at]
    return math.ceil(first + (last - first) * (concentration - low) / (high - low) - 1e-9)


def _worst(found: Mapping[str, int], clean: int) -> Index:
    if not found:
        raise BadInput("no_pollutant", "no concentration that an index knows")
    leading = max(found, key=lambda key: found[key])
    return Index(found[leading], leading if found[leading] > clean else "")
