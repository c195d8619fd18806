"""Taking up where the last run stopped: all state comes back from the newest stored rows.

At the start every device gets what it last said, its rhythm and its alerts. Windows and calibration
need many more rows, so they come back when the device speaks again.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from gateway.agronomy import Derivation
from gateway.alerts import REMEMBERED_DAYS_S, AlertEngine
from gateway.alerts.battery import DAY_S
from gateway.alerts.equipment import LOOKBACK_DAYS, PER_DAY, Equipment
from gateway.alerts.life import REMEMBERED_S
from gateway.codecs import LINK_CHANNELS, LinkHealth
from gateway.devices import Device
from gateway.inference import HISTORY, Detector
from gateway.rulebook import recall
from gateway.store import Reader, Store, StoredUplink, UplinkRecord
from gateway.types import DERIVED, Channel, DevEui, DeviceInfo, Reading, ReadingKind, Verdict
from gateway.windows import WindowBank

RECALLED = 64
"""How many newest uplinks of each device are read at the start."""

DEEPER = 4
"""How much further back is read for a device that sends different channels in turn."""

MOST_RECALLED = 3000
"""The most uplinks of one device that are read at the start for what is derived from them."""

MARGIN = "radio.margin"
UNJUDGED = ("location.", "radio.spreadingFactor", *LINK_CHANNELS)
"""Channels that are kept and shown, but whose movement means nothing."""

_CIRCLES = ("direction", "heading", "azimuth", "bearing", "course")
"""Last words of channels that go round: 359° lies beside 1°, and no line can forecast that."""


def is_judged(reading: Reading) -> bool:
    """Tell whether a reading is a sample of a series that can be forecast."""
    return (
        reading.kind is ReadingKind.NUMERIC
        and not reading.channel.startswith(UNJUDGED)
        and not reading.key.startswith(DERIVED)
        and not _goes_round(reading)
    )


def _goes_round(reading: Reading) -> bool:
    return reading.unit == "°" and reading.channel.lower().endswith(_CIRCLES)


def is_report(readings: Sequence[Reading]) -> bool:
    """Tell a stored device status, whose readings are shown but are no samples, by its margin."""
    return any(reading.channel == MARGIN for reading in readings)


class Recollection:
    """Reads the store once per device; `detector` is None when there is no model."""

    def __init__(
        self,
        store: Store,
        windows: WindowBank,
        detector: Detector | None,
        alerts: AlertEngine,
        *,
        link: LinkHealth,
        derivation: Derivation,
        equipment: Equipment,
    ) -> None:
        self._store = store
        self._windows = windows
        self._detector = detector
        self._alerts = alerts
        self._link = link
        self._derivation = derivation
        self._equipment = equipment
        self._depth = max(HISTORY, windows.history)

    def take_up(self, devices: Iterable[Device], now_s: float) -> None:
        """Give every known device what it last said, its rhythm, counters and open alerts."""
        activity: dict[DevEui, list[float]] = {}
        infos = []
        for device in devices:
            rows = [row.record for row in self._store.history(device.info.dev_eui, RECALLED)]
            activity[device.info.dev_eui] = sorted(
                record.received_s for record in rows if not record.late
            )
            infos.append(device.info)
            self._link.restore(device.info.dev_eui, rows)
            for record in rows:
                device.take(record.readings, record.verdicts)
                device.note(record.uid, record.time_s)
                self._equipment.hear(device.info, record)
                self._alerts.consider(device.info, (), record.readings, record.time_s, late=True)
            if back_s := self._derivation.lookback_s(device.info):
                self._look_back(device, rows, back_s)
        known = {info.dev_eui: info for info in infos}
        recall(self._store, self._alerts.written, known.get, now_s)
        self._alerts.restore(
            self._store.open_alerts(), activity, now_s, infos,
            recent=self._store.ended_alerts(now_s - REMEMBERED_S),
            memory=self._store.alert_memory(),
        )  # fmt: skip

    def _look_back(self, device: Device, newest: Sequence[UplinkRecord], back_s: float) -> None:
        """Give what is derived over days its past, before any device speaks."""
        rows = list(newest)
        if len(rows) == RECALLED:
            span_s = max(rows[-1].time_s - rows[0].time_s, 1.0)
            depth = min(math.ceil(RECALLED * back_s / span_s), MOST_RECALLED)
            if depth > RECALLED:
                eui = device.info.dev_eui
                rows = [row.record for row in self._store.history(eui, depth)]
        self._derivation.recall(device.info, [record.readings for record in rows])

    def restore(self, device: Device) -> None:
        """Rebuild windows, calibration and usual link when a device first speaks again."""
        if device.restored:
            return
        device.restored = True
        rows = self._store.history(device.info.dev_eui, self._depth)
        samples = _samples(rows)
        if len(rows) == self._depth and any(len(one) < self._depth for one in samples.values()):
            rows = self._store.history(device.info.dev_eui, DEEPER * self._depth)
            samples = _samples(rows)
        self._derivation.recall(device.info, _told(rows))
        self._equipment.recall(device.info, older_days(self._store, device.info, device.newest_s))
        verdicts = _verdicts(rows)
        for earlier in self._fortnight(device, rows):
            self._alerts.recall_days(device.info, earlier.record.readings)
        for row in rows:
            if not row.record.late:
                self._alerts.recall(device.info, row.record.readings)
        for channel, readings in samples.items():
            window = self._windows.restore(
                device.info.dev_eui,
                channel,
                np.array([reading.time_s for reading in readings]),
                np.array([float(reading.value) for reading in readings]),
            )
            if self._detector is not None:
                newest = verdicts[channel][-HISTORY:]
                self._detector.restore(device.info.dev_eui, channel, window, newest)

    def _fortnight(self, device: Device, rows: Sequence[StoredUplink]) -> list[StoredUplink]:
        """Return an uplink of each hour that rules look back to and `rows` do not reach."""
        since_s = device.newest_s - REMEMBERED_DAYS_S
        until_s = rows[0].record.time_s if rows else device.newest_s
        return self._store.thinned(device.info.dev_eui, since_s, until_s, 3600.0)


def older_days(store: Reader, info: DeviceInfo, until_s: float) -> Iterator[UplinkRecord]:
    """Yield a few stored uplinks of each day before, as `Equipment.recall` wants them."""
    since_s = until_s - LOOKBACK_DAYS * DAY_S
    rows = store.thinned(info.dev_eui, since_s, until_s, DAY_S / PER_DAY)
    return (row.record for row in rows)


def _samples(rows: Iterable[StoredUplink]) -> dict[Channel, list[Reading]]:
    samples: dict[Channel, list[Reading]] = defaultdict(list)
    for row in rows:
        if not is_report(row.record.readings):
            for reading in filter(is_judged, row.record.readings):
                samples[reading.channel].append(reading)
    return samples


def _told(rows: Iterable[StoredUplink]) -> Iterator[Sequence[Reading]]:
    return (row.record.readings for row in rows)


def _verdicts(rows: Iterable[StoredUplink]) -> dict[Channel, list[Verdict]]:
    verdicts: dict[Channel, list[Verdict]] = defaultdict(list)
    for row in rows:
        for verdict in row.record.verdicts:
            verdicts[verdict.channel].append(verdict)
    return verdicts
