"""Fronts, cold waves and heat over a whole site: one alert that names the devices.

Each hour the air temperature of all devices of a site that stand outdoors (`outdoors`) is put
together (`fronts`). Of devices that nobody said anything of, those count that go with the others
and swing over the day as the open air does, and only where there are three; one that is known to
stand outdoors is enough by itself.

Every device has an alert of this rule, in the words of the site; `causes/` makes one of them, with
what the model, a limit or the coming frost say of the same air.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.causes.likeness import COLD_RULE, FRONT_RULE, HEAT_RULE
from gateway.alerts.causes.neighbours import Neighbours
from gateway.alerts.rules.fortnight import DAY, HOUR_S, Floats, Fortnight
from gateway.alerts.rules.fronts import COLD, FRONT, HEAT, HOURS, TESTS, Finding
from gateway.alerts.rules.outdoors import Outdoors
from gateway.alerts.rules.weather_words import advice_of, evidence_of, title_of
from gateway.types import Alert, AlertEvent, Channel, DevEui, Reason, Severity

AIR = Channel("air.temperature")
RULES: Mapping[str, str] = {FRONT: FRONT_RULE, COLD: COLD_RULE, HEAT: HEAT_RULE}
MOST = 256
"""Devices of a site that are put together, and named."""

_BESIDES = (Channel("air.relativeHumidity"), Channel("air.pressure"))
_SETTLED_S = 300.0
_BRIDGED_H = 2
_MANY = 3
_GOES_ALONG = 0.8
_SWING_C = 3.0
_COLDEST_C, _HOTTEST_C = -60.0, 57.0
"""WMO's archive of extremes: 56.7 °C (Death Valley, 1913); below -60 °C nothing grows."""

_JUMP_C = 15.0
"""From the mean of one hour to that of the next; the sharpest fronts take about as much."""

_FEWEST_HOURS = 2 * DAY
_LASTS_H = {FRONT: 12, COLD: 24, HEAT: 24}
_WORTH_C = 2.0
_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


@dataclass(slots=True)
class _Event:
    """What goes on at one site: `held` is the newest hour in which it was found."""

    finding: Finding | None
    held: int
    alerts: dict[DevEui, Alert] = field(default_factory=dict)


class WeatherRule:
    """Looks at every site once an hour. `names` are what devices are called; it is read then."""

    def __init__(
        self,
        book: AlertBook,
        days: Fortnight,
        outdoors: Outdoors,
        neighbours: Neighbours,
        *,
        site: str,
        names: Mapping[DevEui, str],
    ) -> None:
        self._book = book
        self._days = days
        self._outdoors = outdoors
        self._neighbours = neighbours
        self._site, self._names = site, names
        self._events: dict[tuple[str, str], _Event] = {}
        self._hour = -1

    def tick(self, now_s: float) -> list[AlertEvent]:
        """Look at the hour that is over, a little after its end."""
        hour = int((now_s - _SETTLED_S) // HOUR_S) - 1
        if hour <= self._hour:
            return []
        self._hour = hour
        sites: dict[str, list[DevEui]] = defaultdict(list)
        for dev_eui in sorted(self._days.of(AIR)):
            if self._outdoors.said(dev_eui) is not False:
                sites[self._neighbours.place(dev_eui).site].append(dev_eui)
        for site, _ in self._events:
            sites.setdefault(site, [])
        return [
            event for site, devices in sites.items() for event in self._look(site, devices, hour)
        ]

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        kind = next(kind for kind, rule in RULES.items() if rule == alert.rule)
        key = self._neighbours.place(alert.dev_eui).site, kind
        held = int(alert.last_seen_s // HOUR_S)
        event = self._events.setdefault(key, _Event(None, held))
        event.alerts[alert.dev_eui] = alert

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device; its open alerts end."""
        gone = [one.alerts.pop(dev_eui, None) for one in self._events.values()]
        return [step for one in gone if one for step in self._book.end(one, one.last_seen_s)]

    # --- one hour of one site ---------------------------------------------------------------

    def _look(self, site: str, devices: list[DevEui], hour: int) -> list[AlertEvent]:
        rows = self._pool(devices, hour)
        events: list[AlertEvent] = []
        for kind, test in TESTS.items():
            finding = test(np.stack([*rows.values()])) if rows else None
            event = self._events.get((site, kind))
            if finding is not None:
                event = event or self._events.setdefault((site, kind), _Event(None, hour))
                event.held = hour
                events += self._tell(site, event, finding, rows)
            elif event is not None and hour - event.held >= _LASTS_H[kind]:
                del self._events[site, kind]
                ended_s = (hour + 1) * HOUR_S
                for alert in event.alerts.values():
                    events += self._book.end(alert, ended_s)
        return events

    def _pool(self, devices: list[DevEui], hour: int) -> dict[DevEui, Floats]:
        """Return who is put together, with their air [HOURS]; nobody where few are."""
        series = self._days.of(AIR)
        first = sorted(devices, key=lambda one: (not self._outdoors.said(one), one))[:MOST]
        rows = {one: bridged(series[one].until(hour, HOURS)) for one in first}
        rows = {one: row for one, row in rows.items() if np.isfinite(row[-1]) and is_air(row)}
        sure = [one for one in rows if self._outdoors.said(one)]
        unsure = [one for one in rows if one not in sure]
        if unsure and len(rows) >= _MANY:
            middle = _middle(np.stack([rows[one] for one in (sure or unsure)]))
            unsure = [one for one in unsure if _goes_along(rows[one], middle)]
        if len(sure) + len(unsure) < _MANY:
            unsure = []
        return {one: rows[one] for one in sure + unsure}

    # --- alerts -----------------------------------------------------------------------------

    def _tell(
        self, site: str, event: _Event, finding: Finding, rows: Mapping[DevEui, Floats]
    ) -> list[AlertEvent]:
        """Begin the alert of each device that has none, and bring the others up to date."""
        before, known = event.finding, event.alerts
        severities = (finding.severity, *(one.severity for one in known.values()))
        severity = max(severities, key=_RANK.__getitem__)
        worse = before is None or severity is not before.severity
        if before is None or worse or finding.size_c >= before.size_c + _WORTH_C:
            before, worse = replace(finding, severity=severity), True
        event.finding = before
        count = len({*known, *rows})
        seen_s = (event.held + 1) * HOUR_S
        if not worse and count == len(known):
            event.alerts = {one: replace(alert, last_seen_s=seen_s)
                            for one, alert in known.items()}  # fmt: skip
            return []
        air = np.stack([*rows.values()])
        place = self._place(site, rows) if count > 1 else self._names[next(iter(rows))]
        blank = Alert(
            id="", dev_eui=DevEui(""), rule=RULES[before.kind], kind=before.kind,
            cause="environment", severity=severity, title=title_of(before, place, count),
            advice=advice_of(before.kind), reason=(), first_seen_s=seen_s, last_seen_s=seen_s,
            evidence=evidence_of(before, air),
        )  # fmt: skip
        return [step for one, row in rows.items() for step in self._one(one, row, event, blank)]

    def _one(self, dev_eui: DevEui, row: Floats, event: _Event, blank: Alert) -> list[AlertEvent]:
        """Begin or update one device's alert of an event, in the words that all have."""
        known, finding = event.alerts.get(dev_eui), event.finding
        if finding is None:
            return []
        first_s = known.first_seen_s if known else blank.first_seen_s
        alert = event.alerts[dev_eui] = replace(
            blank, dev_eui=dev_eui, first_seen_s=first_s,
            id=known.id if known else alert_id(dev_eui, blank.rule, AIR, first_s),
            reason=self._reasons(dev_eui, finding, row),
        )  # fmt: skip
        return self._book.update(alert) if known else self._book.begin(alert)

    def _place(self, site: str, devices: Iterable[DevEui]) -> str:
        fields = {self._neighbours.place(one).field for one in devices}
        if len(fields) == 1 and (name := next(iter(fields))):
            return name
        return site or self._site

    def _reasons(self, dev_eui: DevEui, finding: Finding, row: Floats) -> tuple[Reason, ...]:
        """Return the air's temperature, then humidity and pressure as they are and usually are."""
        unit = self._days.of(AIR)[dev_eui].unit
        observed, expected = compared(finding, row)
        reasons = [Reason(AIR, observed, expected, 1.0, None, unit)]
        for channel in _BESIDES:
            series = self._days.get(dev_eui, channel)
            if series is None:
                continue
            past = series.until(self._hour, HOURS)
            known = past[:-1][np.isfinite(past[:-1])]
            if np.isfinite(past[-1]) and known.size >= _FEWEST_HOURS:
                low, middle, high = np.quantile(known, (0.1, 0.5, 0.9)).tolist()
                now = round(float(past[-1]), 3)
                reasons.append(Reason(channel, now, (low, middle, high), 0.0, None, series.unit))
        return tuple(reasons)


def compared(finding: Finding, row: Floats) -> tuple[float, tuple[float, float, float]]:
    """Return what one device showed, and what it would have been as usual."""
    low, middle, high = finding.usual
    if finding.kind == FRONT:
        before = float(row[-1 - finding.over_h])
        if not np.isfinite(before):
            before = float(row[-1]) + finding.size_c
        return round(float(row[-1]), 2), _rounded(before + low, before + middle, before + high)
    day = row[-DAY:]
    extreme = np.nanmin(day) if finding.kind == COLD else np.nanmax(day)
    return round(float(extreme), 2), _rounded(low, middle, high)


def _rounded(low: float, middle: float, high: float) -> tuple[float, float, float]:
    return round(low, 2), round(middle, 2), round(high, 2)


def bridged(row: Floats) -> Floats:
    """Return a series with gaps of an hour or two filled by what was there before."""
    out = row.copy()
    for _ in range(_BRIDGED_H):
        gap = np.flatnonzero(~np.isfinite(out[1:]) & np.isfinite(out[:-1])) + 1
        out[gap] = out[gap - 1]
    return out


def is_air(row: Floats) -> bool:
    """Say whether a series can be weather: a changed unit or a broken probe is none."""
    known = row[np.isfinite(row)]
    jumps = np.abs(np.diff(row))
    sane = known.min() >= _COLDEST_C and known.max() <= _HOTTEST_C
    return bool(sane and not (jumps > _JUMP_C).any())


def _middle(air: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an hour of silence is NaN
        return np.asarray(np.nanmedian(air, axis=0))


def _goes_along(row: Floats, middle: Floats) -> bool:
    """Say whether a series goes with the middle, and swings over the day as the open air does."""
    both = np.isfinite(row) & np.isfinite(middle)
    if both.sum() < _FEWEST_HOURS:
        return False
    one, other = row[both], middle[both]
    if min(one.std(), other.std()) == 0.0:
        return False
    count = len(row) // DAY
    days = row[len(row) - count * DAY :].reshape(count, DAY)
    full = days[np.isfinite(days).all(axis=1)]
    swings = np.ptp(full, axis=1)
    lively = swings.size > 0 and float(np.median(swings)) >= _SWING_C
    return lively and float(np.corrcoef(one, other)[0, 1]) >= _GOES_ALONG
