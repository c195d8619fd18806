"""One field through the season: evapotranspiration, growth, chill and soil water, day by day.

A day is closed when the field's first device speaks on a later one, and its figures are told with
the time of its end. All that lasts from day to day is in those figures, as they were told, so that
a restart finds it in the store: `recall` takes stored readings back, in any order of devices.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from gateway.agronomy.channels import MOST_DAYS, Told, as_told, figure, is_derived
from gateway.agronomy.crops import Crop, crops
from gateway.agronomy.degree_days import chill_hour
from gateway.agronomy.field_day import FieldDay, reference_mm
from gateway.agronomy.gauges import Gauges
from gateway.agronomy.hours import HOUR_S
from gateway.agronomy.site import Site, slug
from gateway.agronomy.soil_water import (
    SOILS,
    Advice,
    RootZone,
    Soil,
    advise,
    depletion_of,
    next_depletion,
    root_zone,
)
from gateway.config import AgronomyConfig, FieldConfig
from gateway.errors import BadInput, ConfigError
from gateway.types import DeviceInfo, Reading

OPEN_DAYS = 6
"""How many days may wait for the first device's next word."""

RATE_DAYS = 7
"""Over how many newest days the pace of growth and of water use is taken."""

COURSES = {
    "air.temperature": ("air", "°C", -60.0, 70.0),
    "air.relativeHumidity": ("humidity", "%", 0.0, 105.0),
    "wind.speed": ("wind", "m/s", 0.0, 75.0),
    "light.solarRadiation": ("radiation", "W/m²", 0.0, 1600.0),
}
"""Channels that go through the day: quantity, unit, and what is believed."""

_MOISTURE = "soil.moisture"
_DAY_S = 24 * HOUR_S
_LEAST_PACE = 0.05


class FieldSeason:
    """What one field has come to. Raises ConfigError for a crop or soil that is not known."""

    def __init__(self, config: FieldConfig, agronomy: AgronomyConfig, site: Site) -> None:
        self.slug = slug(config.name)
        self._config = config
        self._site = site
        self._wind_height_m = agronomy.wind_height_m
        self._crop = _crop(config)
        self._soil = _soil(config)
        self._gauges = Gauges.of(config, agronomy)
        self._ranks = {name: rank for rank, name in enumerate(config.devices)}
        self._days: dict[date, FieldDay] = {}
        self._closed: date | None = None
        self._sums: dict[str, tuple[date, float]] = {}
        self._depletion: float | None = None
        self._paces = {name: deque[float](maxlen=RATE_DAYS) for name in ("gddDay", "cropEt")}

    def lookback_s(self, device: DeviceInfo) -> float:
        """Return how far back what a device has told is of use after a restart.

        Any device: the day that is not closed; the first: the days that the paces are taken over.
        """
        rank = self.rank(device)
        if rank is None:
            return 0.0
        return (RATE_DAYS + 1.5) * _DAY_S if rank == 0 else _DAY_S + 4 * HOUR_S

    def rank(self, device: DeviceInfo) -> int | None:
        """Return a device's place in this field, None when it is not of it."""
        rank = self._ranks.get(device.dev_eui)
        return self._ranks.get(device.name) if rank is None else rank

    def take(self, rank: int, readings: Sequence[Reading]) -> None:
        """Note what is measured, on the day it was; days that are closed stay as they are."""
        for reading in readings:
            if is_derived(reading):
                continue
            local = self._site.local(reading.time_s)
            if self._closed is None or local.date() > self._closed:
                self._note(rank, reading, local.date(), local.hour)
        while len(self._days) > OPEN_DAYS:
            self._close(min(self._days))

    def recall(self, rank: int, readings: Sequence[Reading]) -> None:
        """Take stored readings back, oldest first: nothing is closed, nothing told."""
        for reading in readings:
            if is_derived(reading):
                self._remember(reading)
                continue
            local = self._site.local(reading.time_s)
            if self._closed is None or local.date() > self._closed:
                self._note(rank, reading, local.date(), local.hour)
        while len(self._days) > OPEN_DAYS:
            del self._days[min(self._days)]

    def tell(self, rank: int, told_by: DeviceInfo, time_s: float) -> list[Reading]:
        """Close the days that are over; return the figures of the newest that has any.

        Only for the first device; `time_s` is now, by that device's word.
        """
        if rank != 0:
            return []
        today = self._site.local(time_s).date()
        told: list[Reading] = []
        for day in sorted(day for day in self._days if day < today):
            figures = self._close(day)
            if not figures:
                continue
            ends = Told(told_by.dev_eui, self._site.begin_s(day + timedelta(days=1)))
            told = [self._reading(ends, name, value) for name, value in figures.items()]
        return told

    # --- what is measured -------------------------------------------------------------------

    def _note(self, rank: int, reading: Reading, day: date, hour: int) -> None:
        notes = self._days.get(day)
        if notes is None:
            notes = self._days[day] = FieldDay()
        course = COURSES.get(reading.channel)
        if course is not None:
            quantity, unit, low, high = course
            value = figure(reading)
            if value is not None and reading.unit == unit and low <= value <= high:
                notes.add(quantity, rank, hour, value)
        elif reading.channel.startswith(_MOISTURE):
            value = figure(reading)
            if value is not None and reading.unit == "%" and 0 < value <= 100:  # noqa: PLR2004
                notes.moisture[rank, str(reading.channel)] = value
        elif (rain := self._gauges.rain_mm(rank, reading)) is not None:
            notes.rain_mm[rank] = notes.rain_mm.get(rank, 0.0) + rain
        elif (water := self._gauges.irrigation_mm(rank, reading)) is not None:
            notes.irrigation_mm += water

    # --- what follows from a day ------------------------------------------------------------

    def _close(self, day: date) -> dict[str, float | str]:
        notes = self._days.pop(day)
        self._closed = day
        figures: dict[str, float | str] = {}
        try:
            figures |= self._growth(day, notes)
            figures |= self._water(day, notes, figures)
        except BadInput:
            pass  # what nature does not allow is believed of no sensor: the day stays as it is
        return figures

    def _growth(self, day: date, notes: FieldDay) -> Mapping[str, float | str]:
        figures: dict[str, float | str] = {}
        air = notes.course("air")
        if air is None or self._crop is None:
            return figures
        crop = self._crop
        if crop.chills:
            chill = math.fsum(chill_hour(mean) for mean in air.means())
            figures["chillHours"] = self._add("chillHours", self._site.chill_begin(day), chill)
        begin = self._config.planted or self._site.season_begin(day)
        if day < begin:
            return figures
        today = crop.degree_days(air.lowest, air.highest)
        self._paces["gddDay"].append(as_told(today))
        total = self._add("gdd", begin, today, first=self._config.gdd_before)
        figures |= {"gddDay": today, "gdd": total}
        if stage := crop.stage(total):
            figures["stage"] = stage
        ahead, pace = crop.next_stage(total), self._pace("gddDay") or 0.0
        if ahead is not None:
            days = ahead[1] / pace if pace > _LEAST_PACE else MOST_DAYS
            figures |= {"nextStage": ahead[0], "nextStageDays": min(days, MOST_DAYS)}
        elif crop.stages:
            figures |= {"nextStage": "none", "nextStageDays": 0.0}
        return figures

    def _water(
        self, day: date, notes: FieldDay, growth: Mapping[str, float | str]
    ) -> Mapping[str, float | str]:
        figures: dict[str, float | str] = {}
        et0 = reference_mm(day, notes, self._site, self._wind_height_m)
        if et0 is not None:
            figures["et0"] = et0
            figures["cropEt"] = et0 * self._coefficient(day, growth)
            self._paces["cropEt"].append(as_told(float(figures["cropEt"])))
        rain = notes.rain()
        if rain is not None:
            figures["rain"] = rain
        pace = self._pace("cropEt")
        if self._soil is None or pace is None:
            return figures
        crop = self._crop or crops()["grass"]
        root_m = self._config.root_depth or crop.root_m
        zone = root_zone(self._soil, root_m, crop.depletion, min(pace, 30.0))
        crop_mm = float(figures.get("cropEt", pace))
        depletion = self._deplete(zone, self._soil, root_m, notes, crop_mm)
        if depletion is None:
            return figures
        self._depletion = as_told(depletion)
        advice = advise(zone, depletion, pace, self._config.efficiency)
        if not self._grows(day):
            advice = Advice(0.0, None, "idle")
        days = MOST_DAYS if advice.in_days is None else min(advice.in_days, MOST_DAYS)
        figures |= {
            "depletion": depletion, "readyWater": zone.ready_mm, "stress": zone.stress(depletion),
            "irrigation": advice.apply_mm, "irrigationReason": advice.reason,
            "irrigationDays": days,
        }  # fmt: skip
        if self._config.irrigation_mm_h:
            figures["irrigationHours"] = advice.apply_mm / self._config.irrigation_mm_h
        return figures

    def _coefficient(self, day: date, growth: Mapping[str, float | str]) -> float:
        if self._crop is None:
            return 1.0
        if self._config.planted is not None and day < self._config.planted:
            return self._crop.kc[0]
        _, total = self._sums.get("gdd", (day, 0.0))
        return self._crop.coefficient(float(growth.get("gdd", total)))

    def _grows(self, day: date) -> bool:
        """Tell whether anything stands there that wants water: not before planting, nor ripe."""
        if self._crop is None:
            return True
        if self._config.planted is not None and day < self._config.planted:
            return False
        return not self._crop.ripe(self._sums.get("gdd", (day, 0.0))[1])

    def _deplete(
        self, zone: RootZone, soil: Soil, root_m: float, notes: FieldDay, crop_mm: float
    ) -> float | None:
        """Return what the probes say, else the balance where rain and irrigation are measured."""
        moisture = notes.water()
        if moisture is not None:
            return depletion_of(soil, moisture / 100, root_m)
        rain = notes.rain()
        if rain is None or not self._gauges.measures_irrigation:
            return None
        before = min(self._depletion or 0.0, zone.total_mm)
        return next_depletion(
            zone, before, crop_mm=crop_mm, rain_mm=rain, irrigation_mm=notes.irrigation_mm
        )

    # --- what lasts -------------------------------------------------------------------------

    def _add(self, name: str, begin: date, amount: float, first: float = 0.0) -> float:
        """Add to a sum of the season; a new season begins with nothing."""
        season, total = self._sums.get(name, (begin, first))
        total = as_told(amount + (total if season == begin else 0.0))
        self._sums[name] = (begin, total)
        return total

    def _pace(self, name: str) -> float | None:
        days = self._paces[name]
        return math.fsum(days) / len(days) if days else None

    def _remember(self, reading: Reading) -> None:
        name = reading.channel.removeprefix(f"field.{self.slug}.")
        value = figure(reading)
        if name == reading.channel:
            return
        day = (self._site.local(reading.time_s) - timedelta(hours=1)).date()
        if self._closed is None or day > self._closed:
            self._closed = day
            for past in [one for one in self._days if one <= day]:
                del self._days[past]
        if value is None:
            return
        if name in self._paces:
            self._paces[name].append(value)
        elif name == "depletion":
            self._depletion = value
        elif name == "chillHours":
            self._sums[name] = (self._site.chill_begin(day), value)
        elif name == "gdd":
            begin = self._config.planted or self._site.season_begin(day)
            if day >= begin:
                self._sums[name] = (begin, value)

    def _reading(self, ends: Told, name: str, value: float | str) -> Reading:
        channel = f"field.{self.slug}.{name}"
        if isinstance(value, str):
            return ends.word(channel, value, name)
        return ends.number(channel, value, _UNITS.get(name, ""), name)


_UNITS = {
    "et0": "mm", "cropEt": "mm", "rain": "mm", "depletion": "mm", "readyWater": "mm",
    "irrigation": "mm", "gdd": "°C·d", "gddDay": "°C·d", "chillHours": "h", "nextStageDays": "d",
    "irrigationDays": "d", "irrigationHours": "h",
}  # fmt: skip


def fields_of(agronomy: AgronomyConfig, site: Site) -> Iterator[FieldSeason]:
    """Yield the configured fields.

    Raises
    ------
    ConfigError
        A crop or soil is not known, or two fields have one name.

    """
    seen: set[str] = set()
    for config in agronomy.field:
        made = FieldSeason(config, agronomy, site)
        if made.slug in seen:
            raise ConfigError(
                f"agronomy.field.name = {config.name!r}: another field is called so; "
                "channels need names that differ in letters or digits."
            )
        seen.add(made.slug)
        yield made


def _crop(config: FieldConfig) -> Crop | None:
    if not config.crop:
        return None
    found = crops().get(config.crop)
    if found is None:
        raise ConfigError(
            f"agronomy.field.crop = {config.crop!r} is not known; known: {', '.join(crops())}."
        )
    return found


def _soil(config: FieldConfig) -> Soil | None:
    if config.field_capacity is not None and config.wilting_point is not None:
        return Soil(config.field_capacity / 100, config.wilting_point / 100)
    if not config.soil:
        return None
    found = SOILS.get(config.soil.lower())
    if found is None:
        raise ConfigError(
            f"agronomy.field.soil = {config.soil!r} is not known; known: {', '.join(SOILS)}."
        )
    return found
