"""Clocks that are wrong: a device's own, and a radio gateway's.

A reading may carry a time of its own; one that lies in the future is a device's clock that is set
wrongly. A radio gateway whose time differs from the network server's is told by the decoder, uplink
by uplink (`clock_suspect`). Either must last for five in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.alerts.book import AlertBook, alert_id
from gateway.speech import duration, say
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    Reading,
    Reason,
    Severity,
    Uplink,
)

RULE = "at-once:clock"
AHEAD = Channel("device.clock_ahead")
_GATEWAY = "gateway."
_SUSPECT = ".clock_suspect"
_AHEAD_S = 600.0
_ROW = 5
_GATEWAYS = 64


@dataclass(slots=True)
class _Row:
    """How many in a row were wrong, or right again."""

    wrong: int = 0
    right: int = 0
    alert: Alert | None = None


class ClockRule:
    """Counts by device, and by radio gateway."""

    def __init__(self, book: AlertBook) -> None:
        self._book = book
        self._devices: dict[DevEui, _Row] = {}
        self._gateways: dict[str, _Row] = {}

    def heard(self, device: DeviceInfo, uplink: Uplink) -> list[AlertEvent]:
        """Take what one frame tells of the radio gateway that heard it alone."""
        if len(uplink.receptions) != 1 or not uplink.receptions[0].gateway_id:
            return []
        gateway = uplink.receptions[0].gateway_id
        if gateway not in self._gateways and len(self._gateways) >= _GATEWAYS:
            return []
        row = self._gateways.setdefault(gateway, _Row())
        if not _counts(row, wrong=uplink.clock_suspect):
            return self._right(row, uplink.received_s)
        if row.alert is not None:
            return []
        row.alert = Alert(
            id=alert_id(device.dev_eui, RULE, gateway, uplink.received_s), dev_eui=device.dev_eui,
            rule=RULE, kind="clock", cause="network", severity=Severity.WARNING,
            title=say("Radio gateway {gateway}: its clock is wrong", gateway=gateway),
            advice=say("Let it set its clock from the network (NTP) or by GPS."),
            reason=(Reason(Channel(_GATEWAY + gateway + _SUSPECT), True, None, 1.0, None),),
            first_seen_s=uplink.received_s, last_seen_s=uplink.received_s,
            evidence=(say("The network server's clock differs; its time is used instead."),),
        )  # fmt: skip
        return self._book.begin(row.alert)

    def consider(
        self, device: DeviceInfo, readings: Sequence[Reading], now_s: float
    ) -> list[AlertEvent]:
        """Take the times of one uplink's readings."""
        if not readings:
            return []
        ahead_s = max(reading.time_s for reading in readings) - now_s
        row = self._devices.get(device.dev_eui)
        if row is None:
            if ahead_s <= _AHEAD_S:
                return []
            row = self._devices[device.dev_eui] = _Row()
        if not _counts(row, wrong=ahead_s > _AHEAD_S):
            return self._right(row, now_s)
        if row.alert is not None:
            return []
        name = device.name or str(device.dev_eui)
        row.alert = Alert(
            id=alert_id(device.dev_eui, RULE, "", now_s), dev_eui=device.dev_eui, rule=RULE,
            kind="clock", cause="sensor", severity=Severity.WARNING,
            title=say("{name}: its clock is {time} ahead", name=name, time=duration(ahead_s)),
            advice=say("Set its clock, or let it send readings without times of its own."),
            reason=(Reason(AHEAD, round(ahead_s), (0.0, 0.0, _AHEAD_S), 1.0, None, "s"),),
            first_seen_s=now_s, last_seen_s=now_s,
        )  # fmt: skip
        return self._book.begin(row.alert)

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        channel = str(alert.reason[0].channel)
        row = _Row(wrong=_ROW, alert=alert)
        if channel.startswith(_GATEWAY):
            self._gateways[channel.removeprefix(_GATEWAY).removesuffix(_SUSPECT)] = row
        else:
            self._devices[alert.dev_eui] = row

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device and end the alerts that are kept under it."""
        events: list[AlertEvent] = []
        self_owned = self._devices.pop(dev_eui, _Row())
        for row in (self_owned, *self._gateways.values()):
            if row.alert is not None and row.alert.dev_eui == dev_eui:
                events += self._right(row, row.alert.last_seen_s, at_once=True)
        return events

    def _right(self, row: _Row, now_s: float, *, at_once: bool = False) -> list[AlertEvent]:
        alert = row.alert
        if alert is None or (row.right < _ROW and not at_once):
            return []
        row.alert, row.wrong = None, 0
        return self._book.end(alert, now_s)


def _counts(row: _Row, *, wrong: bool) -> bool:
    """Count one; return whether enough in a row were wrong."""
    row.wrong, row.right = (row.wrong + 1, 0) if wrong else (0, row.right + 1)
    return row.wrong >= _ROW
