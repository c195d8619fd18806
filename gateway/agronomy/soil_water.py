"""How much water the roots have left, and how much irrigation would bring back.

Source: FAO-56 (1998), chapter 8: available water (equations 82 and 83), stress (84), daily balance
(85 to 88), soils of Table 19. Water in mm, soil moisture as a share of volume, depth in m. All
raise `BadInput` `nonphysical`.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.agronomy.physical import within


@dataclass(frozen=True, slots=True)
class Soil:
    """Water contents at field capacity and at the wilting point, shares of volume."""

    field_capacity: float
    wilting_point: float


SOILS = {
    "sand": Soil(0.12, 0.045),
    "loamy sand": Soil(0.15, 0.065),
    "sandy loam": Soil(0.23, 0.11),
    "loam": Soil(0.25, 0.12),
    "silt loam": Soil(0.29, 0.15),
    "silt": Soil(0.32, 0.17),
    "silt clay loam": Soil(0.335, 0.205),
    "silty clay": Soil(0.36, 0.23),
    "clay": Soil(0.36, 0.22),
}
"""FAO-56, Table 19: the middle of each range."""

LEAST_FRACTION, MOST_FRACTION = 0.1, 0.8


@dataclass(frozen=True, slots=True)
class RootZone:
    """`total_mm` is all the water that roots can take (TAW), `ready_mm` what comes easily (RAW)."""

    total_mm: float
    ready_mm: float

    def stress(self, depletion_mm: float) -> float:
        """Return Ks: 1 while water comes easily, then falling to 0 (equation 84)."""
        if depletion_mm <= self.ready_mm:
            return 1.0
        left = self.total_mm - depletion_mm
        return min(max(left / (self.total_mm - self.ready_mm), 0.0), 1.0)


def root_zone(soil: Soil, root_m: float, fraction: float, crop_mm: float = 5.0) -> RootZone:
    """Return the water in reach of roots (equations 82 and 83).

    `fraction` is the crop's at 5 mm/day; a thirstier day (`crop_mm`) makes it smaller (Table 22,
    footnote 2).
    """
    capacity = within("field capacity", soil.field_capacity, 0.01, 1.0)
    wilting = within("wilting point", soil.wilting_point, 0.0, capacity - 0.005)
    total = 1000 * (capacity - wilting) * within("root depth", root_m, 0.01, 5.0)
    p = fraction + 0.04 * (5 - within("crop evapotranspiration", crop_mm, 0.0, 30.0))
    return RootZone(total, min(max(p, LEAST_FRACTION), MOST_FRACTION) * total)


def depletion_of(soil: Soil, moisture: float, root_m: float) -> float:
    """Return the depletion that a probe's soil moisture means, from 0 to all there is."""
    share = within("soil moisture", moisture, 0.0, 1.0)
    total = 1000 * (soil.field_capacity - soil.wilting_point) * root_m
    return min(max(1000 * (soil.field_capacity - share) * root_m, 0.0), total)


def next_depletion(
    zone: RootZone, before_mm: float, *, crop_mm: float, rain_mm: float, irrigation_mm: float
) -> float:
    """Return the depletion at the day's end (equation 85); what is too much drains (88).

    `crop_mm` is the evapotranspiration without stress. Runoff and rise from below are left out.
    """
    within("rain", rain_mm, 0.0, 2000.0)
    within("irrigation", irrigation_mm, 0.0, 2000.0)
    within("crop evapotranspiration", crop_mm, 0.0, 30.0)
    wet = max(before_mm - rain_mm - irrigation_mm, 0.0)
    return min(wet + zone.stress(wet) * crop_mm, zone.total_mm)


@dataclass(frozen=True, slots=True)
class Advice:
    """`apply_mm` is what to bring out now (0: nothing yet), `in_days` when that will be due.

    `reason`: `wet` (days of water left), `soon` (within two days), `due` (the easy water is gone),
    `stress` (the crop already takes less than it would). `in_days` None: nothing is taken.
    """

    apply_mm: float
    in_days: float | None
    reason: str


_SOON_DAYS = 2.0


def advise(zone: RootZone, depletion_mm: float, crop_mm: float, efficiency: float) -> Advice:
    """Return whether to irrigate: back to field capacity once the easy water is gone.

    `crop_mm` is what the crop takes per day now; `efficiency` the share of the irrigation that
    reaches the roots.
    """
    share = within("efficiency", efficiency, 0.05, 1.0)
    left = zone.ready_mm - depletion_mm
    if left > 0:
        days = left / crop_mm if crop_mm > 0 else None
        soon = days is not None and days <= _SOON_DAYS
        return Advice(0.0, days, "soon" if soon else "wet")
    # A tenth beyond the easy water costs a crop next to nothing.
    stressed = -left > 0.1 * (zone.total_mm - zone.ready_mm)
    return Advice(depletion_mm / share, 0.0, "stress" if stressed else "due")
