"""Slow drift: a channel that leaves what its neighbours imply, by days.

The difference of a channel to the median of its neighbours is averaged over whole days, so that
sun and shade at one place cancel. Days before the last three say what that difference usually is.
A channel has left its neighbours when

- the newest day is off by `ROOMS` of its quantity, by six standard deviations of the days before,
  and by more than any of them,
- it has gone the same way for two days, or the day before was off by half as much already,
- and three of four neighbours, each asked alone, say so: then it is not one of them that left.

Neighbours are the `WITNESSES` closest of those (`ASKED` at most, of its own area first) that went
with it in the week before the last three days: what is wrong now has no say in who they are.

Water in the soil is not asked: beds are watered apart, and dry apart (`wetting` looks at it).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.causes.likeness import BESIDE_RULE
from gateway.alerts.causes.neighbours import Neighbours, Place
from gateway.alerts.families import words_of
from gateway.alerts.rules.fortnight import DAY, HOUR_S, Floats, Fortnight
from gateway.speech import difference, moment, say
from gateway.types import Alert, AlertEvent, Channel, DevEui, DeviceInfo, Reading, Reason, Severity

DAYS = 14
WITNESSES, ASKED = 8, 32
ROOMS = {
    "air.temperature": 2.0,
    "soil.temperature": 2.0,
    "water.temperature": 2.0,
    "surface.temperature": 3.0,
    "air.relativeHumidity": 10.0,
    "air.pressure": 4.0,
    "air.co2": 160.0,
}
"""How far a day's mean may be off: four times what such sensors are usually sold as accurate to
(0.5 °C, 2.5 %, 1 hPa, 40 ppm)."""

_EVERY_H = 6
_NEWEST_DAYS = 3
_FEWEST_DAYS = 4
_FEWEST = 2
_FEWEST_HOURS = 2 * DAY
_WEEK_H = 7 * DAY
_GO_TOGETHER = 0.7
_SIGMAS = 6.0
_MAD = 1.4826
_FURTHER = 0.25
_LIKEWISE = 0.5
_AGREE = 0.75
_BEFORE = 0.5
_GROWS = 0.1
_PART_H, _PART_LEAST = 6, 3
_ACCEPTED_S = 14 * DAY * HOUR_S
_WELL = 0.5


@dataclass(frozen=True, slots=True)
class Departure:
    """How far a channel is from where its neighbours put it: the newest day's mean.

    `expected` are lowest, middle and highest of what they imply; `off` is signed. `since_h` counts
    back to when it was last where it should be. `gone` says that it has left them.
    """

    observed: float
    expected: tuple[float, float, float]
    off: float
    since_h: int
    neighbours: int
    gone: bool


def departure(one: Floats, others: Floats, floor: float) -> Departure | None:
    """Compare hourly means [DAYS * 24] with those of neighbours [n, DAYS * 24], the newest last.

    Returns None where too little is known.
    """
    apart = one - others
    beside = one - _median(others)
    days = _by_day(beside)
    before = days[:-_NEWEST_DAYS]
    known = before[np.isfinite(before)]
    if not np.isfinite(days[-1]) or known.size < _FEWEST_DAYS:
        return None
    usual = float(np.median(known))
    sigma = _MAD * float(np.median(np.abs(known - usual)))
    room, off = max(floor, _SIGMAS * sigma), float(days[-1]) - usual
    middle = float(np.nanmean(one[-DAY:])) - off
    furthest = float(np.abs(known - usual).max())
    far = abs(off) >= max(room, furthest + _FURTHER * floor)
    gone = far and _lasts(days - usual, off, floor) and _agreed(apart, off)
    return Departure(
        middle + off, (middle - room, middle, middle + room), off, _since(beside - usual, off),
        len(others), gone,
    )  # fmt: skip


def _median(others: Floats) -> Floats:
    """Return the neighbours' median in the hours in which two were heard."""
    heard = np.isfinite(others).sum(axis=0) >= _FEWEST
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an hour of silence is NaN
        return np.where(heard, np.nanmedian(others, axis=0), np.nan)


def _by_day(hours: Floats) -> Floats:
    """Return the mean of each day; NaN where a quarter of it is hardly known."""
    parts = hours.reshape(-1, DAY // _PART_H, _PART_H)
    heard = np.isfinite(parts)
    full = (heard.sum(axis=2) >= _PART_LEAST).all(axis=1)
    sums = np.where(heard, parts, 0.0).sum(axis=2)
    means = (sums / np.maximum(heard.sum(axis=2), 1)).mean(axis=1)
    return np.where(full, means, np.nan)


def _lasts(away: Floats, off: float, floor: float) -> bool:
    """Say whether the newest days went one way, or the last but one was off already."""
    third, second, first = (float(day) * np.sign(off) for day in away[-3:])
    grows = first - second >= _GROWS * floor and second - third >= _GROWS * floor
    return bool(grows or second >= _BEFORE * abs(off))


def _agreed(apart: Floats, off: float) -> bool:
    """Say whether most neighbours, each asked alone, see it leave."""
    votes = []
    for one in apart:
        days = _by_day(one)
        before = days[:-_NEWEST_DAYS]
        known = before[np.isfinite(before)]
        if np.isfinite(days[-1]) and known.size >= _FEWEST_DAYS:
            shift = float(days[-1]) - float(np.median(known))
            votes.append(shift / off >= _LIKEWISE)
    return len(votes) >= _FEWEST and sum(votes) >= _AGREE * len(votes)


def _since(away: Floats, off: float) -> int:
    """Return how many hours ago it last was, for a quarter of a day, where it should be."""
    parts = away.reshape(-1, _PART_H)
    heard = np.isfinite(parts)
    means = np.where(heard, parts, 0.0).sum(axis=1) / np.maximum(heard.sum(axis=1), 1)
    near = np.flatnonzero(heard.any(axis=1) & (means * np.sign(off) < _BEFORE / 2 * abs(off)))
    return int(len(parts) - 1 - near[-1]) * _PART_H if near.size else len(away)


def may_compare(here: Place, there: Place) -> bool:
    """Say whether two places may speak for each other: one site, and one depth."""
    sites, depths = {here.site, there.site} - {""}, {here.depth, there.depth} - {""}
    return len(sites) < 2 and len(depths) < 2  # noqa: PLR2004 - two names are two places


def companions(one: Floats, others: Mapping[DevEui, Floats]) -> tuple[DevEui, ...]:
    """Return who went with a channel, the closest first, by hourly means of the same hours."""
    found: list[tuple[float, DevEui]] = []
    for dev_eui, other in others.items():
        both = np.isfinite(one) & np.isfinite(other)
        if both.sum() < _FEWEST_HOURS:
            continue
        here, there = one[both], other[both]
        if min(here.std(), there.std()) > 0.0 and np.corrcoef(here, there)[0, 1] >= _GO_TOGETHER:
            found.append((float((here - there).std()), dev_eui))
    return tuple(dev_eui for _, dev_eui in sorted(found)[:WITNESSES])


@dataclass(slots=True)
class _Watch:
    """When a channel was last looked at, and its alert; who its neighbours are, and since when."""

    looked: int
    alert: Alert | None = None
    beside: tuple[DevEui, ...] = ()
    chosen: int = -DAY


class BesideRule:
    """Compares each channel with its neighbours four times a day, when it speaks."""

    def __init__(self, book: AlertBook, days: Fortnight, neighbours: Neighbours) -> None:
        self._book = book
        self._days = days
        self._neighbours = neighbours
        self._watched: dict[tuple[DevEui, Channel], _Watch] = {}

    def consider(self, device: DeviceInfo, readings: Sequence[Reading]) -> list[AlertEvent]:
        """Judge the channels of one live uplink."""
        events: list[AlertEvent] = []
        for reading in readings:
            floor = ROOMS.get(str(reading.channel))
            if floor is None or isinstance(reading.value, str):
                continue
            hour = int(reading.time_s // HOUR_S) - 1
            watch = self._watched.setdefault((device.dev_eui, reading.channel), _Watch(hour))
            if hour - watch.looked >= _EVERY_H:
                watch.looked = hour
                events += self._look(device, watch, reading, hour, floor)
        return events

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        hour = int(alert.last_seen_s // HOUR_S)
        self._watched[alert.dev_eui, alert.reason[0].channel] = _Watch(hour, alert)

    def tick(self, now_s: float) -> list[AlertEvent]:
        """After a fortnight it is how the two compare."""
        events: list[AlertEvent] = []
        for watch in self._watched.values():
            if watch.alert is not None and now_s - watch.alert.first_seen_s > _ACCEPTED_S:
                events += self._close(watch, now_s)
        return events

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device; its open alerts end."""
        gone = [self._watched.pop(key) for key in list(self._watched) if key[0] == dev_eui]
        return [step for one in gone if one.alert
                for step in self._book.end(one.alert, one.alert.last_seen_s)]  # fmt: skip

    def _look(
        self, device: DeviceInfo, watch: _Watch, reading: Reading, hour: int, floor: float
    ) -> list[AlertEvent]:
        found = self._departure(device.dev_eui, watch, reading, hour, floor)
        if found is None:
            return []
        if watch.alert is None:
            return self._begin(device, watch, reading, found, hour) if found.gone else []
        if abs(found.off) < _WELL * (found.expected[2] - found.expected[1]):
            return self._close(watch, reading.time_s)
        watch.alert = replace(watch.alert, last_seen_s=reading.time_s)
        return []

    def _departure(
        self, dev_eui: DevEui, watch: _Watch, reading: Reading, hour: int, floor: float
    ) -> Departure | None:
        series = self._days.of(reading.channel)
        if dev_eui not in series or len(series) <= _FEWEST:
            return None
        if hour - watch.chosen >= DAY:
            watch.beside, watch.chosen = self._choose(dev_eui, reading.channel, hour), hour
        others = [series[one].until(hour, DAYS * DAY) for one in watch.beside if one in series]
        if len(others) < _FEWEST:
            return None
        return departure(series[dev_eui].until(hour, DAYS * DAY), np.stack(others), floor)

    def _choose(self, dev_eui: DevEui, channel: Channel, hour: int) -> tuple[DevEui, ...]:
        """Return the neighbours of a channel; those that come after it first."""
        series, here = self._days.of(channel), self._neighbours.place(dev_eui)
        devices = sorted(series)
        at = devices.index(dev_eui)
        asked = [
            one for one in (*devices[at + 1 :], *devices[:at])
            if may_compare(here, self._neighbours.place(one))
        ]  # fmt: skip
        asked.sort(
            key=lambda one: not here.field or self._neighbours.place(one).field != here.field
        )
        until = hour - _NEWEST_DAYS * DAY
        past = {one: series[one].until(until, _WEEK_H) for one in asked[:ASKED]}
        return companions(series[dev_eui].until(until, _WEEK_H), past)

    def _begin(
        self, device: DeviceInfo, watch: _Watch, reading: Reading, found: Departure, hour: int
    ) -> list[AlertEvent]:
        words, name = words_of(reading.channel), device.name or str(device.dev_eui)
        size = difference(abs(round(found.off, 2)), reading.unit)
        since = moment((hour + 1 - found.since_h) * HOUR_S)
        up = found.off > 0
        title = (
            say("{name}: {words} has drifted {size} above what its neighbours imply",
                name=name, words=words, size=size)
            if up
            else say("{name}: {words} has drifted {size} below what its neighbours imply",
                     name=name, words=words, size=size)
        )  # fmt: skip
        evidence = (
            say("Since {time} it is {size} above what {count} neighbours imply, by its daily mean.",
                time=since, size=size, count=found.neighbours)
            if up
            else say("Since {time} it is {size} below what {count} neighbours imply, by its daily "
                     "mean.", time=since, size=size, count=found.neighbours)
        )  # fmt: skip
        watch.alert = Alert(
            id=alert_id(device.dev_eui, BESIDE_RULE, str(reading.channel), reading.time_s),
            dev_eui=device.dev_eui, rule=BESIDE_RULE, kind="drift", cause="sensor",
            severity=Severity.WARNING, title=title,
            advice=say("Compare with a hand measurement; clean or replace the probe, or see "
                       "whether it was moved."),
            reason=(Reason(reading.channel, round(found.observed, 2), found.expected, 1.0, None,
                           reading.unit),),
            first_seen_s=reading.time_s, last_seen_s=reading.time_s, evidence=(evidence,),
        )  # fmt: skip
        return self._book.begin(watch.alert)

    def _close(self, watch: _Watch, time_s: float) -> list[AlertEvent]:
        alert, watch.alert = watch.alert, None
        return self._book.end(alert, time_s) if alert else []
