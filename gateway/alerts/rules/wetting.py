"""A burst line by the soil: moisture that climbs for hours while nobody waters.

It is told when a probe's hourly means

- have climbed for 4 h or longer, by 0.4 % an hour and 4 % in all: deep percolation, groundwater and
  the daily swing of a capacitive probe are slower or smaller,
- steadily, and no fault of the probe is known: one that jumps about is not believed,
- more than ever in so long a time in the last fortnight (what comes every morning is watering),
- with no rain, irrigation or pump known that explains it (`water`),
- and no other probe of the site climbs likewise: rain and snow melt wet them all. Where the site
  has no gauge, valve or meter, two others must have stayed as they were.

Frozen soil that thaws reads wetter, and snow melts: no leak is told while the soil is at 1 °C or
less, or in the three days after frost in the air where soil temperature is not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.causes.likeness import WETTING_RULE
from gateway.alerts.causes.neighbours import Neighbours
from gateway.alerts.diagnosis import diagnose
from gateway.alerts.families import Family, family_of
from gateway.alerts.rules.fortnight import DAY, HOUR_S, Floats, Fortnight
from gateway.alerts.rules.thaw import Thaw
from gateway.alerts.water import WaterLedger
from gateway.alerts.words import titled
from gateway.speech import difference, duration, say, say_many
from gateway.types import Alert, AlertEvent, Channel, DevEui, DeviceInfo, Reading, Reason, Severity

HOURS = 14 * DAY
SHORTEST_H, LONGEST_H = 4, 24
LEAST_PERCENT = 4.0
_LEAST_AN_HOUR = 0.4
_CLIMBS = 0.2
_FEWEST_H = 3 * DAY
_OFTEN = 0.6
_CALM = 0.5
_NEW = 0.6
_LATELY_H = 12
_LIKEWISE, _LIKEWISE_PERCENT = 0.25, 1.0
_DRY = 2
_DRAINED = 0.25
_LASTS_S = 72 * HOUR_S
_PERCENT = "%"


@dataclass(frozen=True, slots=True)
class Climb:
    """How long moisture has climbed without a pause, by how much, and the most it did before.

    `beyond` is how far above the wettest of the twelve hours before: what comes back from a dip is
    no rise. `jitter` is by how much it usually moved from hour to hour on the day before.
    """

    hours: int
    amount: float
    beyond: float
    most_before: float
    jitter: float


def climb(moisture: Floats) -> Climb | None:
    """Look at hourly means of moisture (%) [HOURS], the newest last; None without a long climb."""
    known = np.isfinite(moisture)
    if not known[-1] or known.sum() < _FEWEST_H:
        return None
    at = np.arange(len(moisture))
    path = np.interp(at, at[known], moisture[known])
    two = path[2:] - path[:-2]
    hours = 0
    while hours < LONGEST_H and two[-1 - hours] >= 2 * _CLIMBS:
        hours += 1
    hours += bool(hours)
    if hours < SHORTEST_H:
        return None
    moved = np.where(known[hours:] & known[:-hours], moisture[hours:] - moisture[:-hours], np.nan)
    earlier = moved[: -hours or None]
    earlier = earlier[np.isfinite(earlier)]
    most = float(earlier.max()) if earlier.size else 0.0
    day_before = path[-1 - hours - DAY : -hours]
    jitter = float(np.median(np.abs(np.diff(day_before))))
    highest = float(path[-1 - hours - _LATELY_H : -hours].max())
    amount = float(path[-1] - path[-1 - hours])
    return Climb(hours, amount, float(path[-1]) - highest, most, jitter)


@dataclass(slots=True)
class _Watch:
    """When a probe was last looked at; its alert, the wettest hour since, and how much it rose."""

    looked: int
    alert: Alert | None = None
    wettest: float = 0.0
    amount: float = 0.0


class WettingRule:
    """Looks at each moisture probe once an hour, when it speaks."""

    def __init__(
        self, book: AlertBook, days: Fortnight, water: WaterLedger, neighbours: Neighbours
    ) -> None:
        self._book = book
        self._days = days
        self._water = water
        self._neighbours = neighbours
        self._thaw = Thaw(days)
        self._watched: dict[tuple[DevEui, Channel], _Watch] = {}

    def consider(self, device: DeviceInfo, readings: Sequence[Reading]) -> list[AlertEvent]:
        """Judge the channels of one live uplink."""
        events: list[AlertEvent] = []
        for reading in readings:
            if family_of(reading.channel) is not Family.MOISTURE or reading.unit != _PERCENT:
                continue
            series = self._days.get(device.dev_eui, reading.channel)
            hour = int(reading.time_s // HOUR_S) - 1
            watch = self._watched.setdefault((device.dev_eui, reading.channel), _Watch(hour))
            if series is not None and hour > watch.looked:
                watch.looked = hour
                events += self._look(device, watch, reading, series.until(hour, HOURS))
        return events

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        reason = alert.reason[0]
        watch = _Watch(int(alert.last_seen_s // HOUR_S), alert)
        if reason.expected is not None and not isinstance(reason.observed, str):
            watch.wettest = float(reason.observed)
            watch.amount = watch.wettest - reason.expected[1]
        self._watched[alert.dev_eui, reason.channel] = watch

    def tick(self, now_s: float) -> list[AlertEvent]:
        """End what nobody has spoken of for three days."""
        return [
            event
            for watch in self._watched.values()
            if watch.alert is not None and now_s - watch.alert.last_seen_s > _LASTS_S
            for event in self._close(watch, watch.alert.last_seen_s)
        ]

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device; its open alerts end."""
        gone = [self._watched.pop(key) for key in list(self._watched) if key[0] == dev_eui]
        return [step for one in gone if one.alert
                for step in self._book.end(one.alert, one.alert.last_seen_s)]  # fmt: skip

    # --- one probe --------------------------------------------------------------------------

    def _look(
        self, device: DeviceInfo, watch: _Watch, reading: Reading, moisture: Floats
    ) -> list[AlertEvent]:
        if watch.alert is not None:
            return self._follow(watch, watch.alert, reading, float(moisture[-1]))
        found = climb(moisture)
        if found is None or not is_unusual(found):
            return []
        explained = self._water.explains(
            device.dev_eui, reading.channel, "rise", up=True, time_s=reading.time_s
        )
        if explained or self._thaw.wets(device.dev_eui, reading.time_s) or self._ails(reading):
            return []
        likewise, dry = self._others(device.dev_eui, reading, found)
        if likewise or (dry < _DRY and not self._water.is_told):
            return []
        return self._begin(device, watch, reading, found, dry)

    def _ails(self, reading: Reading) -> bool:
        """Say whether the probe is known to be at fault: then it is not believed."""
        return any(
            alert.cause == "sensor" and reason.channel == reading.channel
            for alert in self._book.of(reading.dev_eui) for reason in alert.reason
        )  # fmt: skip

    def _others(self, dev_eui: DevEui, reading: Reading, found: Climb) -> tuple[int, int]:
        """Return how many other probes of the site climb likewise, and how many stay."""
        likewise, dry = 0, 0
        here = self._neighbours.place(dev_eui).site
        hour = int(reading.time_s // HOUR_S) - 1
        for other, series in self._days.of(reading.channel).items():
            there = self._neighbours.place(other).site
            if other == dev_eui or (here and there and here != there):
                continue
            path = series.until(hour, found.hours + 1)
            known = path[np.isfinite(path)]
            if known.size <= found.hours // 2:
                continue
            rose = float(known[-1] - known[0])
            shares = rose >= max(_LIKEWISE * found.amount, _LIKEWISE_PERCENT)
            likewise += shares
            dry += not shares
        return likewise, dry

    def _begin(
        self, device: DeviceInfo, watch: _Watch, reading: Reading, found: Climb, dry: int
    ) -> list[AlertEvent]:
        now = float(reading.value)
        before = now - found.amount
        valve = self._water.valve_near(device.dev_eui)
        said = diagnose(reading.channel, "rise", up=True, valve=valve)
        amount, time = difference(round(found.amount, 1), _PERCENT), duration(found.hours * HOUR_S)
        evidence = [say("It rose by {amount} in {time} without a pause, more than ever in the last "
                        "two weeks.", amount=amount, time=time)]  # fmt: skip
        if dry:
            evidence.append(say_many("{count} other probe did not rise.",
                                     "{count} other probes did not rise.", dry))  # fmt: skip
        watch.wettest, watch.amount = now, found.amount
        first_s = reading.time_s - found.hours * HOUR_S
        watch.alert = Alert(
            id=alert_id(device.dev_eui, WETTING_RULE, str(reading.channel), first_s),
            dev_eui=device.dev_eui, rule=WETTING_RULE, kind=said.kind, cause=said.cause,
            severity=Severity.WARNING, title=titled(device, said.text), advice=said.advice,
            reason=(Reason(reading.channel, now,
                           (before, before, before + max(found.most_before, 0.0)), 1.0, None,
                           reading.unit),),
            first_seen_s=first_s, last_seen_s=reading.time_s, evidence=tuple(evidence),
        )  # fmt: skip
        return self._book.begin(watch.alert)

    def _follow(
        self, watch: _Watch, alert: Alert, reading: Reading, newest: float
    ) -> list[AlertEvent]:
        """End it when water drains away again, or when it has lasted so long that all know."""
        if np.isfinite(newest):
            watch.wettest = max(watch.wettest, newest)
            drained = watch.wettest - newest >= _DRAINED * watch.amount
            if drained or reading.time_s - alert.first_seen_s > _LASTS_S:
                return self._close(watch, reading.time_s)
        watch.alert = replace(alert, last_seen_s=reading.time_s)
        return []

    def _close(self, watch: _Watch, time_s: float) -> list[AlertEvent]:
        alert, watch.alert = watch.alert, None
        return self._book.end(alert, time_s) if alert else []


def is_unusual(found: Climb) -> bool:
    """Say whether a climb is large, steep, no noise, and more than what has been before."""
    least = max(LEAST_PERCENT, _LEAST_AN_HOUR * found.hours)
    calm = found.jitter <= _CALM * found.amount / found.hours
    new = found.beyond >= _NEW * found.amount and found.most_before < _OFTEN * found.amount
    return calm and new and found.amount >= least
