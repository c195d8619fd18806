"""Channels that go missing while their device still speaks: a probe unplugged, a codec changed.

How many uplinks may pass between two readings of a channel is learned; it is missing after four
times the longest such pause, at least 12 uplinks and 6 h. After two days it is how the device is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.families import Family, family_of, words_of
from gateway.speech import say
from gateway.types import (
    DERIVED,
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

RULE = "at-once:dropout"
CHANNELS = 32
"""Channels of a device that are watched."""

_KNOWN = 24
_TIMES = 4
_LEAST = 12
_LEAST_S = 6 * 3600.0
_ACCEPTED_S = 48 * 3600.0
_OTHERS = ("radio.", "device.", "location.")


@dataclass(slots=True)
class _Presence:
    """One channel: how often it came, and the longest pause, in uplinks of its device."""

    seen: int = 0
    at: int = 0
    last_s: float = 0.0
    longest: int = 1
    value: float = 0.0
    unit: str = ""


@dataclass(slots=True)
class _Device:
    """The uplinks of one device with any watched channel, and what is missing in them."""

    count: int = 0
    channels: dict[Channel, _Presence] = field(default_factory=dict)
    alert: Alert | None = None
    missing: set[Channel] = field(default_factory=set)


class DropoutRule:
    """Counts which channels come; one alert per device for all that are missing."""

    def __init__(self, book: AlertBook) -> None:
        self._book = book
        self._devices: dict[DevEui, _Device] = {}

    def consider(
        self, device: DeviceInfo, readings: Sequence[Reading], now_s: float
    ) -> list[AlertEvent]:
        """Judge what one uplink brought, and did not."""
        known = self._learn(device, readings)
        if known is None:
            return []
        if known.missing:
            known.missing -= {reading.channel for reading in readings}
            if known.alert is not None and not known.missing:
                return self._close(known, now_s)
        gone = {
            channel for channel, one in known.channels.items()
            if known.count - one.at >= _LEAST and channel not in known.missing
            and one.seen >= _KNOWN and known.count - one.at >= _TIMES * one.longest
            and now_s - one.last_s >= _LEAST_S
        }  # fmt: skip
        return self._missing(device, known, gone, now_s) if gone else []

    def recall(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from a stored uplink after a restart; give a device's oldest first."""
        self._learn(device, readings)

    def tick(self, now_s: float) -> list[AlertEvent]:
        """After two days a channel is no longer missed."""
        events: list[AlertEvent] = []
        for known in self._devices.values():
            alert = known.alert
            if alert is not None and now_s - alert.last_seen_s > _ACCEPTED_S:
                for channel in known.missing:
                    known.channels.pop(channel, None)
                events += self._close(known, now_s)
        return events

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        known = self._devices.setdefault(alert.dev_eui, _Device())
        known.alert = alert
        known.missing = {reason.channel for reason in alert.reason}

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device and end its alert."""
        known = self._devices.pop(dev_eui, None)
        return self._close(known, known.alert.last_seen_s) if known and known.alert else []

    def _learn(self, device: DeviceInfo, readings: Sequence[Reading]) -> _Device | None:
        told = [reading for reading in readings if _is_watched(reading)]
        if not told:
            return None
        known = self._devices.setdefault(device.dev_eui, _Device())
        known.count += 1
        for reading in told:
            one = known.channels.get(reading.channel)
            if one is None:
                if len(known.channels) >= CHANNELS:
                    continue
                one = known.channels[reading.channel] = _Presence(at=known.count)
            one.longest = max(one.longest, known.count - one.at)
            one.seen, one.at, one.last_s = one.seen + 1, known.count, reading.time_s
            one.value, one.unit = float(reading.value), reading.unit
        return known

    def _missing(
        self, device: DeviceInfo, known: _Device, gone: set[Channel], now_s: float
    ) -> list[AlertEvent]:
        known.missing |= gone
        before = known.alert
        channels = sorted(known.missing)
        first_s = before.first_seen_s if before else min(
            known.channels[channel].last_s for channel in channels
        )  # fmt: skip
        name, words = device.name or str(device.dev_eui), ", ".join(map(words_of, channels[:3]))
        title = (
            say("{name}: {words} is missing though the device is heard", name=name, words=words)
            if len(channels) == 1
            else say("{name}: {words} are missing though the device is heard",
                     name=name, words=words)
        )  # fmt: skip
        alert = Alert(
            id=alert_id(device.dev_eui, RULE, channels[0], first_s), dev_eui=device.dev_eui,
            rule=RULE, kind="dropout", cause="sensor", severity=Severity.WARNING, title=title,
            advice=say("Check the probe and its plug, and whether its codec was changed."),
            reason=tuple(self._reason(known, channel, len(channels)) for channel in channels),
            first_seen_s=first_s, last_seen_s=now_s,
        )  # fmt: skip
        known.alert = replace(alert, id=before.id) if before else alert
        return self._book.update(known.alert) if before else self._book.begin(known.alert)

    def _reason(self, known: _Device, channel: Channel, count: int) -> Reason:
        one = known.channels.get(channel, _Presence())
        return Reason(channel, one.value, None, 1.0 / count, None, one.unit)

    def _close(self, known: _Device, now_s: float) -> list[AlertEvent]:
        alert, known.alert = known.alert, None
        known.missing.clear()
        return self._book.end(alert, now_s) if alert else []


def _is_watched(reading: Reading) -> bool:
    return (
        reading.kind is ReadingKind.NUMERIC
        and not isinstance(reading.value, str)
        and not reading.channel.startswith(_OTHERS)
        and not reading.key.startswith(DERIVED)
        and family_of(reading.channel) is not Family.BATTERY
    )
