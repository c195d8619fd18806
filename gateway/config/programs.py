"""`[programs.NAME]`: irrigation by the clock and the soil; `[groups.NAME]`: many at once."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from gateway.config.section import Seconds, Section

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,31}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
MonthDay = Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DeviceName = Annotated[str, Field(min_length=1, max_length=64)]
Positive = Annotated[float, Field(gt=0)]


class ValveConfig(Section):
    """`[[programs.NAME.valve]]`: one valve (DevEUI or name) and how much it is to bring.

    `open` and `close` name its commands; without `close` it is the one that ends `open`, or the
    device's only one that closes and needs no keys. One amount here goes before the program's.
    """

    device: DeviceName
    open: str = "open"
    close: str = ""
    minutes: Positive | None = None
    litres: Positive | None = None
    mm: Positive | None = None
    area_m2: Positive | None = None

    @model_validator(mode="after")
    def _one_amount(self) -> ValveConfig:
        if sum(one is not None for one in (self.minutes, self.litres, self.mm)) > 1:
            raise ValueError("give one of `minutes`, `litres` and `mm`")
        return self


class PumpConfig(Section):
    """`[programs.NAME.pump]`: starts when a valve is open, stops `stop_before_s` before it does."""

    device: DeviceName
    start: str = "start"
    stop: str = ""
    stop_before_s: Annotated[float, Field(ge=0)] = 15.0


class ProgramConditionConfig(Section):
    """One thing that is looked at: a channel of a device (DevEUI or name), and its limit.

    `kind` says what it is about and which channel, span and limit are usual for that; each may be
    given. `over` is the `newest` reading, the `sum`, `mean`, `highest` or `lowest` of the last
    `hours`, or likewise of the device's forecast for the next `hours` (its middle). A newest
    reading that is older than `max_age_h` says nothing. `unknown` is what then holds.
    """

    kind: Literal["rained", "rain_expected", "wet", "dry", "deficit", "frost", "wind", "value"]
    device: DeviceName
    channel: str = ""
    over: Literal[
        "", "newest", "sum", "mean", "highest", "lowest",
        "forecast_sum", "forecast_highest", "forecast_lowest",
    ] = ""  # fmt: skip
    hours: Positive | None = None
    above: float | None = None
    below: float | None = None
    max_age_h: Positive = 24.0
    unknown: Literal["no", "yes"] = "no"

    @model_validator(mode="after")
    def _has_limit(self) -> ProgramConditionConfig:
        if self.above is not None and self.below is not None:
            raise ValueError("give `above` or `below`, not both")
        if self.kind == "value" and not (self.channel and (self.above, self.below) != (None, None)):
            raise ValueError('kind = "value" needs `channel`, and `above` or `below`')
        if self.kind == "deficit" and not self.channel:
            raise ValueError('kind = "deficit" needs `channel`, such as field.north.irrigation')
        return self


class ProgramConfig(Section):
    """`[programs.NAME]`: which valves open when, for how much, and what keeps them shut.

    It starts at each time of `start`, `sunrise_min` minutes from sunrise (negative: before), or as
    soon as all of `start_when` holds between `earliest` and `latest`, once a day. A start outside
    of `earliest` and `latest` is left out. Times are local, of `time_zone` ("": that of
    [downlink]). `every_days` counts from `from_day`. A start that was missed is made up for within
    `tolerance_s` and not later.
    """

    enabled: bool = True
    valve: Annotated[tuple[ValveConfig, ...], Field(min_length=1, max_length=64)]
    together: bool = False
    pump: PumpConfig | None = None
    days: tuple[Weekday, ...] = ()
    dates: Literal["", "odd", "even"] = ""
    every_days: Annotated[int, Field(ge=1, le=366)] = 1
    from_day: date = date(2024, 1, 1)
    season_begin: MonthDay | Literal[""] = ""
    season_end: MonthDay | Literal[""] = ""
    start: tuple[TimeOfDay, ...] = ()
    sunrise_min: Annotated[int, Field(ge=-720, le=720)] | None = None
    earliest: TimeOfDay | Literal[""] = ""
    latest: TimeOfDay | Literal[""] = ""
    start_when: tuple[ProgramConditionConfig, ...] = ()
    skip_when: tuple[ProgramConditionConfig, ...] = ()
    minutes: Positive | None = None
    litres: Positive | None = None
    mm: Positive | None = None
    deficit_device: str = ""
    deficit_channel: str = ""
    area_m2: Positive | None = None
    max_minutes: Positive = 120.0
    min_minutes: Annotated[float, Field(ge=0)] = 0.0
    pause_s: Annotated[float, Field(ge=0, le=86400)] = 0.0
    tolerance_s: Annotated[float, Field(ge=30, le=86400)] = 600.0
    expiry_s: Seconds = 900.0
    time_zone: str = ""

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            if name:
                ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no time zone, such as Europe/Berlin") from None
        return name

    @model_validator(mode="after")
    def _consistent(self) -> ProgramConfig:
        if (self.season_begin == "") != (self.season_end == ""):
            raise ValueError("`season_begin` and `season_end` go together")
        if not (self.start or self.sunrise_min is not None or self.start_when):
            raise ValueError("it never starts: give `start`, `sunrise_min` or `start_when`")
        if self.start_when and (self.start or self.sunrise_min is not None):
            raise ValueError("`start_when` goes without `start` and `sunrise_min`")
        if self.start_when and not (self.earliest and self.latest):
            raise ValueError("`start_when` needs `earliest` and `latest`")
        amounts = (self.minutes, self.litres, self.mm, self.deficit_channel or None)
        if sum(one is not None for one in amounts) > 1:
            raise ValueError("give one of `minutes`, `litres`, `mm` and `deficit_channel`")
        if bool(self.deficit_channel) != bool(self.deficit_device):
            raise ValueError("`deficit_channel` and `deficit_device` go together")
        self._has_amounts()
        return self

    def _has_amounts(self) -> None:
        usual = self.minutes or self.litres or self.mm or self.deficit_channel
        for valve in self.valve:
            own = valve.minutes or valve.litres or valve.mm
            if not (own or usual):
                raise ValueError(f"valve {valve.device!r}: say how much, such as `minutes`")
            by_area = valve.mm or (not own and (self.mm or self.deficit_channel))
            if by_area and not (valve.area_m2 or self.area_m2):
                raise ValueError(f"valve {valve.device!r}: mm need the `area_m2` they fall on")


class GroupConfig(Section):
    """`[groups.NAME]`: devices that are commanded at once.

    Its members are those of `devices` (DevEUIs or names) and, of all that were heard, those with a
    `profile` of that name or a `tag` ("key" or "key=value"). Their commands go `spacing_s` apart.
    With `multicast_group_id`, ChirpStack's id of a multicast group of the same devices, what opens,
    starts, closes and stops nothing goes to all in one frame, which no device can acknowledge.
    """

    devices: tuple[DeviceName, ...] = ()
    profile: str = ""
    tag: str = ""
    spacing_s: Annotated[float, Field(ge=0, le=3600)] = 5.0
    multicast_group_id: Annotated[str, Field(pattern=r"^$|^[0-9a-fA-F-]{36}$")] = ""

    @model_validator(mode="after")
    def _has_members(self) -> GroupConfig:
        if not (self.devices or self.profile or self.tag):
            raise ValueError("it has no members: give `devices`, `profile` or `tag`")
        return self
