"""Batteries: how many days are left, by the line through their days, and charges that are low.

A voltage is low at `floor_share` of the highest day it had, whatever the chemistry; a charge at
`floor_percent`. What is told is a decline that surely goes on (`alerts/battery.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.alerts.battery import DAY_S, MOST_DAYS, BatteryForecast, days_left
from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.families import Family, family_of, words_of
from gateway.alerts.rules.link_history import median
from gateway.config import BatteryAlertConfig
from gateway.speech import figure, say
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    Reading,
    ReadingKind,
    Reason,
    Severity,
)

RULE = "at-once:battery"
_SOON_DAYS = 14.0
_A_DAY = 24
_ROW = 3
_BETTER = 1.5
_BETTER_DAYS = 2
_PERCENT = "%"


@dataclass(slots=True)
class _Cell:
    """One battery channel: a median per day, today's samples, and the alert that came of it."""

    days: dict[int, float] = field(default_factory=dict)
    today: int = -1
    samples: list[float] = field(default_factory=list)
    low: int = 0
    well: int = 0
    told_days: float = 0.0
    alert: Alert | None = None


class BatteryRule:
    """Looks once a day at every battery; 90 medians each."""

    def __init__(self, book: AlertBook, settings: BatteryAlertConfig) -> None:
        self._book = book
        self._settings = settings
        self._cells: dict[tuple[DevEui, Channel], _Cell] = {}

    def consider(self, device: DeviceInfo, readings: Sequence[Reading]) -> list[AlertEvent]:
        """Judge one uplink's battery."""
        if not self._settings.enabled:
            return []
        events: list[AlertEvent] = []
        for reading in readings:
            if (cell := self._cell(device, reading)) is None:
                continue
            if _note(cell, reading):
                events += self._look(device, cell, reading)
            if reading.unit == _PERCENT:
                events += self._compare(device, cell, reading)
        return events

    def recall(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from a stored uplink after a restart; give a device's oldest first."""
        for reading in readings:
            if (cell := self._cell(device, reading)) is not None:
                _note(cell, reading)

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        cell = self._cells.setdefault((alert.dev_eui, alert.reason[0].channel), _Cell())
        cell.alert, cell.told_days = alert, self._settings.warn_days

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device and end its alerts."""
        events: list[AlertEvent] = []
        for key in [key for key in self._cells if key[0] == dev_eui]:
            alert = self._cells.pop(key).alert
            events += self._book.end(alert, alert.last_seen_s) if alert else []
        return events

    def _cell(self, device: DeviceInfo, reading: Reading) -> _Cell | None:
        numeric = reading.kind is ReadingKind.NUMERIC and not isinstance(reading.value, str)
        if not numeric or reading.unit not in ("V", _PERCENT):
            return None
        if family_of(reading.channel) is not Family.BATTERY:
            return None
        return self._cells.setdefault((device.dev_eui, reading.channel), _Cell())

    def _floor(self, cell: _Cell, unit: str) -> float:
        if unit == _PERCENT:
            return self._settings.floor_percent
        return self._settings.floor_share * max(cell.days.values(), default=0.0)

    def _look(self, device: DeviceInfo, cell: _Cell, reading: Reading) -> list[AlertEvent]:
        """Reckon anew what is left, now that a day is over."""
        floor = self._floor(cell, reading.unit)
        times_s = [day * DAY_S for day in cell.days]
        found = days_left(times_s, list(cell.days.values()), floor)
        warn_days = self._settings.warn_days
        if found is None or found.days > warn_days:
            better = found is None or found.days > _BETTER * warn_days
            above = median([*cell.days.values()][-3:]) > floor
            cell.well = cell.well + 1 if better and above else 0
            return self._close(cell, reading.time_s) if cell.well >= _BETTER_DAYS else []
        cell.well = 0
        if cell.alert is not None and found.days > cell.told_days / 2:
            cell.alert = replace(cell.alert, last_seen_s=reading.time_s)
            return []
        cell.told_days = found.days
        return self._tell(cell, _declining(device, reading, found, floor))

    def _compare(self, device: DeviceInfo, cell: _Cell, reading: Reading) -> list[AlertEvent]:
        low = float(reading.value) <= self._settings.floor_percent
        cell.low = cell.low + 1 if low else 0
        if cell.low != _ROW or (cell.alert and cell.alert.severity is not Severity.INFO):
            return []
        cell.told_days = 0.0
        return self._tell(cell, _low(device, reading))

    def _tell(self, cell: _Cell, alert: Alert) -> list[AlertEvent]:
        before = cell.alert
        if before is None:
            cell.alert = alert
            return self._book.begin(alert)
        severity = before.severity if alert.severity is Severity.INFO else alert.severity
        cell.alert = replace(
            alert, id=before.id, first_seen_s=before.first_seen_s, severity=severity
        )
        return self._book.update(cell.alert)

    def _close(self, cell: _Cell, time_s: float) -> list[AlertEvent]:
        alert, cell.alert, cell.well = cell.alert, None, 0
        return self._book.end(alert, time_s) if alert else []


def _note(cell: _Cell, reading: Reading) -> bool:
    """Take a sample; return whether a day is over with it."""
    day = int(reading.time_s // DAY_S)
    if day < cell.today:
        return False
    over = day > cell.today and bool(cell.samples)
    if over:
        cell.days[cell.today] = median(cell.samples)
        cell.samples.clear()
        while len(cell.days) > MOST_DAYS:
            del cell.days[next(iter(cell.days))]
    cell.today = day
    if len(cell.samples) < _A_DAY:
        cell.samples.append(float(reading.value))
    return over


def _declining(device: DeviceInfo, reading: Reading, found: BatteryForecast, floor: float) -> Alert:
    name, words = device.name or str(device.dev_eui), words_of(reading.channel)
    days = round(found.days)
    title = (
        say("{name}: the battery lasts about {days} days more", name=name, days=days)
        if days > 0
        else say("{name}: the battery is at its end", name=name)
    )
    severity = Severity.WARNING if found.days <= _SOON_DAYS else Severity.INFO
    evidence = say(
        "{words} falls by {fall} a week, to {floor} in {soonest} to {latest} days.",
        words=words[0].upper() + words[1:], fall=figure(-7 * found.per_day, reading.unit),
        floor=figure(floor, reading.unit), soonest=round(found.soonest),
        latest=round(found.latest),
    )  # fmt: skip
    return replace(_alert(device, reading, severity, title), evidence=(evidence,))


def _low(device: DeviceInfo, reading: Reading) -> Alert:
    title = say(
        "{name}: the battery charge is down to {value}",
        name=device.name or str(device.dev_eui), value=figure(reading.value, reading.unit),
    )  # fmt: skip
    return _alert(device, reading, Severity.WARNING, title)


def _alert(device: DeviceInfo, reading: Reading, severity: Severity, title: str) -> Alert:
    return Alert(
        id=alert_id(device.dev_eui, RULE, str(reading.channel), reading.time_s),
        dev_eui=device.dev_eui, rule=RULE, kind="battery", cause="sensor", severity=severity,
        title=title, advice=say("Have a new battery ready, and change it before then."),
        reason=(Reason(reading.channel, reading.value, None, 1.0, None, reading.unit),),
        first_seen_s=reading.time_s, last_seen_s=reading.time_s,
    )  # fmt: skip
