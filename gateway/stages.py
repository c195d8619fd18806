"""The synchronous middle of the pipeline: one batch of deliveries becomes one outcome.

::

    decode -> deduplicate -> window -> infer -> decide

Nothing here waits, and nothing here is written: the outcome goes to the store as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gateway.alerts import AlertEngine
from gateway.config import Config
from gateway.control import DownlinkTracker
from gateway.devices import Device, DeviceBook
from gateway.errors import BadInput
from gateway.inference import HISTORY as CALIBRATION
from gateway.inference import Detector
from gateway.requests import SOURCE as OPERATOR
from gateway.requests import Command, Hello, Question, Requests
from gateway.store import EventRecord, Store, UplinkRecord
from gateway.telemetry import Telemetry
from gateway.types import (
    Ack,
    AlertEvent,
    Channel,
    Clock,
    Delivery,
    DevEui,
    DeviceEvent,
    DeviceLocation,
    DeviceStatus,
    Downlink,
    Join,
    Reading,
    ReadingKind,
    Rejected,
    ServerLog,
    TxAck,
    Uplink,
    Verdict,
    Warming,
    Window,
)
from gateway.windows import WindowBank

Decode = Callable[[Delivery], DeviceEvent]
"""Turns a source's bytes into an event; raises BadInput."""

Measured = Uplink | DeviceStatus | DeviceLocation

ReadingsOf = Callable[[Measured], tuple[list[Reading], list[tuple[str, str]]]]
"""An event's readings, and its leaves that could not be read as (reason, key)."""

TICK_S = 30.0

RECALLED = 64
"""How many newest uplinks of each device are read at the start; more when it speaks again."""

MARGIN = "radio.margin"
UNJUDGED = ("location.", "radio.spreadingFactor")
"""Channels that are kept and shown, but whose movement means nothing."""


@dataclass(slots=True)
class Outcome:
    """What one batch came to: facts to commit, then to publish."""

    now_s: float
    taken: int = 0
    uplinks: list[UplinkRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    alerts: list[AlertEvent] = field(default_factory=list)
    downlinks: list[Downlink] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    touched: dict[DevEui, Device] = field(default_factory=dict)
    fresh: list[Device] = field(default_factory=list)
    availability: dict[DevEui, bool] = field(default_factory=dict)
    dispatch: list[Downlink] = field(default_factory=list)
    answers: list[Downlink] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    hello: bool = False

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for this: an alert or a command does not wait for company."""
        return bool(self.alerts or self.downlinks or self.answers or self.questions or self.hello)


@dataclass(slots=True)
class _Pending:
    """An uplink between its decoding and its verdicts."""

    uplink: Uplink
    device: Device
    readings: list[Reading]
    late: bool
    samples: slice = field(default_factory=lambda: slice(0, 0))


class Stages:
    """Works one batch at a time; all state is rebuilt from the store when it starts."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        store: Store,
        decoders: Mapping[str, Decode],
        readings_of: ReadingsOf,
        windows: WindowBank,
        detector: Detector | None,
        alerts: AlertEngine,
        downlinks: DownlinkTracker,
        requests: Requests,
        telemetry: Telemetry,
    ) -> None:
        self._config = config
        self._clock = clock
        self._store = store
        self._decoders = decoders
        self._readings_of = readings_of
        self._windows = windows
        self._detector = detector
        self._alerts = alerts
        self._downlinks = downlinks
        self._telemetry = telemetry
        self._requests = requests
        self._ticked_s = clock.now_s()
        self._steps: list[Downlink] = []
        self.devices = DeviceBook(config, store)

    def work(self, deliveries: Sequence[Delivery]) -> Outcome:
        """Take a batch from bytes to decisions. One bad delivery never costs the others."""
        outcome = Outcome(now_s=self._clock.now_s(), taken=len(deliveries))
        outcome.downlinks, self._steps = self._steps, []
        self._tick(outcome)
        pending: list[_Pending] = []
        for delivery in deliveries:
            try:
                self._take(delivery, outcome, pending)
            except BadInput as error:
                self._put_aside(outcome, delivery, error)
        self._judge(outcome, pending)
        for event in outcome.alerts:
            self._telemetry.alert_changed(event)
        for downlink in outcome.downlinks:
            self._telemetry.command_changed(
                downlink.id, downlink.dev_eui, downlink.state.value, downlink.detail
            )
        return outcome

    def note(self, steps: Sequence[Downlink]) -> None:
        """Take commands that got further outside a batch into the next one."""
        self._steps.extend(steps)

    def _tick(self, outcome: Outcome) -> None:
        if abs(outcome.now_s - self._ticked_s) < TICK_S:
            return
        self._ticked_s = outcome.now_s
        outcome.alerts.extend(self._alerts.tick(outcome.now_s))
        outcome.downlinks.extend(self._downlinks.tick(outcome.now_s))
        outcome.availability.update(self._alerts.availability_changes())

    # --- decode, deduplicate --------------------------------------------------------------

    def _take(self, delivery: Delivery, outcome: Outcome, pending: list[_Pending]) -> None:
        if delivery.source == OPERATOR:
            self._take_request(delivery, outcome)
            return
        if delivery.retained:
            raise BadInput("retained", "a retained event is an old one")
        event = self._decoders[delivery.source](delivery)
        self._telemetry.event_decoded(KIND[type(event)])
        device, is_new = self.devices.admit(event.device, outcome.now_s)
        if is_new:
            outcome.fresh.append(device)
        if isinstance(event, Uplink):
            self._take_uplink(event, device, outcome, pending)
        elif isinstance(event, TxAck | Ack | ServerLog):
            outcome.downlinks.extend(self._downlinks.on_event(event))
            outcome.events.append(EventRecord.of(KIND[type(event)], event))
        elif self.devices.is_known(event.id):
            self._telemetry.uplink_duplicate(device.info.dev_eui, None)
        else:
            self._take_other(event, device, outcome)

    def _take_uplink(
        self, uplink: Uplink, device: Device, outcome: Outcome, pending: list[_Pending]
    ) -> None:
        if self.devices.is_repeat(uplink):
            self._telemetry.uplink_duplicate(device.info.dev_eui, uplink.f_cnt)
            return
        readings, leaves = self._readings_of(uplink)
        for reason, key in leaves:
            self._put_aside_leaf(outcome, uplink, reason, key)
        late = self._is_late(uplink)
        if late:
            self._telemetry.uplink_late(device.info.dev_eui, uplink.f_cnt)
        self._telemetry.uplink_accepted(len(readings))
        device.dev_addr, device.f_cnt = uplink.dev_addr, uplink.f_cnt
        device.last_seen_s = max(device.last_seen_s, uplink.received_s)
        outcome.touched[device.info.dev_eui] = device
        pending.append(_Pending(uplink, device, readings, late))

    def _take_other(
        self, event: Join | DeviceStatus | DeviceLocation, device: Device, outcome: Outcome
    ) -> None:
        outcome.touched[device.info.dev_eui] = device
        device.last_seen_s = max(device.last_seen_s, event.received_s)
        if isinstance(event, Join):
            outcome.seen.append(event.id)
            outcome.events.append(EventRecord.of(KIND[type(event)], event))
            outcome.downlinks.extend(self._downlinks.on_event(event))
            return
        readings, _ = self._readings_of(event)
        self._telemetry.counts["readings"] += len(readings)
        late = self._is_late(event)
        device.take(readings, ())
        device.note(event.id, event.time_s)
        outcome.alerts.extend(
            self._alerts.consider(device.info, (), readings, event.received_s, late=late)
        )
        # It takes the frame of the uplink it came with: to the store it is one more message.
        outcome.uplinks.append(
            UplinkRecord(
                uid=event.id,
                dev_eui=device.info.dev_eui,
                dev_addr=device.dev_addr,
                f_cnt=device.f_cnt,
                time_s=event.time_s,
                received_s=event.received_s,
                late=late,
                readings=tuple(readings),
            )
        )

    def _is_late(self, event: Measured) -> bool:
        return event.time_s < event.received_s - self._config.alerts.late_after_s

    def _take_request(self, delivery: Delivery, outcome: Outcome) -> None:
        match self._requests.read(delivery, self.devices.info_of, outcome.now_s):
            case Command(downlink, is_new=True):
                self._downlinks.add(downlink)
                outcome.downlinks.append(downlink)
                outcome.dispatch.append(downlink)
            case Command(downlink):
                outcome.answers.append(downlink)
            case Question() as question:
                outcome.questions.append(question)
            case Hello():
                outcome.hello = True

    # --- window, infer, decide ------------------------------------------------------------

    def _judge(self, outcome: Outcome, pending: Sequence[_Pending]) -> None:
        samples: list[Window | Warming] = []
        for item in pending:
            self._restore(item.device)
            begin = len(samples)
            samples.extend(self._samples(item))
            item.samples = slice(begin, len(samples))
        verdicts: list[Verdict] = []
        if self._detector is not None and samples:
            verdicts = self._detector.judge(samples)
            self._telemetry.windows_scored(sum(isinstance(one, Window) for one in samples))
        for item in pending:
            self._decide(outcome, item, verdicts[item.samples])

    def _samples(self, item: _Pending) -> list[Window | Warming]:
        samples = []
        for reading in item.readings:
            if not is_judged(reading):
                continue
            sample = self._windows.add(
                reading.time_s, float(reading.value), reading.dev_eui, reading.channel
            )
            if sample is not None and not item.late:
                samples.append(sample)
        return samples

    def _decide(self, outcome: Outcome, item: _Pending, verdicts: Sequence[Verdict]) -> None:
        uplink, info = item.uplink, item.device.info
        outcome.alerts.extend(
            self._alerts.heard(info, uplink.time_s, uplink.received_s, late=item.late)
        )
        outcome.alerts.extend(
            self._alerts.consider(info, verdicts, item.readings, uplink.received_s, late=item.late)
        )
        outcome.availability.update(self._alerts.availability_changes())
        item.device.take(item.readings, verdicts)
        item.device.note(uplink.id, uplink.time_s)
        outcome.uplinks.append(
            UplinkRecord(
                uid=uplink.id,
                dev_eui=info.dev_eui,
                dev_addr=uplink.dev_addr,
                f_cnt=uplink.f_cnt,
                time_s=uplink.time_s,
                received_s=uplink.received_s,
                late=item.late,
                readings=tuple(item.readings),
                verdicts=tuple(replace(verdict, forecast=None) for verdict in verdicts),
            )
        )

    def _restore(self, device: Device) -> None:
        """Rebuild a device's windows and calibration from its newest rows, once after a start."""
        if device.restored:
            return
        device.restored = True
        dev_eui = device.info.dev_eui
        times: dict[Channel, list[float]] = {}
        values: dict[Channel, list[float]] = {}
        verdicts: dict[Channel, list[Verdict]] = {}
        for row in self._store.history(dev_eui, max(CALIBRATION, self._windows.history)):
            if is_report(row.record.readings):
                continue
            for reading in filter(is_judged, row.record.readings):
                times.setdefault(reading.channel, []).append(reading.time_s)
                values.setdefault(reading.channel, []).append(float(reading.value))
            for verdict in row.record.verdicts:
                verdicts.setdefault(verdict.channel, []).append(verdict)
        for channel, at_s in times.items():
            window = self._windows.restore(
                dev_eui, channel, np.array(at_s), np.array(values[channel])
            )
            if self._detector is not None:
                self._detector.restore(dev_eui, channel, window, verdicts.get(channel, []))

    def recall(self) -> None:
        """Take up every known device where it was: what it last said, its rhythm, its alerts."""
        activity: dict[DevEui, list[float]] = {}
        for device in self.devices:
            rows = self._store.history(device.info.dev_eui, RECALLED)
            activity[device.info.dev_eui] = sorted(
                row.record.received_s for row in rows if not row.record.late
            )
            for row in rows:
                record = row.record
                device.take(record.readings, record.verdicts)
                device.note(record.uid, record.time_s)
                self._alerts.consider(device.info, (), record.readings, record.time_s, late=True)
        infos = [device.info for device in self.devices]
        self._alerts.restore(self._store.open_alerts(), activity, self._clock.now_s(), infos)

    # --- bad input ------------------------------------------------------------------------

    def _put_aside(self, outcome: Outcome, delivery: Delivery, error: BadInput) -> None:
        rejected = Rejected(
            reason=error.reason,
            detail=error.detail,
            source=delivery.source,
            topic=delivery.topic,
            payload=delivery.payload[:1024],
            received_s=delivery.received_s,
        )
        self._telemetry.put_aside(rejected)
        outcome.rejected.append(rejected)

    def _put_aside_leaf(self, outcome: Outcome, uplink: Uplink, reason: str, key: str) -> None:
        rejected = Rejected(
            reason=reason,
            detail=f"{uplink.device.dev_eui} FCnt {uplink.f_cnt}: {key}"[:200],
            source="codec",
            topic=uplink.device.dev_eui,
            payload=b"",
            received_s=uplink.received_s,
        )
        self._telemetry.put_aside(rejected)
        outcome.rejected.append(rejected)


def is_judged(reading: Reading) -> bool:
    """Tell whether a reading is a sample of a series that can be forecast."""
    return reading.kind is ReadingKind.NUMERIC and not reading.channel.startswith(UNJUDGED)


def is_report(readings: Sequence[Reading]) -> bool:
    """Tell a stored device status, whose readings are shown but are no samples, by its margin."""
    return any(reading.channel == MARGIN for reading in readings)


KIND: Mapping[type, str] = {
    Uplink: "up",
    Join: "join",
    TxAck: "txack",
    Ack: "ack",
    ServerLog: "log",
    DeviceStatus: "status",
    DeviceLocation: "location",
}
