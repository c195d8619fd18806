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
from gateway.alerts.written import RULE_PREFIX, DueAction
from gateway.codecs import LinkHealth, PayloadDecoder
from gateway.codecs.radio import read_heard
from gateway.collective import Collective
from gateway.config import Config
from gateway.control import (
    PROGRAM,
    PROGRAM_VERBS,
    Authority,
    Desk,
    DownlinkTracker,
    Groups,
    Programs,
    Target,
    carry_out,
    refused_as,
)
from gateway.devices import Device, DeviceBook
from gateway.errors import BadInput, CommandRefused, ConfigError
from gateway.handling import Handling
from gateway.inference import Detector
from gateway.network import Changes, NetworkServer, Taken
from gateway.outcome import Outcome, Reply
from gateway.recollection import Recollection, is_judged
from gateway.requests import (
    ABOUT_ALERTS,
    Command,
    GroupAsked,
    Hello,
    Ordered,
    Question,
    Requests,
)
from gateway.requests import SOURCE as OPERATOR
from gateway.rulebook import TOPIC as RULE_TOPIC
from gateway.rulebook import Rulebook, action_id
from gateway.speech import say
from gateway.store import AuditRecord, EventRecord, Store, UplinkRecord
from gateway.telemetry import Telemetry
from gateway.types import (
    Ack,
    Clock,
    Delivery,
    DevEui,
    DeviceEvent,
    DeviceInfo,
    DeviceLocation,
    DeviceStatus,
    Downlink,
    DownlinkState,
    EventType,
    Join,
    Json,
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
        requests: Requests,
        network: NetworkServer,
        desk: Desk,
        handling: Handling,
        devices: DeviceBook,
        programs: Programs,
        groups: Groups,
        authority: Authority,
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
        self._requests = requests
        self._network = network
        self._desk = desk
        self._handling = handling
        if detector is not None:
            detector.factors = alerts.life.adjustments.factors
        self._adviser = adviser
        self._desk.target_of = self._target_of
        self._changes: list[Changes] = []
        self._ticked_s = clock.now_s()
        self._steps: list[Downlink] = []
        self._held_back: set[str] = set()
        self._programs = programs
        self._authority = authority
        self.devices = devices
        self._collective = Collective(
            groups,
            requests,
            authority=authority,
            heard=lambda: [*(one.info for one in self.devices), *network.infos()],
            info_of=self._info_of,
            take_command=self._take_command,
        )
        self._derivation = Derivation(config.agronomy)
        self.rulebook = Rulebook(
            config,
            alerts.written,
            store,
            authority,
            channels=self.devices.channels,
            info_of=self._info_of,
            now_s=clock.now_s(),
        )
        for trouble in self.rulebook.troubles:
            telemetry.warned(trouble)
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
        self._act(outcome)
        for event in outcome.alerts:
            if event.event_type is not EventType.UPDATE:
                self._adviser.hasten(event.alert.dev_eui)
        self._work_programs(outcome)
        self._send_on(outcome)
        self._collective.follow(outcome)
        outcome.alerts = newest_steps(outcome.alerts)
        outcome.memory.update(self._alerts.life.changes())
        if self.rulebook.note(outcome.alerts):
            outcome.rules = self.rulebook.listed(outcome.now_s)
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
        outcome.dispatch.extend(freed.values())
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
            self.devices, self._alerts.open(), self._target_of, outcome.now_s
        )
        outcome.advice.update(advised.changed)
        outcome.control.update(advised.kept)
        for downlink, is_new in advised.commands:
            self._take_command(Command(downlink, is_new=is_new), outcome)

    # --- decode, deduplicate --------------------------------------------------------------

    def _take(self, delivery: Delivery, outcome: Outcome, pending: list[_Pending]) -> None:
        if delivery.source == OPERATOR:
            self._take_request(delivery, outcome)
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

    def _take_request(self, delivery: Delivery, outcome: Outcome) -> None:
        match self._requests.read(delivery, self._info_of, outcome.now_s):
            case Command() as command:
                self._take_command(command, outcome)
            case GroupAsked() as asked:
                self._collective.take(asked, outcome)
            case Ordered(question):
                self._take_order(question, outcome)
            case Question() as question if question.verb.startswith(RULE_TOPIC):
                self._take_rule(question, outcome)
            case Question() as question:
                outcome.questions.append(question)
            case Hello():
                outcome.hello = True

    def _take_rule(self, question: Question, outcome: Outcome) -> None:
        """Carry out what is asked of people's own rules; a trial of one is left to the daemon."""
        verb = question.verb.removeprefix(RULE_TOPIC)
        try:
            ruled = self.rulebook.order(verb, question.body, outcome.now_s)
        except (CommandRefused, ConfigError) as refusal:
            said = str(refusal)
            outcome.replies.append(Reply(question, error=said))
            facts = {"what": question.verb[:32], "by": str(question.body.get("by", ""))[:64]}
            refused_facts = {**facts, "detail": said[:400]}
            outcome.audit.append(AuditRecord(outcome.now_s, "rule_refused", refused_facts))
            return
        outcome.alerts.extend(self._alerts.pass_on(ruled.events, outcome.now_s))
        outcome.control.update(ruled.kept)
        if ruled.trial is not None:
            outcome.trials.append((question, ruled.trial))
        else:
            outcome.replies.append(Reply(question, data=ruled.answer))
        if ruled.facts:
            outcome.audit.append(AuditRecord(outcome.now_s, "rule", ruled.facts))
            outcome.rules = self.rulebook.listed(outcome.now_s)

    def _act(self, outcome: Outcome) -> None:
        """Give the commands that people's rules ask for, and say in the alert what became of it."""
        for due in self._alerts.written.due():
            said = self._acted(due, outcome)
            events = self._alerts.written.acted(due.rule, due.alert_id, said)
            outcome.alerts.extend(self._alerts.pass_on(events, outcome.now_s))

    def _acted(self, due: DueAction, outcome: Outcome) -> str:
        name = due.action.command
        found = [one for one in self.devices if due.device in (one.info.dev_eui, one.info.name)]
        if not due.is_live:
            why = say("what the alert rests on was heard before the gateway was restarted.")
        elif len(found) != 1:
            why = say("{count} devices are called {name}.", count=len(found), name=due.device)
        else:
            command = self._requests.own(
                RULE_PREFIX + due.rule, action_id(due.alert_id), found[0].info, due.action,
                outcome.now_s,
            )  # fmt: skip
            told = self._take_command(command, outcome)
            if told.state not in {DownlinkState.REFUSED, DownlinkState.REHEARSED}:
                return say("The command {name} was given.", name=name)
            why = told.detail
        facts = {"what": "rule_action", "by": RULE_PREFIX + due.rule, "detail": why}
        outcome.audit.append(AuditRecord(outcome.now_s, "rule", facts))
        return say("The command {name} was not sent: {why}", name=name, why=why)

    def _take_command(self, command: Command, outcome: Outcome) -> Downlink:
        """Take up a checked command; return it as it stands then."""
        downlink, now_s = command.downlink, outcome.now_s
        if command.is_new:
            downlink = replace(downlink, eta_s=self._alerts.next_s(downlink.dev_eui, now_s))
            try:
                steps = self._desk.begin(downlink, now_s)
            except CommandRefused as refusal:
                downlink = refused_as(downlink, refusal)
                outcome.answers.append(downlink)
            else:
                downlink = steps[0]
                outcome.downlinks.extend(steps)
                if self._network.serves(downlink.dev_eui):
                    outcome.downlinks.extend(self._network.welcome(downlink, now_s))
        else:
            outcome.answers.append(downlink)
        if command.question is not None:
            outcome.replies.append(_reply(command.question, downlink))
        return downlink

    def note_multicast(self, identity: str, state: str, detail: str) -> None:
        """Take the network server's answer to a multicast frame into the next batch."""
        self._collective.note_multicast(identity, state, detail)

    def _work_programs(self, outcome: Outcome) -> None:
        """Start the programs that are due; their commands go the way of all commands."""

        def give(name: str, dev_eui: DevEui, body: Mapping[str, Json]) -> Downlink:
            authority = self._programs.authority(name)
            given = {**body, "by": PROGRAM + name}
            info = self._info_of(dev_eui)
            command = self._requests.inner(dev_eui, given, info, outcome.now_s, authority)
            return self._take_command(command, outcome)

        turned = self._programs.turn(outcome.now_s, give)
        outcome.control.update(turned.kept)
        outcome.programs.update(turned.names)

    def _take_order(self, question: Question, outcome: Outcome) -> None:
        verb, body, now_s = question.verb, question.body, outcome.now_s
        if verb.startswith(ABOUT_ALERTS):
            self._take_alert_request(question, outcome)
            return
        try:
            if verb in PROGRAM_VERBS:
                carried = carry_out(self._programs, self._authority, verb, body, now_s)
            else:
                carried = self._desk.order(verb, body, now_s)
        except CommandRefused as refusal:
            said = f"{refusal.reason}: {refusal.detail}"
            facts = {"what": question.verb, "by": str(question.body.get("by", ""))[:64]}
            outcome.replies.append(Reply(question, error=said))
            outcome.audit.append(
                AuditRecord(outcome.now_s, "order_refused", {**facts, "detail": said})
            )
            return
        outcome.downlinks.extend(carried.steps)
        outcome.control.update(carried.kept)
        outcome.replies.append(Reply(question, data=dict(carried.answer)))
        if carried.facts:
            outcome.audit.append(AuditRecord(outcome.now_s, "order", carried.facts))

    def _take_alert_request(self, question: Question, outcome: Outcome) -> None:
        verb = question.verb.removeprefix(ABOUT_ALERTS)
        try:
            handled = self._handling.carry_out(verb, question.body, outcome.now_s)
        except CommandRefused as refusal:
            said = f"{refusal.reason}: {refusal.detail}"
            outcome.replies.append(Reply(question, error=said))
            facts = {"what": verb[:64], "by": str(question.body.get("by", ""))[:64], "detail": said}
            outcome.audit.append(AuditRecord(outcome.now_s, "alert_refused", facts))
            return
        outcome.alerts.extend(handled.events)
        outcome.replies.append(Reply(question, data=handled.answer))
        if handled.facts:
            outcome.audit.append(AuditRecord(outcome.now_s, "alert", handled.facts))

    def _target_of(self, dev_eui: DevEui) -> Target | None:
        return self._requests.target(self._info_of(dev_eui))

    def _info_of(self, dev_eui: DevEui) -> DeviceInfo | None:
        """Return who a device is; one that our own radio serves is known before it speaks."""
        return self.devices.info_of(dev_eui) or self._network.info_of(dev_eui)

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


def _reply(question: Question, downlink: Downlink) -> Reply:
    if downlink.state is DownlinkState.REFUSED:
        return Reply(question, error=downlink.detail)
    told = {"id": downlink.id, "state": downlink.state.value, "detail": downlink.detail}
    return Reply(question, data=told)


KIND: Mapping[type, str] = {
    Uplink: "up",
    Join: "join",
    TxAck: "txack",
    Ack: "ack",
    ServerLog: "log",
    DeviceStatus: "status",
    DeviceLocation: "location",
}
