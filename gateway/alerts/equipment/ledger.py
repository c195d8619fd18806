"""What is remembered of each device to tell how it does: bounded, and rebuilt from stored uplinks.

Batteries are remembered by day, links and intervals by the newest messages. A restart of a device
shows as a frame counter that begins again.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import Protocol

from gateway.alerts.battery import DAY_S, BatteryForecast, days_left
from gateway.alerts.equipment.condition import (
    Battery,
    Condition,
    Link,
    floor_of,
    judge,
    worst_first,
)
from gateway.alerts.equipment.sampling import (
    ROUND_S,
    Sampling,
    advise_sampling,
    holds_s,
    resolution_of,
)
from gateway.types import (
    DERIVED,
    Alert,
    Channel,
    DevEui,
    DeviceInfo,
    Forecast,
    Reading,
    ReadingKind,
)

NEWEST = 24
"""Messages that a median of now is made of."""

LOOKBACK_DAYS = 45
"""How far back stored uplinks are looked at; `PER_DAY` of each day are enough for a battery."""

PER_DAY = 2

_LONGEST = 32
_SAME_MESSAGE_S = 10.0
_RESTARTS = 32
_OUT_OF_ORDER = 8  # frames that overtake each other are no restart
_ABOUT_ITSELF = ("radio.", "device.", "location.")
_LINK = (Channel("radio.rssi"), Channel("radio.snr"), Channel("radio.link_margin"))


class _Role(Enum):
    """What a channel tells of its device."""

    NONE = auto()
    BATTERY = auto()
    FIRMWARE = auto()
    LINK = auto()
    LOSS = auto()
    VALUE = auto()


_ROLES = {
    Channel("device.battery_v"): _Role.BATTERY,
    Channel("device.battery_percent"): _Role.BATTERY,
    Channel("device.firmware"): _Role.FIRMWARE,
    Channel("radio.loss"): _Role.LOSS,
    **dict.fromkeys(_LINK, _Role.LINK),
}
_OF_ITSELF = frozenset({"silence", "link", "battery", "codec"})
"""Kinds of alerts that more messages would not help."""


class HeardUplink(Protocol):
    """What is needed of an uplink, stored or new."""

    @property
    def time_s(self) -> float:
        """Return when it was sent."""

    @property
    def dev_addr(self) -> str:
        """Return its session's address."""

    @property
    def f_cnt(self) -> int | None:
        """Return its frame counter."""

    @property
    def readings(self) -> Sequence[Reading]:
        """Return what it said."""


@dataclass(slots=True)
class _Days:
    """A battery by day, in a kilobyte: the mean of each day, the newest `LOOKBACK_DAYS`."""

    unit: str = ""
    newest_s: float = 0.0
    value: float = 0.0
    days: array[int] = field(default_factory=lambda: array("l"))
    sums: array[float] = field(default_factory=lambda: array("d"))
    counts: array[int] = field(default_factory=lambda: array("l"))
    forecast: BatteryForecast | None = None
    forecast_day: int = -1

    def add(self, reading: Reading, value: float) -> None:
        if reading.time_s >= self.newest_s:
            self.newest_s, self.value, self.unit = reading.time_s, value, reading.unit
        day = int(reading.time_s // DAY_S)
        at = bisect_left(self.days, day)
        if at == len(self.days) or self.days[at] != day:
            self.days.insert(at, day)
            self.sums.insert(at, 0.0)
            self.counts.insert(at, 0)
        self.sums[at] += value
        self.counts[at] += 1
        if len(self.days) > LOOKBACK_DAYS:
            del self.days[0], self.sums[0], self.counts[0]

    def told(self, channel: Channel) -> Battery:
        """Return the battery; where it leads is reckoned once a day."""
        if self.forecast_day != (today := self.days[-1]):
            means = [total / count for total, count in zip(self.sums, self.counts, strict=True)]
            floor = floor_of(self.unit, max(means))
            self.forecast = days_left([day * DAY_S for day in self.days], means, floor)
            self.forecast_day = today
        return Battery(channel, self.value, self.unit, self.forecast)


def _newest() -> array[float]:
    return array("d")


@dataclass(slots=True)
class _Device:
    """One device. The arrays hold what its newest messages said, `NEWEST` at most."""

    info: DeviceInfo
    last_s: float = 0.0
    dev_addr: str = ""
    f_cnt: int | None = None
    heard: int = 0
    firmware: str = ""
    loss: float | None = None
    times: array[float] = field(default_factory=_newest)
    restarts_s: list[float] = field(default_factory=list)
    batteries: dict[Channel, _Days] = field(default_factory=dict)
    link: dict[Channel, array[float]] = field(default_factory=dict)
    values: dict[Channel, array[float]] = field(default_factory=dict)

    @property
    def every_s(self) -> float | None:
        """The usual time between two messages; frames of one message count as one."""
        gaps = [b - a for a, b in pairwise(self.times) if b - a >= _SAME_MESSAGE_S]
        return median(gaps) if len(gaps) >= NEWEST // 4 else None


class Equipment:
    """Every device's condition. All times are the uplinks' own, given oldest first."""

    def __init__(self) -> None:
        self._devices: dict[DevEui, _Device] = {}
        self._sampling: dict[DevEui, Sampling] = {}

    def hear(self, info: DeviceInfo, uplink: HeardUplink) -> None:
        """Take an uplink; one that is older than the newest tells of its day's battery alone."""
        known = self._known(info)
        fresh = uplink.time_s >= known.last_s
        for reading in uplink.readings:
            _take(known, reading, fresh=fresh)
        if not fresh:
            return
        if _is_restart(known, uplink):
            known.restarts_s = [*known.restarts_s, uplink.time_s][-_RESTARTS:]
        known.last_s, known.dev_addr = uplink.time_s, uplink.dev_addr
        known.f_cnt = uplink.f_cnt if uplink.f_cnt is not None else known.f_cnt
        known.heard += 1
        _push(known.times, uplink.time_s)

    def recall(self, info: DeviceInfo, thinned: Iterable[HeardUplink]) -> None:
        """Take stored uplinks of older days, a few of each, oldest first: batteries, restarts."""
        known = self._known(info)
        past, restarts_s = _Device(info), []
        for uplink in thinned:
            for reading in uplink.readings:
                _take(known, reading, fresh=False)
            if _is_restart(past, uplink):
                restarts_s.append(uplink.time_s)
            past.dev_addr, past.f_cnt = uplink.dev_addr, uplink.f_cnt
        oldest_s = known.times[0] if known.times else math.inf
        older = [time_s for time_s in restarts_s if time_s < oldest_s]
        known.restarts_s = [*older, *known.restarts_s][-_RESTARTS:]

    def restore(self, sampling: Mapping[DevEui, Sampling]) -> None:
        """Take back what was advised before a restart."""
        self._sampling.update(sampling)

    def conditions(self, alerts: Sequence[Alert], now_s: float) -> list[Condition]:
        """Return how every device does, the worst first."""
        return worst_first([self._condition(one, alerts, now_s) for one in self._devices.values()])

    def advise(
        self,
        dev_eui: DevEui,
        forecasts: Iterable[Forecast],
        alerts: Iterable[Alert],
        *,
        least_s: float = ROUND_S[0],
        most_s: float = ROUND_S[-1],
    ) -> Sampling | None:
        """Return how often a device should rather measure, and remember it for its condition."""
        known = self._devices.get(dev_eui)
        every_s = known.every_s if known is not None else None
        if known is None or every_s is None:
            return self._sampling.get(dev_eui)  # too little was heard to think better of it
        holds = {
            one.channel: holds_s(one, resolution_of(known.values.get(one.channel, ())))
            for one in forecasts
            if not one.channel.startswith(_ABOUT_ITSELF)
        }
        battery = self._battery(known)
        forecast = battery.forecast if battery else None
        found = advise_sampling(
            every_s,
            holds,
            disturbed=any(one.dev_eui == dev_eui and one.kind not in _OF_ITSELF for one in alerts),
            battery_days=forecast.days if forecast else None,
            least_s=least_s,
            most_s=most_s,
        )
        self._sampling.pop(dev_eui, None)
        if found is not None:
            self._sampling[dev_eui] = found
        return found

    def sampling(self, dev_eui: DevEui) -> Sampling | None:
        """Return what was advised last."""
        return self._sampling.get(dev_eui)

    def _known(self, info: DeviceInfo) -> _Device:
        known = self._devices.get(info.dev_eui)
        if known is None:
            known = self._devices[info.dev_eui] = _Device(info)
        known.info = info
        return known

    def _battery(self, known: _Device) -> Battery | None:
        """Return the battery as it is told: the one that says when it is empty, else in percent."""
        told = [days.told(channel) for channel, days in known.batteries.items()]
        told.sort(key=lambda one: (one.forecast is None, one.unit != "%"))
        return told[0] if told else None

    def _condition(self, known: _Device, alerts: Sequence[Alert], now_s: float) -> Condition:
        dev_eui = known.info.dev_eui
        rssi, snr, margin = (
            median(known.link[name]) if name in known.link else None for name in _LINK
        )
        found = Condition(
            device=known.info,
            last_seen_s=known.last_s,
            heard=known.heard,
            every_s=known.every_s,
            battery=self._battery(known),
            link=Link(rssi, snr, margin, known.loss),
            restarts=len(known.restarts_s),
            firmware=known.firmware,
            alerts=tuple(one for one in alerts if dev_eui in (one.dev_eui, *one.peers)),
            sampling=self._sampling.get(dev_eui),
        )
        level, judgement = judge(found, now_s)
        return replace(found, level=level, judgement=judgement)


def _is_restart(known: _Device, uplink: HeardUplink) -> bool:
    """Tell whether the counter has begun again: lower than before, or in a new session."""
    if known.f_cnt is None or uplink.f_cnt is None or uplink.f_cnt >= known.f_cnt:
        return False
    return known.dev_addr != uplink.dev_addr or known.f_cnt - uplink.f_cnt > _OUT_OF_ORDER


def _take(known: _Device, reading: Reading, *, fresh: bool) -> None:
    role = _role_of(reading.channel)
    if role is _Role.NONE or not (fresh or role is _Role.BATTERY):
        return
    if role is _Role.FIRMWARE:
        known.firmware = str(reading.value)[:_LONGEST]
        return
    if reading.kind is not ReadingKind.NUMERIC or isinstance(reading.value, str):
        return
    value = float(reading.value)
    if role is _Role.BATTERY:
        known.batteries.setdefault(reading.channel, _Days()).add(reading, value)
    elif role is _Role.LOSS:
        known.loss = value
    elif role is _Role.LINK:
        _push(known.link.setdefault(reading.channel, array("d")), value)
    elif not reading.key.startswith(DERIVED):
        _push(known.values.setdefault(reading.channel, array("d")), value)


@lru_cache(maxsize=4096)
def _role_of(channel: Channel) -> _Role:
    if channel in _ROLES:
        return _ROLES[channel]
    return _Role.NONE if channel.startswith(_ABOUT_ITSELF) else _Role.VALUE


def _push(newest: array[float], value: float) -> None:
    newest.append(value)
    if len(newest) > NEWEST:
        del newest[0]
