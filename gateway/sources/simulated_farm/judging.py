"""How a run is judged: which faults were found, under which cause, and what was a false alarm.

A fault counts as **detected** when an alert of one of its `alert_kinds`, with one of its `channels`
among the reasons, begins on its device from `start_s` to `end_s + grace_s`. An alert on a device
without a fault at the time is a **false alarm**, unless a fault physically reaches that device too
(`also`). A cold night cools every thermometer outdoors and in the soil, the greenhouse a little,
and its still air is quiet; a broken pipe wets both depths of its field and empties the tank, which
the pump then refills. Coming back to normal is part of a fault, hence the grace. The air is cold
for some hours before it freezes, hence `early_s`; what the cold has taken from the soil is still
missing half a metre down a day and a half later, hence `linger_s`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.sources.simulated_farm.faults import Fault


@dataclass(frozen=True, slots=True)
class SeenAlert:
    """An alert of the daemon: on which devices, since when, and what was said of it so far.

    `kinds` and `channels` are all that it was ever told with, `cause` the newest.
    """

    id: str
    devices: frozenset[str]
    kinds: frozenset[str]
    cause: str
    time_s: float
    channels: frozenset[str] = frozenset()

    def after(self, before: SeenAlert) -> SeenAlert:
        """Return this newer step of an alert with all that was said before."""
        return replace(
            self,
            devices=self.devices | before.devices,
            kinds=self.kinds | before.kinds,
            time_s=before.time_s,
            channels=self.channels | before.channels,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one fault; `alert` is None when it was missed."""

    fault: Fault
    dev_eui: str
    alert: SeenAlert | None

    @property
    def delay_s(self) -> float | None:
        """How long after the fault's start its alert was told."""
        return None if self.alert is None else self.alert.time_s - self.fault.start_s

    @property
    def right_cause(self) -> bool:
        """Whether it was found under a cause that is right."""
        return self.alert is not None and self.alert.cause in self.fault.causes


@dataclass(frozen=True, slots=True)
class Judgement:
    """Every fault that has begun, and the alerts that nothing explains."""

    outcomes: tuple[Outcome, ...]
    false_alarms: tuple[SeenAlert, ...]


def judge(
    faults: Iterable[Fault], alerts: Iterable[SeenAlert], euis: dict[str, str], now_s: float
) -> Judgement:
    """Judge what has begun by `now_s`. `euis` gives the DevEUI of each device name."""
    begun = [fault for fault in faults if fault.start_s <= now_s]
    seen = sorted(alerts, key=lambda alert: (alert.time_s, alert.id))
    return Judgement(
        tuple(_outcome(fault, seen, euis[fault.device]) for fault in begun),
        tuple(one for one in seen if not any(_explains(fault, one, euis) for fault in begun)),
    )


def _outcome(fault: Fault, seen: list[SeenAlert], dev_eui: str) -> Outcome:
    found = [alert for alert in seen if dev_eui in alert.devices and _names(fault, alert)]
    # Of several, the one that says the cause: a fault may first be seen as two things.
    best = next((alert for alert in found if alert.cause in fault.causes), None)
    return Outcome(fault, dev_eui, best or (found[0] if found else None))


def _names(fault: Fault, alert: SeenAlert) -> bool:
    on_time = fault.start_s <= alert.time_s <= fault.end_s + fault.grace_s
    channel = not fault.channels or not alert.channels.isdisjoint(fault.channels)
    return on_time and channel and not alert.kinds.isdisjoint(fault.alert_kinds)


def _explains(fault: Fault, alert: SeenAlert, euis: dict[str, str]) -> bool:
    begins_s = fault.start_s - fault.early_s
    if euis[fault.device] in alert.devices:
        return begins_s <= alert.time_s <= fault.end_s + fault.grace_s
    reached = not alert.devices.isdisjoint(euis[name] for name in fault.also)
    return reached and begins_s <= alert.time_s <= fault.end_s + fault.linger_s
