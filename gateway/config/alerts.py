"""`[alerts]`: limits, silence, links."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gateway.config.section import Seconds, Section


class ThresholdConfig(Section):
    """`[[alerts.threshold]]`: a limit of the user's own, with hysteresis.

    Fires when the channel's value has been below `below` (or above `above`) for `for_s`; ends when
    it has come back by `hysteresis`. `devices` and `profiles` narrow it; empty means all.
    """

    name: Annotated[str, Field(min_length=1, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    channel: Annotated[str, Field(min_length=1)]
    below: float | None = None
    above: float | None = None
    hysteresis: Annotated[float, Field(ge=0)] = 0.0
    for_s: Annotated[float, Field(ge=0)] = 0.0
    severity: Literal["info", "warning", "critical"] = "warning"
    kind: str = "threshold"
    title: str = ""
    advice: str = ""
    devices: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_side(self) -> ThresholdConfig:
        if (self.below is None) == (self.above is None):
            raise ValueError("give exactly one of `below` and `above`")
        return self


class SilenceConfig(Section):
    """`[alerts.silence]`: when a device that has gone quiet is reported.

    The limit is learned from each device's own intervals; it is never shorter than `min_s` nor
    longer than `max_s`.
    """

    enabled: bool = True
    min_s: Seconds = 600.0
    max_s: Seconds = 172800.0
    intervals: Annotated[float, Field(ge=2)] = 4.0


class LinkAlertConfig(Section):
    """`[alerts.link]`: when a device that is heard badly is reported.

    `loss_percent` of its messages are surely lost (half of it, where it usually loses few), or it
    loses some and its margin is below `margin_db`, or its signal has fallen by `fall_db`; for
    `for_s` without a break.
    """

    enabled: bool = True
    loss_percent: Annotated[float, Field(gt=0, lt=100)] = 20.0
    margin_db: Annotated[float, Field(ge=0, le=30)] = 3.0
    fall_db: Annotated[float, Field(ge=3, le=60)] = 10.0
    for_s: Annotated[float, Field(ge=0)] = 21600.0


class BatteryAlertConfig(Section):
    """`[alerts.battery]`: when a battery that declines is reported.

    A voltage is low at `floor_share` of the highest day it had, a charge at `floor_percent`; told
    from `warn_days` before that on.
    """

    enabled: bool = True
    floor_share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    floor_percent: Annotated[float, Field(ge=0, lt=100)] = 10.0
    warn_days: Annotated[float, Field(gt=0, le=3650)] = 60.0


class AlertsConfig(Section):
    """`[alerts]`.

    More than `per_week` alerts in any seven days go into the digest, told once a day at
    `digest_at` (local time); never critical ones, nor limits of the user's own. 0 tells all. What
    false alarms changed is taken back after `false_alarm_days`.
    """

    per_week: Annotated[int, Field(ge=0, le=10000)] = 21
    digest_at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "07:00"
    false_alarm_days: Annotated[float, Field(gt=0, le=3650)] = 60.0
    silence: SilenceConfig = SilenceConfig()
    link: LinkAlertConfig = LinkAlertConfig()
    battery: BatteryAlertConfig = BatteryAlertConfig()
    threshold: tuple[ThresholdConfig, ...] = ()
    late_after_s: Seconds = 3600.0
    rules_folder: Path = Path("/etc/lora-gateway/rules")

    @field_validator("threshold")
    @classmethod
    def _unique(cls, rules: tuple[ThresholdConfig, ...]) -> tuple[ThresholdConfig, ...]:
        names = [rule.name for rule in rules]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"threshold names must be unique; twice: {', '.join(sorted(twice))}")
        return rules
