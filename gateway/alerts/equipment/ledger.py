"""What is remembered of each device to tell how it does: bounded, and rebuilt from stored uplinks.

Batteries are remembered by day, as a few values of each; links and intervals by the newest
messages. A restart of a device shows as a frame counter that begins again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Protocol

from gateway.alerts.battery import DAY_S, MOST_DAYS, days_left
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

_A_DAY = 12
_SAME_MESSAGE_S = 10.0
_RESTARTS = 32
_OUT_OF_ORDER = 8  # frames that overtake each other are no restart
_ABOUT_ITSELF = ("radio.", "device.", "location.")
_LINK = ("radio.rssi", "radio.snr", "radio.link_margin")
_LOSS = Channel("radio.loss")
_FIRMWARE = Channel("device.firmware")
_BATTERIES = (Channel("device.battery_v"), Channel("device.battery_percent"))
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
    """A battery by day; of each at most `_A_DAY` values, the newest."""

    unit: str = ""
    newest_s: float = 0.0
    value: float = 0.0
    days: dict[int, deque[float]] = field(default_factory=dict)

    def add(self, reading: Reading, value: float) -> None:
        if reading.time_s >= self.newest_s:
            self.newest_s, self.value, self.unit = reading.time_s, value, reading.unit
        day = int(reading.time_s // DAY_S)
        self.days.setdefault(day, deque(maxlen=_A_DAY)).append(value)
        while len(self.days) > MOST_DAYS:
            del self.days[min(self.days)]

    def told(self, channel: Channel) -> Battery:
        pairs = [(day * DAY_S, value) for day, values in self.days.items() for value in values]
        floor = floor_of(self.unit, max(value for _, value in pairs))
        forecast = days_left([day for day, _ in pairs], [value for _, value in pairs], floor)
        return Battery(channel, self.value, self.unit, forecast)


@dataclass(slots=True)
class _Device:
    info: DeviceInfo
    last_s: float = 0.0
    dev_addr: str = ""
    f_cnt: int | None = None
    heard: int = 0
    firmware: str = ""
    loss: float | None = None
    times: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))
    restarts_s: deque[float] = field(default_factory=lambda: deque(maxlen=_RESTARTS))
    batteries: dict[Channel, _Days] = field(default_factory=dict)
    link: dict[str, deque[float]] = field(default_factory=dict)
    values: dict[Channel, deque[float]] = field(default_factory=dict)

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
        self._batteries(known, uplink.readings)
        if uplink.time_s < known.last_s:
            return
        if _is_restart(known, uplink):
            known.restarts_s.append(uplink.time_s)
        known.last_s, known.dev_addr = uplink.time_s, uplink.dev_addr
        known.f_cnt = uplink.f_cnt if uplink.f_cnt is not None else known.f_cnt
        known.heard += 1
        known.times.append(uplink.time_s)
        self._newest(known, uplink.readings)

    def recall(self, info: DeviceInfo, thinned: Iterable[HeardUplink]) -> None:
        """Take stored uplinks of older days, a few of each, oldest first: batteries, restarts."""
        known = self._known(info)
        past = _Device(info)
        for uplink in thinned:
            self._batteries(known, uplink.readings)
            if past.f_cnt is not None and _is_restart(past, uplink):
                past.restarts_s.append(uplink.time_s)
            past.dev_addr, past.f_cnt = uplink.dev_addr, uplink.f_cnt
        oldest_s = known.times[0] if known.times else float("inf")
        older = [time_s for time_s in past.restarts_s if time_s < oldest_s]
        known.restarts_s.extendleft(reversed(older))

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

    def _batteries(self, known: _Device, readings: Sequence[Reading]) -> None:
        for reading in readings:
            value = _number(reading)
            if reading.channel in _BATTERIES and value is not None:
                known.batteries.setdefault(reading.channel, _Days()).add(reading, value)

    def _newest(self, known: _Device, readings: Sequence[Reading]) -> None:
        for reading in readings:
            channel, value = reading.channel, _number(reading)
            if channel == _FIRMWARE:
                known.firmware = str(reading.value)[:32]
            elif value is None or reading.key.startswith(DERIVED):
                continue
            elif channel == _LOSS:
                known.loss = value
            elif channel in _LINK:
                known.link.setdefault(str(channel), deque(maxlen=NEWEST)).append(value)
            elif not channel.startswith(_ABOUT_ITSELF):
                known.values.setdefault(channel, deque(maxlen=NEWEST)).append(value)

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


def _number(reading: Reading) -> float | None:
    numeric = reading.kind is ReadingKind.NUMERIC and not isinstance(reading.value, str)
    return float(reading.value) if numeric else None
