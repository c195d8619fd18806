"""Devices that start again: the frame counter goes back without a join.

A device that joins gets a new address, so a counter that goes back under the old one was reset by
the device itself (personalised by hand, counter not kept): power lost, or a watchdog. Once is worth
a note; three times in a day is a fault.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from gateway.alerts.book import AlertBook, alert_id
from gateway.speech import say
from gateway.types import Alert, AlertEvent, Channel, DevEui, DeviceInfo, Reason, Severity, Uplink

RULE = "at-once:reboot"
RESTARTS = Channel("device.restarts")
_OUT_OF_ORDER = 8
_EARLY_FRAME = 64
_REORDER_S = 30.0
_DAY_S = 86400.0
_OFTEN = 3


@dataclass(slots=True)
class _Count:
    """The newest frame of one device, and when it started again."""

    dev_addr: str = ""
    f_cnt: int = -1
    time_s: float = 0.0
    restarts_s: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    alert: Alert | None = None


class RebootRule:
    """Follows the counter of every device."""

    def __init__(self, book: AlertBook) -> None:
        self._book = book
        self._counts: dict[DevEui, _Count] = {}

    def heard(self, device: DeviceInfo, uplink: Uplink) -> list[AlertEvent]:
        """Take one live frame."""
        count = self._counts.setdefault(device.dev_eui, _Count())
        again = (
            bool(uplink.dev_addr)
            and uplink.dev_addr == count.dev_addr
            and uplink.f_cnt < count.f_cnt - _OUT_OF_ORDER
            and uplink.f_cnt < _EARLY_FRAME
            and uplink.time_s > count.time_s + _REORDER_S
        )
        if again or uplink.dev_addr != count.dev_addr or uplink.f_cnt > count.f_cnt:
            count.dev_addr, count.f_cnt, count.time_s = (
                uplink.dev_addr, uplink.f_cnt, uplink.time_s,
            )  # fmt: skip
        return self._restarted(device, count, uplink.received_s) if again else []

    def tick(self, now_s: float) -> list[AlertEvent]:
        """End what has not happened again for a day."""
        events: list[AlertEvent] = []
        for count in self._counts.values():
            alert = count.alert
            if alert is not None and now_s - alert.last_seen_s > _DAY_S:
                count.alert = None
                events += self._book.end(alert, now_s)
        return events

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart of our own."""
        count = self._counts.setdefault(alert.dev_eui, _Count())
        count.alert = alert
        said = alert.reason[0].observed
        times = 1 if isinstance(said, str) else min(int(said), 64)
        count.restarts_s.extend([alert.last_seen_s] * times)

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device and end its alert."""
        count = self._counts.pop(dev_eui, None)
        alert = count.alert if count else None
        return self._book.end(alert, alert.last_seen_s) if alert else []

    def _restarted(self, device: DeviceInfo, count: _Count, now_s: float) -> list[AlertEvent]:
        count.restarts_s.append(now_s)
        times = sum(now_s - one <= _DAY_S for one in count.restarts_s)
        before = count.alert
        first_s = before.first_seen_s if before else now_s
        count.alert = _alert(device, times, first_s, now_s)
        if before is None:
            return self._book.begin(count.alert)
        count.alert = replace(count.alert, id=before.id)
        often = (times >= _OFTEN and times & (times - 1) == 0) or times == _OFTEN
        return self._book.update(count.alert) if often else []


def _alert(device: DeviceInfo, times: int, first_s: float, now_s: float) -> Alert:
    name = device.name or str(device.dev_eui)
    often = times >= _OFTEN
    title = (
        say("{name}: started again {times} times in a day", name=name, times=times)
        if often
        else say("{name}: started again, its frame counter began anew", name=name)
    )
    advice = (
        say("Check its battery, its plug and moisture in the housing.")
        if often
        else say("Nothing to do, unless nobody switched it off or it happens again.")
    )
    return Alert(
        id=alert_id(device.dev_eui, RULE, "", first_s), dev_eui=device.dev_eui, rule=RULE,
        kind="reboot", cause="sensor", severity=Severity.WARNING if often else Severity.INFO,
        title=title, advice=advice, reason=(Reason(RESTARTS, times, None, 1.0, None),),
        first_seen_s=first_s, last_seen_s=now_s,
    )  # fmt: skip
