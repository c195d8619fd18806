"""`[agronomy]`: where the site is, its fields and trends."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from gateway.config.section import Section


class FieldConfig(Section):
    """`[[agronomy.field]]`: one crop on one soil, and the devices that know of it.

    `devices` are DevEUIs or names; the day's figures are told by the first. `planted` is the day of
    sowing or planting, without it the season begins at New Year (1 July in the south). Soil by its
    type, or by its water contents in % of volume. Irrigation is measured by meters over `area_ha`,
    or by valves that bring `irrigation_mm_h`.
    """

    name: Annotated[str, Field(min_length=1, max_length=60)]
    devices: Annotated[tuple[str, ...], Field(min_length=1)]
    crop: str = ""
    planted: date | None = None
    gdd_before: Annotated[float, Field(ge=0)] = 0.0
    soil: str = ""
    field_capacity: Annotated[float, Field(gt=0, le=100)] | None = None
    wilting_point: Annotated[float, Field(ge=0, lt=100)] | None = None
    root_depth: Annotated[float, Field(gt=0, le=5)] | None = None
    efficiency: Annotated[float, Field(ge=0.1, le=1)] = 0.75
    area_ha: Annotated[float, Field(gt=0)] | None = None
    irrigation_mm_h: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _soil(self) -> FieldConfig:
        if (self.field_capacity is None) != (self.wilting_point is None):
            raise ValueError("`field_capacity` and `wilting_point` go together")
        if (self.field_capacity or 100.0) <= (self.wilting_point or 0.0):
            raise ValueError("`field_capacity` must be greater than `wilting_point`")
        return self


class TrendConfig(Section):
    """`[[agronomy.trend]]`: one channel of one device (DevEUI or name), its trend over `days`.

    With a `limit` it is told in how many days the trend meets it.
    """

    device: Annotated[str, Field(min_length=1)]
    channel: Annotated[str, Field(min_length=1, max_length=64)]
    limit: float | None = None
    days: Annotated[int, Field(ge=8, le=366)] = 30


class AgronomyConfig(Section):
    """`[agronomy]`: what is derived from readings, and where the place lies.

    `rain_amount` says what a reading of `rain.amount` counts: what fell since the one before
    (`interval`), in the last hour, or since midnight (`day`).
    """

    enabled: bool = True
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    elevation_m: Annotated[float, Field(ge=-450, le=8000)] = 0.0
    time_zone: str = ""
    wind_height_m: Annotated[float, Field(ge=0.5, le=200)] = 2.0
    rain_amount: Literal["interval", "hour", "day"] = "interval"
    frost_below: Annotated[float, Field(ge=-20, le=10)] = 0.0
    air_quality: tuple[Literal["epa", "europe", "china"], ...] = ("epa", "europe", "china")
    field: tuple[FieldConfig, ...] = ()
    trend: tuple[TrendConfig, ...] = ()

    @model_validator(mode="after")
    def _place(self) -> AgronomyConfig:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("`latitude` and `longitude` go together")
        return self

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            if name:
                ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"{name!r} is no time zone known here; write one such as Europe/Berlin"
            ) from None
        return name
