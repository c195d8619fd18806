"""How often a device should measure: seldom while nothing happens, often while something does.

A channel may be left alone for as long as its forecast still says what it does: up to the first
step whose 80 % band is wider than what matters. What matters is a tenth of the range it is expected
to go through, and never less than twice what the sensor can tell apart. The most restless channel
decides; an open alert asks for more, a battery that runs out for less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.speech import duration, phrase, say, words_of
from gateway.types import QUANTILES, Channel, Forecast

ROUND_S = (60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0, 3600.0, 7200.0, 10800.0, 14400.0,
           21600.0, 43200.0, 86400.0)  # fmt: skip
"""Intervals as people set them."""

_TEXTS = {
    "alert": phrase("An alert is open: measure every {wanted} instead of every {now} until it is "
                    "over."),
    "battery": phrase("The battery runs out: every {wanted} instead of every {now} makes it last "
                      "longer."),
    "calm": phrase("Little happens: every {wanted} instead of every {now} tells as much and saves "
                   "battery."),
    "restless": phrase("{channel} changes too much between two messages: measure every {wanted} "
                       "instead of every {now}."),
}  # fmt: skip
_LOW, _HIGH = QUANTILES.index(0.1), QUANTILES.index(0.9)
_MATTERS = 0.1  # of the range that is expected
_RESOLUTIONS = 2.0
_WORTH = 1.9  # a change by less is not worth a command
_ALERT = 3.0
_SHORT_DAYS = 60.0
_SAVES = 2.0
_SLOWER = 8.0  # at most so many times slower at once: a calm day is not a calm year


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is advised: from `every_s` to `wanted_s`, and why: `case`, and which channel decides."""

    every_s: float
    wanted_s: float
    case: str
    channel: Channel

    @property
    def text(self) -> str:
        """That in words, in the language of the site."""
        now, wanted = duration(self.every_s), duration(self.wanted_s)
        words = words_of(self.channel)
        said = say(_TEXTS[self.case], wanted=wanted, now=now, channel=words)
        return said[:1].upper() + said[1:]


def holds_s(forecast: Forecast, resolution: float) -> float:
    """Return for how long a forecast says enough of its channel; longer than known is its end."""
    low, high = forecast.quantiles[:, _LOW], forecast.quantiles[:, _HIGH]
    width = (high - low) / 2
    matters = max(_MATTERS * float(high.max() - low.min()), _RESOLUTIONS * resolution)
    beyond = np.flatnonzero(width > matters)
    if beyond.size == 0:
        return float(forecast.step_s * len(width))
    first = int(beyond[0])
    if first == 0:
        return float(forecast.step_s * matters / width[0])
    return float(forecast.step_s * first)


def resolution_of(values: Sequence[float]) -> float:
    """Return the smallest step between values of one sensor, 0 when they are all alike."""
    steps = np.diff(np.unique(np.asarray(values, np.float64)))
    return float(steps.min()) if steps.size else 0.0


def advise_sampling(
    every_s: float,
    holds: Mapping[Channel, float],
    *,
    disturbed: bool,
    battery_days: float | None,
    least_s: float = ROUND_S[0],
    most_s: float = ROUND_S[-1],
) -> Sampling | None:
    """Return a better interval, None where the present one does or nothing is known.

    `holds` is how long each channel's forecast holds, `disturbed` whether an alert is open on what
    the device measures; the interval stays within `least_s` and `most_s`, which the device allows.
    """
    if not holds:
        return None
    channel, hold_s = min(holds.items(), key=lambda item: (item[1], item[0]))
    saves = battery_days is not None and battery_days < _SHORT_DAYS
    if disturbed:
        case, wanted_s = "alert", min(hold_s, every_s / _ALERT)
    elif saves:
        case, wanted_s = "battery", _SAVES * max(hold_s, every_s)
    else:
        case, wanted_s = ("calm" if hold_s > every_s else "restless"), hold_s
    wanted_s = _rounded(min(wanted_s, _SLOWER * every_s), least_s, most_s)
    if max(wanted_s / every_s, every_s / wanted_s) < _WORTH:
        return None
    if case in {"alert", "restless"} and wanted_s > every_s:
        return None  # the device cannot speak as often as it should
    return Sampling(every_s, wanted_s, case, channel)


def _rounded(wanted_s: float, least_s: float, most_s: float) -> float:
    """Return the longest round interval that is not longer, within what the device allows."""
    fits = [one for one in ROUND_S if one <= wanted_s]
    return min(max(fits[-1] if fits else ROUND_S[0], least_s), most_s)
