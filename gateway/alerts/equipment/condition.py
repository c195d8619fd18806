"""How a device does, in one line: the worst thing that is known of it, by a table of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.alerts.battery import DAY_S, BatteryForecast
from gateway.alerts.equipment.sampling import Sampling
from gateway.speech import duration, figure, say, say_many
from gateway.types import Alert, Channel, DeviceInfo, Severity

_SOON_DAYS = 14.0  # time to get a battery and go there
_PLAN_DAYS = 60.0
_LOW_PERCENT = 15.0
_LOSS_PERCENT = 20.0  # as [alerts.link] has it by default
_MARGIN_DB = 3.0
_RESTARTS = 2
_OVERDUE = 4.0  # usual intervals, as [alerts.silence] has it by default
_KNOWN = 4
_FLOORS_V = ((10.0, 11.6), (3.75, 3.4), (3.25, 2.9), (2.6, 2.3), (0.0, 1.0))
"""(highest voltage seen, below which the battery is empty): lead-acid, lithium-ion, lithium with
3.6 V, two cells of 1.5 V, one. Chosen where such cells have a tenth of their charge left."""


class Level(StrEnum):
    """How soon somebody should look at a device; the worst first."""

    ACT = "act"
    WATCH = "watch"
    NEW = "new"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Battery:
    """The newest value of a battery, V or %, and where it leads when it declines."""

    channel: Channel
    value: float
    unit: str
    forecast: BatteryForecast | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """How a device is heard: medians of its newest messages, its loss of the newest hundred."""

    rssi_dbm: float | None = None
    snr_db: float | None = None
    margin_db: float | None = None
    loss_percent: float | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One device. `every_s` is its usual interval; `restarts` its counter's in the days known."""

    device: DeviceInfo
    last_seen_s: float
    heard: int = 0
    every_s: float | None = None
    battery: Battery | None = None
    link: Link = Link()
    restarts: int = 0
    firmware: str = ""
    alerts: tuple[Alert, ...] = ()
    sampling: Sampling | None = None
    level: Level = Level.OK
    judgement: str = ""

    @property
    def days_left(self) -> float | None:
        """How long the battery lasts, None where it does not decline."""
        forecast = self.battery.forecast if self.battery else None
        return forecast.days if forecast else None


def floor_of(unit: str, highest: float) -> float:
    """Return below which value a battery is empty, by the highest that was seen of it."""
    if unit == "%":
        return 10.0
    return next(floor for least, floor in _FLOORS_V if highest >= least)


def judge(found: Condition, now_s: float) -> tuple[Level, str]:
    """Return how a device does, in words."""
    for case in (_alerted, _running_out, _badly_heard, _restarting, _overdue, _noted):
        if (said := case(found, now_s)) is not None:
            return said
    if found.heard < _KNOWN:
        return Level.NEW, say("too new to tell")
    if (days := found.days_left) is not None:
        return Level.OK, say("in good order, its battery lasts about {duration}",
                             duration=duration(days * DAY_S))  # fmt: skip
    return Level.OK, say("in good order")


def worst_first(found: Sequence[Condition]) -> list[Condition]:
    """Return the conditions in the order in which somebody should look at them."""
    levels = list(Level)
    return sorted(
        found,
        key=lambda one: (
            levels.index(one.level),
            one.days_left if one.days_left is not None else float("inf"),
            one.device.name or one.device.dev_eui,
        ),
    )


def _alerted(found: Condition, now_s: float) -> tuple[Level, str] | None:
    del now_s
    for severity in (Severity.CRITICAL, Severity.WARNING):
        for alert in found.alerts:
            if alert.severity is severity:
                return Level.ACT, _trouble(alert, found.device)
    return None


def _running_out(found: Condition, now_s: float) -> tuple[Level, str] | None:
    del now_s
    battery, days = found.battery, found.days_left
    if battery is None:
        return None
    if days is not None and days <= _PLAN_DAYS:
        level = Level.ACT if days <= _SOON_DAYS else Level.WATCH
        return level, say(
            "its battery lasts about {duration} more", duration=duration(days * DAY_S)
        )
    if battery.unit == "%" and battery.value < _LOW_PERCENT:
        return Level.ACT, say("its battery is low: {value}", value=figure(battery.value, "%"))
    return None


def _badly_heard(found: Condition, now_s: float) -> tuple[Level, str] | None:
    del now_s
    link = found.link
    if link.loss_percent is not None and link.loss_percent >= _LOSS_PERCENT:
        return Level.WATCH, say("{lost} of its messages are lost",
                                lost=figure(round(link.loss_percent), "%"))  # fmt: skip
    if link.margin_db is not None and link.margin_db < _MARGIN_DB:
        return Level.WATCH, say("heard only {margin} above what can be heard",
                                margin=figure(round(link.margin_db), "dB"))  # fmt: skip
    return None


def _restarting(found: Condition, now_s: float) -> tuple[Level, str] | None:
    del now_s
    if found.restarts < _RESTARTS:
        return None
    return Level.WATCH, say_many("restarted {count} time lately", "restarted {count} times lately",
                                 found.restarts)  # fmt: skip


def _overdue(found: Condition, now_s: float) -> tuple[Level, str] | None:
    silent_s = now_s - found.last_seen_s
    if found.every_s is None or silent_s < _OVERDUE * found.every_s:
        return None
    return Level.WATCH, say("nothing heard for {duration}", duration=duration(silent_s))


def _noted(found: Condition, now_s: float) -> tuple[Level, str] | None:
    del now_s
    return (Level.WATCH, _trouble(found.alerts[0], found.device)) if found.alerts else None


def _trouble(alert: Alert, device: DeviceInfo) -> str:
    """Return an alert's title without the device's name, which stands beside it already."""
    name = device.name or device.dev_eui
    return alert.title.removeprefix(name).lstrip(":： ") or alert.title
