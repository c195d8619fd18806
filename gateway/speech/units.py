"""Metric figures in the units that growers of the United States use; for sentences alone.

Factors: NIST Special Publication 811 (2008), appendix B.8. A unit that is not here stays as it is:
dS/m, ppm and W/m² are used everywhere, and kPa is how vapour pressure deficit and (as centibars,
the same figure) soil water tension are read there too.
"""

from __future__ import annotations

from dataclasses import dataclass

_INCH_MM = 25.4
_FOOT_M = 0.3048
_MILE_KM = 1.609344
_GALLON_L = 3.785412
_ACRE_HA = 0.4046873
_POUND_KG = 0.45359237
_PSI_KPA = 6.894757
_INHG_HPA = 33.86389
_MPH_MS = 0.44704
_KELVIN_F = 1.8


@dataclass(frozen=True, slots=True)
class Conversion:
    """`value * factor + offset` in `unit`; a difference of two values has no offset.

    `digits` are the decimals that this unit is always read with, None where size decides.
    """

    unit: str
    factor: float
    offset: float = 0.0
    digits: int | None = None


_CUBIC_METRE = Conversion("gal", 1000.0 / _GALLON_L)
_BAROMETER = Conversion("inHg", 1 / _INHG_HPA, digits=2)

IMPERIAL = {
    "°C": Conversion("°F", _KELVIN_F, 32.0),
    "K": Conversion("°F", _KELVIN_F),
    "°C·d": Conversion("°F·d", _KELVIN_F),
    "mm": Conversion("in", 1 / _INCH_MM),
    "cm": Conversion("in", 10 / _INCH_MM),
    "m": Conversion("ft", 1 / _FOOT_M),
    "km": Conversion("mi", 1 / _MILE_KM),
    "m/s": Conversion("mph", 1 / _MPH_MS),
    "km/h": Conversion("mph", 1 / _MILE_KM),
    "hPa": _BAROMETER,
    "mbar": _BAROMETER,
    "bar": Conversion("psi", 100 / _PSI_KPA),
    "MPa": Conversion("psi", 1000 / _PSI_KPA),
    "L": Conversion("gal", 1 / _GALLON_L),
    "l": Conversion("gal", 1 / _GALLON_L),
    "m³": _CUBIC_METRE,
    "m3": _CUBIC_METRE,
    "ha": Conversion("acre", 1 / _ACRE_HA),
    "m²": Conversion("ft²", 1 / _FOOT_M**2),
    "kg": Conversion("lb", 1 / _POUND_KG),
}
_PER = {"h": "h", "d": "d", "min": "min", "s": "s", "ha": "acre", "m²": "ft²"}
_SPELLINGS = {"gal/min": "gpm"}


def imperial(unit: str) -> Conversion | None:
    """Return how a metric unit is said, None when it stays; a rate follows its first part.

    A rate (`mm/d`, `°C/d`) is a difference: it has no offset.
    """
    if (known := IMPERIAL.get(unit)) is not None:
        return known
    above, slash, below = unit.partition("/")
    per, known = _PER.get(below), IMPERIAL.get(above)
    if not slash or per is None or known is None:
        return None
    divisor = IMPERIAL[below].factor if below in IMPERIAL else 1.0
    said = f"{known.unit}/{per}"
    return Conversion(_SPELLINGS.get(said, said), known.factor / divisor)
