"""From a pattern on a channel to what is wrong, why, and what to do: one table of cases.

The kinds of DESIGN are used where they fit; two are added: `dry` (soil drier than expected) and
`pump` (a motor draws more than usual). A lasting offset without a better name is a `drift` of
unknown cause, because one device alone cannot tell a heat wave from a bad probe.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.alerts.families import Family, family_of
from gateway.speech import phrase, say, words_of
from gateway.types import Channel, Severity

_LASTING = frozenset({"rise", "fall", "level", "drift"})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an alert says. `text` follows the device's name in the title."""

    kind: str
    cause: str
    severity: Severity
    text: str
    advice: str


def group_of(channel: Channel) -> str:
    """Return which alert of a device a channel belongs to: its radio, its battery, the rest."""
    family = family_of(channel)
    return family.value if family in (Family.LINK, Family.BATTERY) else "sensor"


def direction(pattern: str, observed: float, expected: tuple[float, float, float] | None
              ) -> bool | None:  # fmt: skip
    """Say whether the value is above what was expected; None when nobody can tell."""
    if pattern in ("rise", "fall"):
        return pattern == "rise"
    if expected is None or observed == expected[1]:
        return None
    return observed > expected[1]


def diagnose(channel: Channel, pattern: str, *, up: bool | None, valve: str = "") -> Diagnosis:
    """Name what is wrong. `valve` is the one valve that waters the place, "" when unknown."""
    family, words = family_of(channel), words_of(channel)
    if family in (Family.LINK, Family.BATTERY):
        return _of_the_device(family, words, up=up)
    if pattern in _LASTING and up is not None:
        found = _of_water(family, pattern, up=up, valve=valve)
        if found is not None:
            return found
    return _of_the_pattern(pattern, words, up=up)


def _of_the_device(family: Family, words: str, *, up: bool | None) -> Diagnosis:
    if family is Family.BATTERY:
        advice = say("Check the battery and have a new one ready.")
        if up:
            text = say("{channel} is unusual", channel=words)
            return Diagnosis("battery", "sensor", Severity.INFO, text, advice)
        text = say("{channel} is lower than usual", channel=words)
        return Diagnosis("battery", "sensor", Severity.WARNING, text, advice)
    return Diagnosis("link", "network", Severity.INFO, say("{channel} is unusual", channel=words),
                     say("Check the antenna and whether something new stands in the way.")
                     )  # fmt: skip


def _of_water(family: Family, pattern: str, *, up: bool, valve: str) -> Diagnosis | None:
    if family is Family.MOISTURE and up:
        return _wet(pattern, valve)
    loses = (family is Family.WATER_LEVEL and not up) or (family is Family.DISTANCE and up)
    if loses:
        return Diagnosis("leak", "actuator", Severity.WARNING,
                         say("water falling faster than usual with nothing running"),
                         say("Check the tank, its outlet and the pipes for a leak."))  # fmt: skip
    if family is Family.FLOW and up:
        return Diagnosis("leak", "actuator", Severity.WARNING, say("more flow than usual"),
                         say("Check for a burst pipe or a valve that did not close.")
                         )  # fmt: skip
    if family is Family.MOISTURE and not up and pattern != "drift":
        return Diagnosis("dry", "environment", Severity.WARNING, say("soil drier than expected"),
                         say("See whether a watering was missed."))  # fmt: skip
    if family is Family.CURRENT and up:
        return Diagnosis("pump", "actuator", Severity.WARNING,
                         say("drawing more current than usual"),
                         say("Check the pump and its filter for a blockage."))  # fmt: skip
    return None


def _wet(pattern: str, valve: str) -> Diagnosis:
    if pattern == "level":
        text = say("moisture higher than expected with no rain or irrigation")
    else:
        text = say("moisture rising with no rain or irrigation")
    advice = (
        say("Check {valve}.", valve=valve)
        if valve
        else say("Check the valves and pipes that water this place.")
    )
    return Diagnosis("leak", "actuator", Severity.WARNING, text, advice)


_SENSOR_FAULTS = {
    "stuck": (Severity.WARNING, phrase("{channel} does not change any more"),
              phrase("Check the probe and its cable, then restart the device.")),
    "spike": (Severity.INFO, phrase("{channel} jumped for a moment"),
              phrase("Nothing to do unless it comes back; then check the cable.")),
    "noise": (Severity.WARNING, phrase("{channel} is much noisier than usual"),
              phrase("Check the cable, the connectors and moisture in the housing.")),
    "drift": (Severity.WARNING, phrase("{channel} drifts away"),
              phrase("Compare with a hand measurement; clean or replace the probe.")),
}  # fmt: skip
_UNEXPECTED = {
    True: phrase("{channel} is higher than expected"),
    False: phrase("{channel} is lower than expected"),
    None: phrase("{channel} is not as expected"),
}


def _of_the_pattern(pattern: str, words: str, *, up: bool | None) -> Diagnosis:
    if pattern in _SENSOR_FAULTS:
        severity, text, advice = _SENSOR_FAULTS[pattern]
        return Diagnosis(pattern, "sensor", severity, say(text, channel=words), say(advice))
    return Diagnosis("drift", "unknown", Severity.WARNING, say(_UNEXPECTED[up], channel=words),
                     say("Look at the place and compare with a hand measurement."))  # fmt: skip
