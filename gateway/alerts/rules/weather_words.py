"""What is said of a front, a cold wave or heat, in the grower's words."""

from __future__ import annotations

from gateway.alerts.rules.fortnight import Floats
from gateway.alerts.rules.fronts import COLD, FRONT, HEAT, Finding
from gateway.speech import difference, duration, figure, interval, phrase, say

_DEGREES = "°C"
_ADVICE = {
    FRONT: phrase("Shut or cover what is tender, and look at what the coming night brings."),
    COLD: phrase("Cover or bring in what is tender, shut the vents, have heating and frost "
                 "irrigation ready, and drain what could freeze."),
    HEAT: phrase("Shade and air, irrigate early in the morning, and see that animals have water "
                 "and shade."),
}  # fmt: skip


def title_of(finding: Finding, place: str, count: int) -> str:
    """Return the title of what `count` devices of a place show."""
    size, time = difference(round(finding.size_c, 1), _DEGREES), duration(finding.over_h * 3600.0)
    if finding.kind == FRONT:
        if count == 1:
            return say("{name}: a front, air temperature fell by {size} within {time}",
                       name=place, size=size, time=time)  # fmt: skip
        return say("{place}: a front, air temperature fell by {size} within {time} at {count} "
                   "devices", place=place, size=size, time=time, count=count)  # fmt: skip
    if finding.kind == COLD:
        if count == 1:
            return say("{name}: a cold wave, the lowest temperature is down by {size} in {time}",
                       name=place, size=size, time=time)  # fmt: skip
        return say("{place}: a cold wave, the lowest temperature is down by {size} in {time} at "
                   "{count} devices", place=place, size=size, time=time, count=count)  # fmt: skip
    if count == 1:
        return say("{name}: heat, {size} hotter than the days of the last two weeks",
                   name=place, size=size)  # fmt: skip
    return say("{place}: heat, {size} hotter than the days of the last two weeks at {count} "
               "devices", place=place, size=size, count=count)  # fmt: skip


def advice_of(kind: str) -> str:
    """Return what to do."""
    return say(_ADVICE[kind])


def evidence_of(finding: Finding, air: Floats) -> tuple[str, ...]:
    """Return what the finding stands on: the days before, and the devices now."""
    low, _, high = finding.usual
    days = finding.days
    if finding.kind == FRONT:
        said = say("In the same hours of the last {days} days it changed by {low} to {high}.",
                   days=days, low=difference(round(low, 1)),
                   high=difference(round(high, 1), _DEGREES))  # fmt: skip
    elif finding.kind == COLD:
        said = say("The lowest of the last {days} days were {range}.",
                   days=days, range=interval(round(low, 1), round(high, 1), _DEGREES))  # fmt: skip
    else:
        said = say("The highest of the last {days} days were {range}.",
                   days=days, range=interval(round(low, 1), round(high, 1), _DEGREES))  # fmt: skip
    newest = air[:, -1]
    now = say("They read {low} to {high}.", low=figure(round(float(newest.min()), 1)),
              high=figure(round(float(newest.max()), 1), _DEGREES))  # fmt: skip
    return (said, now) if len(newest) > 1 else (said,)
