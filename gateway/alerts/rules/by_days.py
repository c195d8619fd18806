"""The rules that look at days: one memory of hourly means, and one place that asks them in turn.

Their names hold a colon, so none is ever the name of a user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from gateway.alerts.book import AlertBook
from gateway.alerts.causes.likeness import BESIDE_RULE, WEATHER_RULES, WETTING_RULE
from gateway.alerts.causes.neighbours import Neighbours
from gateway.alerts.rules.beside import BesideRule
from gateway.alerts.rules.fortnight import Fortnight
from gateway.alerts.rules.outdoors import Outdoors
from gateway.alerts.rules.weather import WeatherRule
from gateway.alerts.rules.wetting import WettingRule
from gateway.alerts.water import WaterLedger
from gateway.config import Config
from gateway.types import Alert, AlertEvent, DevEui, DeviceInfo, Reading


class ByDays:
    """Fronts, cold and heat; channels that drift from their neighbours; soil that gets wet."""

    names: ClassVar[frozenset[str]] = WEATHER_RULES | {BESIDE_RULE, WETTING_RULE}

    def __init__(
        self,
        book: AlertBook,
        days: Fortnight,
        water: WaterLedger,
        neighbours: Neighbours,
        config: Config,
    ) -> None:
        self._days = days
        self._outdoors = Outdoors(config.devices)
        self._names: dict[DevEui, str] = {}
        self._weather = WeatherRule(
            book, days, self._outdoors, neighbours, site=config.site.name, names=self._names
        )
        self._beside = BesideRule(book, days, neighbours)
        self._wetting = WettingRule(book, days, water, neighbours)
        self._restore: Mapping[str, Callable[[Alert], None]] = {
            BESIDE_RULE: self._beside.restore,
            WETTING_RULE: self._wetting.restore,
            **dict.fromkeys(WEATHER_RULES, self._weather.restore),
        }

    def note(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from one uplink, whenever it was sent."""
        self._names[device.dev_eui] = device.name or str(device.dev_eui)
        self._days.note(device, readings)
        self._outdoors.note(device, readings)

    def consider(self, device: DeviceInfo, readings: Sequence[Reading]) -> list[AlertEvent]:
        """Judge one live uplink, which was noted before."""
        return self._beside.consider(device, readings) + self._wetting.consider(device, readings)

    def tick(self, now_s: float) -> list[AlertEvent]:
        """Look at the weather once an hour, and end what is over."""
        return self._weather.tick(now_s) + self._beside.tick(now_s) + self._wetting.tick(now_s)

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        self._restore[alert.rule](alert)

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device; its open alerts end."""
        self._names.pop(dev_eui, None)
        self._days.forget(dev_eui)
        self._outdoors.forget(dev_eui)
        return [
            event
            for rule in (self._weather, self._beside, self._wetting)
            for event in rule.forget(dev_eui)
        ]
