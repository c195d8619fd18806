"""The rules that need no model: one place that asks them in turn.

Their names hold a colon, so none is ever the name of a user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from gateway.alerts.book import AlertBook
from gateway.alerts.rules.battery import RULE as BATTERY
from gateway.alerts.rules.battery import BatteryRule
from gateway.alerts.rules.clock import RULE as CLOCK
from gateway.alerts.rules.clock import ClockRule
from gateway.alerts.rules.dropout import RULE as DROPOUT
from gateway.alerts.rules.dropout import DropoutRule
from gateway.alerts.rules.early import RULE as EARLY
from gateway.alerts.rules.early import EarlyRule
from gateway.alerts.rules.reboot import RULE as REBOOT
from gateway.alerts.rules.reboot import RebootRule
from gateway.alerts.rules.scale import RULE as SCALE
from gateway.alerts.rules.scale import ScaleRule
from gateway.alerts.water import WaterLedger
from gateway.config import BatteryAlertConfig
from gateway.types import Alert, AlertEvent, DevEui, DeviceInfo, Reading, Uplink, Verdict


class AtOnce:
    """Spikes, steps, stuck probes, restarts, clocks, units, channels that go missing, batteries."""

    names: ClassVar[frozenset[str]] = frozenset({EARLY, REBOOT, CLOCK, SCALE, DROPOUT, BATTERY})

    def __init__(self, book: AlertBook, water: WaterLedger, battery: BatteryAlertConfig) -> None:
        self._early = EarlyRule(book, water)
        self._reboot = RebootRule(book)
        self._clock = ClockRule(book)
        self._scale = ScaleRule(book)
        self._dropout = DropoutRule(book)
        self._battery = BatteryRule(book, battery)
        self._restore: Mapping[str, Callable[[Alert], None]] = {
            EARLY: self._early.restore,
            REBOOT: self._reboot.restore,
            CLOCK: self._clock.restore,
            SCALE: self._scale.restore,
            DROPOUT: self._dropout.restore,
            BATTERY: self._battery.restore,
        }
        self._learning = (self._early, self._scale, self._dropout, self._battery)

    def heard(self, device: DeviceInfo, uplink: Uplink) -> list[AlertEvent]:
        """Take what a live frame says of itself."""
        return self._reboot.heard(device, uplink) + self._clock.heard(device, uplink)

    def consider(
        self,
        device: DeviceInfo,
        verdicts: Sequence[Verdict],
        readings: Sequence[Reading],
        now_s: float,
    ) -> list[AlertEvent]:
        """Judge one uplink's readings."""
        return [
            *self._scale.consider(device, readings),
            *self._early.consider(device, verdicts, readings),
            *self._dropout.consider(device, readings, now_s),
            *self._battery.consider(device, readings),
            *self._clock.consider(device, readings, now_s),
        ]

    def recall(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from a stored uplink after a restart; give a device's oldest first."""
        for rule in self._learning:
            rule.recall(device, readings)

    def tick(self, now_s: float) -> list[AlertEvent]:
        """End what has lasted long enough to be normal, or has not come again."""
        return [
            event
            for rule in (self._early, self._reboot, self._scale, self._dropout)
            for event in rule.tick(now_s)
        ]

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        self._restore[alert.rule](alert)

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device; its open alerts end."""
        return [
            event
            for rule in (*self._learning, self._reboot, self._clock)
            for event in rule.forget(dev_eui)
        ]
