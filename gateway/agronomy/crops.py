"""Crops and their calendar in degree days: `crops.toml` names the sources of each figure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from gateway.agronomy.degree_days import average

SOWN = "sown"
"""The stage before the first."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One crop. `stages` are (name, degree days at which it begins), ascending, maybe none.

    `kc` are the coefficients at the beginning, in mid-season and at the end; `depletion` is the
    share of the available water that it draws without stress at 5 mm/day; `root_m` the depth of
    its roots when grown; `chills` says that winter's cold matters to it.
    """

    name: str
    base_c: float
    cap_c: float
    stages: tuple[tuple[str, float], ...]
    kc: tuple[float, float, float]
    depletion: float
    root_m: float
    chills: bool = False

    def degree_days(self, lowest_c: float, highest_c: float) -> float:
        """Return what one day adds, °C·d."""
        return average(lowest_c, highest_c, self.base_c, self.cap_c)

    def stage(self, degree_days: float) -> str:
        """Return the stage reached, "" for a crop without any."""
        reached = [name for name, begins in self.stages if degree_days >= begins]
        return reached[-1] if reached else SOWN if self.stages else ""

    def ripe(self, degree_days: float) -> bool:
        """Tell whether the last stage is reached; a crop without stages never ripens."""
        return bool(self.stages) and degree_days >= self.stages[-1][1]

    def next_stage(self, degree_days: float) -> tuple[str, float] | None:
        """Return the stage to come and the degree days still missing, None after the last."""
        ahead = ((name, begins) for name, begins in self.stages if begins > degree_days)
        found = next(ahead, None)
        return None if found is None else (found[0], found[1] - degree_days)

    def coefficient(self, degree_days: float) -> float:
        """Return Kc: initial until the first stage, mid-season from the second to the third.

        Between them and towards the end it changes linearly (FAO-56, figure 34), by degree days
        rather than by days. A crop without stages is always in mid-season.
        """
        if len(self.stages) < len(("initial", "development", "mid-season", "late")):
            return self.kc[1]
        first, second, third, last = (begins for _, begins in self.stages[:4])
        initial, middle, end = self.kc
        if degree_days < second:
            return _between(degree_days, first, second, initial, middle)
        return _between(degree_days, third, last, middle, end)


def _between(at: float, begin: float, end: float, first: float, last: float) -> float:
    share = min(max((at - begin) / (end - begin), 0.0), 1.0)
    return first + share * (last - first)


@cache
def crops() -> Mapping[str, Crop]:
    """Return every crop that is known, by name."""
    text = resources.files(__package__).joinpath("crops.toml").read_text(encoding="utf-8")
    return {
        name: Crop(
            name=name, base_c=table["base_c"], cap_c=table["cap_c"],
            stages=tuple((stage, float(begins)) for stage, begins in table["stages"].items()),
            kc=(table["kc"][0], table["kc"][1], table["kc"][2]), depletion=table["p"],
            root_m=table["root_m"], chills=table.get("chill", False),
        )
        for name, table in tomllib.loads(text).items()
    }  # fmt: skip
