"""What keeps a program from starting, or starts it: conditions on readings and forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.config import ProgramConditionConfig
from gateway.speech import say
from gateway.types import DevEui


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure that conditions ask for, in its channel's unit, and when it was so."""

    value: float
    unit: str
    time_s: float


class Weather(Protocol):
    """Where figures come from: the gateway's own readings, or a simulation's file."""

    def fact(
        self, dev_eui: DevEui, channel: str, over: str, hours: float, now_s: float
    ) -> Fact | None:
        """Return a figure, None where nothing is known; `over` and `hours` as in the settings."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What a kind of condition looks at where the settings do not say."""

    channel: str
    over: str
    hours: float
    above: float | None = None
    below: float | None = None


USUAL = {
    "rained": Usual("rain.amount", "sum", 24.0, above=5.0),
    "rain_expected": Usual("rain.amount", "forecast_sum", 12.0, above=2.0),
    "wet": Usual("soil.moisture", "newest", 0.0, above=35.0),
    "dry": Usual("soil.moisture", "newest", 0.0, below=20.0),
    "deficit": Usual("", "newest", 0.0, above=5.0),
    "frost": Usual("frost.probability", "newest", 0.0, above=50.0),
    "wind": Usual("wind.speed", "newest", 0.0, above=6.0),
    "value": Usual("", "newest", 0.0),
}
"""Figures to begin with, which the field's own soil and crop should replace: a 5 mm rain covers a
summer day's evapotranspiration (FAO-56, chapter 1, table 2), sprinklers drift above some 6 m/s."""


@dataclass(frozen=True, slots=True)
class Found:
    """Whether a condition holds, and the sentence that says what it saw."""

    holds: bool
    said: str


def look(
    condition: ProgramConditionConfig, dev_eui: DevEui, weather: Weather, now_s: float, name: str
) -> Found:
    """Look at one condition; `name` is what its device is called."""
    usual = USUAL[condition.kind]
    channel = condition.channel or usual.channel
    over = condition.over or usual.over
    hours = condition.hours or usual.hours or 24.0
    fact = weather.fact(dev_eui, channel, over, hours, now_s)
    if fact is None:
        said = say("{channel} of {name} is not known.", channel=channel, name=name)
        return Found(condition.unknown == "yes", said)
    if over == "newest" and now_s - fact.time_s > condition.max_age_h * 3600.0:
        said = say(
            "{channel} of {name} is older than {hours} h.",
            channel=channel, name=name, hours=f"{condition.max_age_h:g}",
        )  # fmt: skip
        return Found(condition.unknown == "yes", said)
    return _judged(condition, usual, fact, _span(over, hours), channel)


def _judged(
    condition: ProgramConditionConfig, usual: Usual, fact: Fact, span: str, channel: str
) -> Found:
    given = (condition.above, condition.below)
    above, below = given if given != (None, None) else (usual.above, usual.below)
    facts = {"channel": channel, "span": span, "value": f"{fact.value:.4g} {fact.unit}".strip()}
    if above is not None:
        if fact.value > above:
            return Found(True, say("{channel}{span} is {value}, above {limit}.", **facts,
                                   limit=f"{above:g}"))  # fmt: skip
        return Found(False, say("{channel}{span} is {value}, not above {limit}.", **facts,
                                limit=f"{above:g}"))  # fmt: skip
    limit = 0.0 if below is None else below
    if fact.value < limit:
        return Found(True, say("{channel}{span} is {value}, below {limit}.", **facts,
                               limit=f"{limit:g}"))  # fmt: skip
    return Found(False, say("{channel}{span} is {value}, not below {limit}.", **facts,
                            limit=f"{limit:g}"))  # fmt: skip


def _span(over: str, hours: float) -> str:
    if over == "newest":
        return ""
    if over.startswith("forecast_"):
        what = over.removeprefix("forecast_")
        return say(", {over} expected in {hours} h,", over=what, hours=f"{hours:g}")
    return say(", {over} of {hours} h,", over=over, hours=f"{hours:g}")


def any_holds(found: Sequence[Found]) -> Found | None:
    """Return the first that holds, None where none does."""
    return next((one for one in found if one.holds), None)
