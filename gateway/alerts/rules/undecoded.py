"""Codecs that fail again and again: one alert for a codec, however many devices it costs.

A device's payloads count as undecodable once so many in a row failed, and as decodable again after
as many that did not. The alert begins with a codec's first such device, names the others as peers,
and ends with the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.words import titled
from gateway.errors import BadInput
from gateway.speech import say
from gateway.types import Alert, AlertEvent, Channel, DevEui, DeviceInfo, Reason, Severity

RULE = "codec"
PEERS = 50
_CHANNEL = "codec."


@dataclass(slots=True)
class _Run:
    """How many payloads of one device in a row ended the same way."""

    failed: bool
    count: int = 0


@dataclass(slots=True)
class _Trouble:
    """A codec's open alert and the devices it does not decode."""

    alert: Alert
    devices: set[DevEui] = field(default_factory=set)


class CodecRule:
    """Counts failures by codec and device."""

    def __init__(self, book: AlertBook, after: int) -> None:
        self._book = book
        self._after = after
        self._runs: dict[tuple[str, DevEui], _Run] = {}
        self._troubles: dict[str, _Trouble] = {}

    def decoded(
        self, device: DeviceInfo, codec: str, failure: BadInput | None, now_s: float
    ) -> list[AlertEvent]:
        """Take how one payload fared."""
        key = (codec, device.dev_eui)
        failed = failure is not None
        run = self._runs.get(key)
        if run is None or run.failed is not failed:
            run = self._runs[key] = _Run(failed)
        run.count += 1
        if run.count != self._after:
            return []
        return self._fails(device, codec, failure, now_s) if failure else self._works(key, now_s)

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        codec = str(alert.reason[0].channel).removeprefix(_CHANNEL)
        self._troubles[codec] = _Trouble(alert, {alert.dev_eui, *alert.peers})
        for dev_eui in (alert.dev_eui, *alert.peers):
            self._runs[codec, dev_eui] = _Run(failed=True, count=self._after)

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device; an alert that was its alone ends."""
        events: list[AlertEvent] = []
        for key in [key for key in self._runs if key[1] == dev_eui]:
            del self._runs[key]
            trouble = self._troubles.get(key[0])
            if trouble is not None:
                events += self._works(key, trouble.alert.last_seen_s)
        return events

    def _fails(
        self, device: DeviceInfo, codec: str, failure: BadInput, now_s: float
    ) -> list[AlertEvent]:
        trouble = self._troubles.get(codec)
        if trouble is None:
            alert = _alert(device, codec, failure, now_s)
            self._troubles[codec] = _Trouble(alert, {device.dev_eui})
            return self._book.begin(alert)
        trouble.devices.add(device.dev_eui)
        peers = sorted(trouble.devices - {trouble.alert.dev_eui})[:PEERS]
        trouble.alert = replace(trouble.alert, peers=tuple(peers), last_seen_s=now_s)
        return self._book.update(trouble.alert)

    def _works(self, key: tuple[str, DevEui], now_s: float) -> list[AlertEvent]:
        codec, dev_eui = key
        trouble = self._troubles.get(codec)
        if trouble is None:
            return []
        trouble.devices.discard(dev_eui)
        if trouble.devices:
            return []
        del self._troubles[codec]
        return self._book.end(trouble.alert, now_s)


def _alert(device: DeviceInfo, codec: str, failure: BadInput, now_s: float) -> Alert:
    channel = Channel(_CHANNEL + codec)
    said = f"{failure.reason.removeprefix('codec_').replace('_', ' ')}: {failure.detail}"
    return Alert(
        id=alert_id(device.dev_eui, RULE, channel, now_s),
        dev_eui=device.dev_eui,
        rule=RULE,
        kind="codec",
        cause="unknown",
        severity=Severity.WARNING,
        title=titled(device, say("its payloads cannot be decoded by {codec}", codec=codec)),
        advice=say(
            "Check that this codec is the device's, and its version: lora-gateway codec run"
        ),
        reason=(Reason(channel, said[:200], None, 1.0, None),),
        first_seen_s=now_s,
        last_seen_s=now_s,
    )
