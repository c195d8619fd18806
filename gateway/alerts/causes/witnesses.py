"""What the neighbours say of one alert: whether they show it too, and so whose fault it is.

A neighbour predicts a channel by its own newest value less the usual difference of the two. It can
testify when it was heard after the trouble began and usually agrees much more closely than the
trouble is large.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.alerts.causes.hours import HOUR_S, Series
from gateway.alerts.causes.likeness import SPIKE, UP, way_of, ways_of
from gateway.alerts.causes.neighbours import Neighbours
from gateway.speech import figure, say
from gateway.types import Alert, Reason

_FRESH_S = 7200.0
_LIKEWISE = 0.5
_CALM = 0.25
_SHARP = 2.0
"""How many usual spreads the trouble must be for a neighbour to tell."""

_FAR = 4.0
"""How many usual spreads from where its neighbours put it a channel has left them behind."""

_ENOUGH = 2


@dataclass(frozen=True, slots=True)
class Testimony:
    """What was found: `evidence` in sentences, `cause` "" where the neighbours cannot tell."""

    cause: str = ""
    evidence: tuple[str, ...] = ()


def hear(alert: Alert, neighbours: Neighbours, now_s: float) -> Testimony:
    """Ask the neighbours about an alert's first channel."""
    way = way_of(alert.reason[0]) if alert.reason else None
    asked_of = alert.kind == SPIKE or way in ways_of(alert)
    if way is None or not asked_of:
        return Testimony()
    reason = alert.reason[0]
    likewise, calm, shown = _ask(alert, neighbours, now_s) if _shift(reason) else (0, 0, [])
    asked = likewise + calm
    if not asked or not shown:
        return _left_alone(alert, neighbours, now_s)
    evidence = [_count(likewise, asked, up=way[1] == UP), _range(shown, reason.unit)]
    if likewise >= _ENOUGH and 2 * likewise >= asked:
        return Testimony("environment", tuple(evidence))
    if not likewise and calm >= _ENOUGH:
        return Testimony("sensor", tuple(evidence))
    return Testimony("", tuple(evidence))


def _left_alone(alert: Alert, neighbours: Neighbours, now_s: float) -> Testimony:
    """Ask whether a channel has left its neighbours behind, whatever was expected of it.

    A slow fault takes what is expected along; the neighbours stay where they were.
    """
    reason = alert.reason[0]
    if isinstance(reason.observed, str):
        return Testimony()
    beside, off, shown = 0, 0, []
    series = neighbours.hours.of(reason.channel)
    for one in neighbours.witnesses(alert.dev_eui, reason.channel, alert.first_seen_s):
        newest = series[one.dev_eui]
        if newest.newest_s < alert.first_seen_s or now_s - newest.newest_s > _FRESH_S:
            continue
        away = abs(float(reason.observed) - (newest.newest - one.likeness.offset))
        off += away > _FAR * one.likeness.spread
        beside += away <= _SHARP * one.likeness.spread
        shown.append(newest.newest)
    if off < _ENOUGH or beside:
        return Testimony()
    return Testimony("sensor", (_count(0, off, up=True), _range(shown, reason.unit)))


def _shift(reason: Reason) -> float:
    """Return by how much a channel left what was expected of it, 0 when that is not known."""
    if reason.expected is None or isinstance(reason.observed, str):
        return 0.0
    return float(reason.observed) - reason.expected[1]


def _ask(alert: Alert, neighbours: Neighbours, now_s: float) -> tuple[int, int, list[float]]:
    """Return how many show it, how many do not, and what they all read."""
    reason = alert.reason[0]
    shift = _shift(reason)
    middle = float(reason.observed) - shift
    likewise, calm, shown = 0, 0, []
    series = neighbours.hours.of(reason.channel)
    for one in neighbours.witnesses(alert.dev_eui, reason.channel, alert.first_seen_s):
        newest = series[one.dev_eui]
        late = newest.newest_s < alert.first_seen_s or now_s - newest.newest_s > _FRESH_S
        if alert.kind == SPIKE and not _jumped(newest, shift):
            calm += not late
            continue
        if late or abs(shift) < _SHARP * one.likeness.spread:
            continue
        predicted = (newest.newest - one.likeness.offset - middle) / shift
        likewise += predicted >= _LIKEWISE
        calm += predicted < _CALM
        shown.append(newest.newest)
    return likewise, calm, shown


def _jumped(series: Series, shift: float) -> bool:
    """Say whether a neighbour has itself moved by half as much since the hour before.

    What comes back from a single wild value looks like a jump too, to where the others always were.
    """
    before = series.mean(int(series.newest_s // HOUR_S) - 1)
    return before is not None and (series.newest - before) / shift >= _LIKEWISE


def _count(likewise: int, asked: int, *, up: bool) -> str:
    if not likewise:
        return say("None of {count} neighbours shows it.", count=asked)
    if up:
        return say("{some} of {count} neighbours rose likewise.", some=likewise, count=asked)
    return say("{some} of {count} neighbours fell likewise.", some=likewise, count=asked)


def _range(shown: list[float], unit: str) -> str:
    low, high = figure(min(shown)), figure(max(shown), unit)
    return say("The neighbours show {low} to {high}.", low=low, high=high)
