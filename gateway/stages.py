"""The synchronous middle of the pipeline: one batch of deliveries becomes one outcome.

::

    decode -> deduplicate -> window -> infer -> decide

Nothing here waits, and nothing here is written: the outcome goes to the store as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.agronomy import Derivation
from gateway.alerts import AlertEngine, newest_steps
from gateway.codecs import LinkHealth, PayloadDecoder
from gateway.codecs.radio import read_heard
from gateway.config import Config
from gateway.control import (
    Desk,
    DownlinkTracker,
)
from gateway.devices import Device, DeviceBook
from gateway.errors import BadInput
from gateway.inference import Detector
from gateway.instructions import Instructions
from gateway.network import Changes, NetworkServer, Taken
from gateway.outcome import Outcome
from gateway.recollection import Recollection, is_judged
from gateway.requests import SOURCE as OPERATOR
from gateway.requests import (
    Command,
)
from gateway.store import EventRecord, Store, UplinkRecord
from gateway.telemetry import Telemetry
from gateway.types import (
    Ack,
    Clock,
    Delivery,
    DeviceEvent,
    DeviceLocation,
    DeviceStatus,
    Downlink,
    DownlinkState,
    EventType,
    Join,
    Reading,
    Rejected,
    ServerLog,
    TxAck,
    Uplink,
    Verdict,
    Warming,
    Window,
)
from gateway.upkeep import SamplingAdviser
from gateway.windows import WindowBank

Decode = Callable[[Delivery], DeviceEvent]
"""Turns a source's bytes into an event; raises BadInput."""

Measured = Uplink | DeviceStatus | DeviceLocation

ReadingsOf = Callable[[Measured], tuple[list[Reading], list[tuple[str, str]]]]
"""An event's readings, and its leaves that could not be read as (reason, key)."""

TICK_S = 30.0

CHIRPSTACK_LINK = "chirpstack"
"""The connection without which nobody is heard through the network server."""


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
        payloads: PayloadDecoder,
        readings_of: ReadingsOf,
        link: LinkHealth,
        windows: WindowBank,
        detector: Detector | None,
        alerts: AlertEngine,
        downlinks: DownlinkTracker,
        network: NetworkServer,
        desk: Desk,
        instructions: Instructions,
        devices: DeviceBook,
        adviser: SamplingAdviser,
        telemetry: Telemetry,
    ) -> None:
        self._config = config
        self._clock = clock
        self._store = store
        self._decoders = decoders
        self._payloads = payloads
        self._readings_of = readings_of
        self._link = link
        self._windows = windows
        self._detector = detector
        self._alerts = alerts
        self._downlinks = downlinks
        self._telemetry = telemetry
        self._network = network
        self._desk = desk
        if detector is not None:
            detector.factors = alerts.life.adjustments.factors
        self._adviser = adviser
        self._changes: list[Changes] = []
        self._ticked_s = clock.now_s()
        self._steps: list[Downlink] = []
        self._held_back: set[str] = set()
        self.devices = devices
        self.instructions = instructions
        self._derivation = Derivation(config.agronomy)
        self._recollection = Recollection(
            store,
            windows,
            detector,
            alerts,
            link=link,
            derivation=self._derivation,
            equipment=adviser.equipment,
        )
        self._recollection.take_up(self.devices, clock.now_s())

    def work(self, deliveries: Sequence[Delivery]) -> Outcome:
        """Take a batch from bytes to decisions. One bad delivery never costs the others."""
        outcome = Outcome(now_s=self._clock.now_s(), taken=len(deliveries))
        steps, self._steps = self._steps, []
        self._advance(outcome, steps)
        outcome.radio, self._changes = self._changes, []
        self._tick(outcome)
        outcome.downlinks.extend(self._desk.due(outcome.now_s))
        pending: list[_Pending] = []
        for delivery in deliveries:
            try:
                self._take(delivery, outcome, pending)
            except BadInput as error:
                self._put_aside(outcome, delivery, error)
        self._carry(self._network.plan(outcome.now_s), outcome, pending)
        self._judge(outcome, pending)
        for event in outcome.alerts:
            if event.event_type is not EventType.UPDATE:
                self._adviser.hasten(event.alert.dev_eui)
        self.instructions.work(outcome)
        self._send_on(outcome)
        outcome.alerts = newest_steps(outcome.alerts)
        outcome.memory.update(self._alerts.life.changes())
        self.instructions.follow(outcome)
        for event in outcome.alerts:
            self._telemetry.alert_changed(event)
        for downlink in outcome.downlinks:
            self._telemetry.command_changed(
                downlink.id, downlink.dev_eui, downlink.state.value, downlink.detail
            )
        return outcome

    def note(self, steps: Sequence[Downlink] = (), changes: Changes | None = None) -> None:
        """Take what got further outside a batch, commands or radio sessions, into the next one."""
        self._steps.extend(steps)
        if changes:
            self._changes.append(changes)

    def settle_restart(self, now_s: float) -> None:
        """Settle commands that were open when the last run ended, in the first batch."""
        before, self._steps = self._steps, []
        steps = [
            *before,
            *self._desk.follow(before, now_s),
            *self._desk.restart(now_s, self._network.serves),
        ]
        told = {one.id for one in steps}
        self._steps = steps + [
            one
            for one in self._downlinks.waiting()
            if one.id not in told and not self._network.serves(one.dev_eui)
        ]

    def unreached(self, downlink: Downlink) -> None:
        """Note that the network server could not be told of a command: it certainly has it not."""
        self._held_back.add(downlink.id)
        self._steps += self._downlinks.amend(replace(downlink, offered=False))

    def reached(self) -> bool:
        """Let go what the network server could not be told; say whether there is any."""
        found = [self._downlinks.get(identity) for identity in self._held_back]
        self._held_back.clear()
        self._steps += sorted(filter(None, found), key=lambda one: one.created_s)
        return bool(found)

    def _advance(self, outcome: Outcome, steps: Sequence[Downlink]) -> None:
        """Take steps of commands, with all that follows from them."""
        outcome.downlinks.extend(steps)
        outcome.downlinks.extend(self._desk.follow(steps, outcome.now_s))

    def _send_on(self, outcome: Outcome) -> None:
        """Hand the network server what has become free to go in this batch."""
        freed: dict[str, Downlink] = {}
        for step in outcome.downlinks:
            now = self._downlinks.get(step.id)
            if step.state is not DownlinkState.ACCEPTED or now is None:
                continue
            if step.id in freed or step.id in self._held_back:
                continue
            if now.state is DownlinkState.ACCEPTED and not self._network.serves(now.dev_eui):
                # Stored before it is done: after a crash it is known that it may have been.
                freed[step.id] = replace(now, offered=True)
                self._downlinks.amend(freed[step.id])
        # A pump must not run against valves that close, so its stop goes before their closes.
        outcome.dispatch.extend(sorted(freed.values(), key=lambda one: one.effect != "stop"))
        # The last step of a command is the one that stays in the store: each must say so.
        outcome.downlinks[:] = [
            freed.get(step.id, step) if step.state is DownlinkState.ACCEPTED else step
            for step in outcome.downlinks
        ]

    def _tick(self, outcome: Outcome) -> None:
        if abs(outcome.now_s - self._ticked_s) < TICK_S:
            return
        self._ticked_s = outcome.now_s
        cut_off = CHIRPSTACK_LINK in self._telemetry.down
        outcome.alerts.extend(self._alerts.tick(outcome.now_s, cut_off=cut_off))
        self._advance(outcome, self._downlinks.tick(outcome.now_s))
        outcome.availability.update(self._alerts.availability_changes())
        self._advise(outcome)

    def _advise(self, outcome: Outcome) -> None:
        """Say how often devices should measure, and set it where the operator agreed."""
        advised = self._adviser.look(
            self.devices, self._alerts.open(), self.instructions.target_of, outcome.now_s
        )
        outcome.advice.update(advised.changed)
        outcome.control.update(advised.kept)
        for downlink, is_new in advised.commands:
            self.instructions.take_command(Command(downlink, is_new=is_new), outcome)

    # --- decode, deduplicate --------------------------------------------------------------

    def _take(self, delivery: Delivery, outcome: Outcome, pending: list[_Pending]) -> None:
        if delivery.source == OPERATOR:
            self.instructions.take(delivery, outcome)
            return
        if self._network.hears(delivery.source):
            frame = read_heard(delivery.payload)
            taken = self._network.take(delivery.source, frame, delivery.received_s, outcome.now_s)
            self._carry(taken, outcome, pending)
            return
        if delivery.retained:
            raise BadInput("retained", "a retained event is an old one")
        self._take_event(self._decoders[delivery.source](delivery), outcome, pending)

    def _carry(self, taken: Taken, outcome: Outcome, pending: list[_Pending]) -> None:
        """Take what our own network server made of a frame; what it changed must be stored."""
        if taken.changes:
            outcome.radio.append(taken.changes)
        outcome.transmissions.extend(taken.transmissions)
        self._advance(outcome, taken.steps)
        for event in taken.events:
            self._take_event(event, outcome, pending)

    def _take_event(self, event: DeviceEvent, outcome: Outcome, pending: list[_Pending]) -> None:
        self._telemetry.event_decoded(KIND[type(event)])
        registered = self._network.serves(event.device.dev_eui)
        device, is_new = self.devices.admit(event.device, outcome.now_s, registered=registered)
        if is_new:
            outcome.fresh.append(device)
        if isinstance(event, Uplink):
            self._take_uplink(event, device, outcome, pending)
        elif isinstance(event, TxAck | Ack | ServerLog):
            self._advance(outcome, self._downlinks.on_event(event))
            outcome.events.append(EventRecord.of(KIND[type(event)], event))
        elif self.devices.is_known(event.id):
            self._telemetry.uplink_duplicate(device.info.dev_eui, None)
        else:
            self._take_other(event, device, outcome)

    def _take_uplink(
        self, uplink: Uplink, device: Device, outcome: Outcome, pending: list[_Pending]
    ) -> None:
        # Our own network server has judged the counter, and knows when it may start again.
        judged = self._network.serves(device.info.dev_eui)
        if self.devices.is_known(uplink.id) if judged else self.devices.is_repeat(uplink):
            self._telemetry.uplink_duplicate(device.info.dev_eui, uplink.f_cnt)
            return
        uplink = self._decoded(uplink, outcome)
        readings, leaves = self._readings_of(uplink)
        taken = {reading.channel for reading in readings}
        readings += [one for one in self._link.readings(uplink) if one.channel not in taken]
        for reason, key in leaves:
            self._put_aside_leaf(outcome, uplink, reason, key)
        late = self._is_late(uplink)
        if late:
            self._telemetry.uplink_late(device.info.dev_eui, uplink.f_cnt)
        self._telemetry.uplink_accepted(len(readings))
        if uplink.time_s >= device.newest_s:
            device.dev_addr, device.f_cnt = uplink.dev_addr, uplink.f_cnt
        device.last_seen_s = max(device.last_seen_s, uplink.received_s)
        outcome.touched[device.info.dev_eui] = device
        if not judged:
            self._advance(outcome, self._desk.heard(device.info.dev_eui, outcome.now_s))
        pending.append(_Pending(uplink, device, readings, late))

    def _decoded(self, uplink: Uplink, outcome: Outcome) -> Uplink:
        """Return the uplink with what its bytes say; a codec's failure is put aside beside it."""
        payload = self._payloads.decode(uplink)
        if not payload.codec:
            return uplink
        for reason, key in payload.rejects:
            self._put_aside_leaf(outcome, uplink, reason, key)
        if payload.failure is None:
            self._telemetry.payload_decoded(
                payload.codec, uplink.device.dev_eui, payload.differences
            )
        else:
            self._telemetry.payload_failed(payload.codec)
            self._put_aside_payload(outcome, uplink, payload.codec, payload.failure)
        outcome.alerts.extend(
            self._alerts.decoded(
                uplink.device, payload.codec, payload.failure, uplink.received_s,
                late=self._is_late(uplink),
            )
        )  # fmt: skip
        return payload.uplink

    def _take_other(
        self, event: Join | DeviceStatus | DeviceLocation, device: Device, outcome: Outcome
    ) -> None:
        outcome.touched[device.info.dev_eui] = device
        device.last_seen_s = max(device.last_seen_s, event.received_s)
        if isinstance(event, Join):
            outcome.seen.append(event.id)
            outcome.events.append(EventRecord.of(KIND[type(event)], event))
            self._advance(outcome, self._downlinks.on_event(event))
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
        record = UplinkRecord(
            uid=event.id,
            dev_eui=device.info.dev_eui,
            dev_addr=device.dev_addr,
            f_cnt=device.f_cnt,
            time_s=event.time_s,
            received_s=event.received_s,
            late=late,
            readings=tuple(readings),
        )
        outcome.uplinks.append(record)
        self._adviser.equipment.hear(device.info, record)

    def _is_late(self, event: Measured) -> bool:
        return event.time_s < event.received_s - self._config.alerts.late_after_s

    # --- window, infer, decide ------------------------------------------------------------

    def _judge(self, outcome: Outcome, pending: Sequence[_Pending]) -> None:
        samples: list[Window | Warming] = []
        for item in pending:
            self._recollection.restore(item.device)
            if self._detector is not None:
                self._detector.adaptation.meet(item.device.info)
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
        derived = self._derivation.readings(info, item.readings, verdicts, late=item.late)
        item.readings.extend(derived)
        self._telemetry.counts["readings"] += len(derived)
        outcome.alerts.extend(
            self._alerts.heard(
                info, uplink.time_s, uplink.received_s, late=item.late, uplink=uplink
            )
        )
        outcome.alerts.extend(
            self._alerts.consider(info, verdicts, item.readings, uplink.received_s, late=item.late)
        )
        outcome.availability.update(self._alerts.availability_changes())
        self._advance(outcome, self._downlinks.on_readings(item.readings, outcome.now_s))
        item.device.take(item.readings, verdicts)
        item.device.note(uplink.id, uplink.time_s)
        record = UplinkRecord(
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
        outcome.uplinks.append(record)
        self._adviser.equipment.hear(info, record)

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

    def _put_aside_payload(
        self, outcome: Outcome, uplink: Uplink, codec: str, error: BadInput
    ) -> None:
        """Keep a payload that its codec could not decode; the uplink itself goes on without it."""
        about = f"{uplink.device.dev_eui} FCnt {uplink.f_cnt} FPort {uplink.f_port}"
        self._aside(
            outcome, uplink, error.reason, f"{codec}: {error.detail} ({about})", uplink.data
        )

    def _put_aside_leaf(self, outcome: Outcome, uplink: Uplink, reason: str, key: str) -> None:
        about = f"{uplink.device.dev_eui} FCnt {uplink.f_cnt}"
        self._aside(outcome, uplink, reason, f"{about}: {key}", b"")

    def _aside(
        self, outcome: Outcome, uplink: Uplink, reason: str, detail: str, payload: bytes
    ) -> None:
        rejected = Rejected(
            reason=reason,
            detail=detail[:200],
            source="codec",
            topic=uplink.device.dev_eui,
            payload=payload,
            received_s=uplink.received_s,
        )
        self._telemetry.put_aside(rejected)
        outcome.rejected.append(rejected)


KIND: Mapping[type, str] = {
    Uplink: "up",
    Join: "join",
    TxAck: "txack",
    Ack: "ack",
    ServerLog: "log",
    DeviceStatus: "status",
    DeviceLocation: "location",
}
