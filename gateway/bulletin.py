"""What the outside is told of an outcome: durable messages with the commit, live ones after it.

Live messages show the present state and can be made again at any time: `snapshot` is all of them,
for a broker that has forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from gateway.alerts.life import DIGEST
from gateway.assembly import Assembly, simulated
from gateway.control import PROGRAM_VERBS, VERBS
from gateway.devices import Device
from gateway.errors import BadInput, CommandRefused
from gateway.outcome import Outcome, Reply
from gateway.publishers import Discovery, Topics, messages, payloads
from gateway.requests import CHART, Question
from gateway.rulebook import TOPIC
from gateway.rulebook import VERBS as VERBS_ABOUT_RULES
from gateway.speech import say
from gateway.store import StoredUplink, UplinkRecord
from gateway.types import (
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    DownlinkState,
    EventType,
    Forecast,
    Json,
    Message,
)
from gateway.upkeep import condition_json, sampling_json

RULE_VERBS = tuple(f"{TOPIC}{verb}" for verb in VERBS_ABOUT_RULES)
FORECAST_STEPS = 6
"""A forecast is told again when so many of its steps have passed, or an alert changed: it is most
of all bytes that leave, and says almost the same an hour later."""


class Bulletin:
    """Makes messages from what the stages know; publishes nothing itself."""

    def __init__(
        self,
        assembly: Assembly,
        *,
        version: str,
        info: Callable[[], Mapping[str, Json]],
        health: Callable[[], Mapping[str, Json]],
    ) -> None:
        config = assembly.config
        self._assembly = assembly
        self._config = config
        self._topics = Topics(config.mqtt.base)
        self._devices = assembly.stages.devices
        self._alerts = assembly.alerts
        self._downlinks = assembly.downlinks
        self._explainer = assembly.explainer
        self._equipment = assembly.equipment
        self._programs = assembly.programs
        self._groups = assembly.groups
        self._now_s = assembly.clock.now_s
        self._info = info
        self._health = health
        self._forecast_s: dict[DevEui, float] = {}
        self._discovery = Discovery(self._topics, config.mqtt.home_assistant_prefix, version)

    def durable(self, outcome: Outcome) -> list[Message]:
        """Return what must reach the broker whatever happens: alerts and commands."""
        told: list[Message] = []
        for event in outcome.alerts:
            told += messages.alert(self._topics, event)
        if digest := outcome.memory.get(DIGEST):
            told.append(messages.digest(self._topics, digest))
        for downlink in (*outcome.downlinks, *outcome.answers):
            told += messages.command(self._topics, downlink)
            if downlink.state is DownlinkState.SENT and self._downlinks.get(downlink.id) is None:
                topic = self._topics.command(downlink.dev_eui, downlink.id)
                told.append(Message(topic, b"", retain=True, durable=True))
        for view in outcome.groups:
            if view.state != "under_way":
                told += messages.group_command(self._topics, view)
        return told

    def live(self, outcome: Outcome) -> list[Message]:
        """Return the present state of whatever the outcome touched."""
        touched = dict(outcome.touched)
        for event in outcome.alerts:
            device = self._devices.get(event.alert.dev_eui)
            if device is not None:
                touched[device.info.dev_eui] = device
        told = [self._history(record) for record in outcome.uplinks if self._is_past(record)]
        alarmed = {event.alert.dev_eui for event in outcome.alerts}
        for device in touched.values():
            told += self._announcement(device)
            told += self._present(device, again=device.info.dev_eui in alarmed)
        for dev_eui in sorted(alarmed | {device.info.dev_eui for device in outcome.fresh}):
            told.append(self._alerts_of(dev_eui))
        for dev_eui, online in outcome.availability.items():
            told.append(messages.availability(self._topics, dev_eui, online=online))
        for dev_eui in outcome.advice:
            told.append(self._advice(dev_eui, outcome.now_s))
        if outcome.fresh:
            told.append(self._list())
        if outcome.rules is not None:
            told.append(messages.bridge_rules(self._topics, outcome.rules))
        return [*told, *self._together(outcome), *self._said_to(outcome)]

    def _said_to(self, outcome: Outcome) -> list[Message]:
        """Return what was asked for: by Home Assistant, or in a request."""
        told = self._announcements() if outcome.hello else []
        for question in outcome.questions:
            told += self._answer(question, outcome.now_s)
        for reply in outcome.replies:
            told += self.reply(reply)
        return told

    def _together(self, outcome: Outcome) -> Iterator[Message]:
        """Yield how groups' commands and programs stand, where that has changed."""
        for view in outcome.groups:
            if view.state == "under_way":
                yield from messages.group_command(self._topics, view)
        yield from map(self._program, sorted(outcome.programs))

    def snapshot(self) -> Iterator[Message]:
        """Yield every retained topic as it should be now, made as it is sent: it may be long."""
        yield messages.bridge_info(self._topics, self._info())
        yield self.health()
        yield self._list()
        yield messages.bridge_rules(
            self._topics, self._assembly.stages.instructions.rulebook.listed(self._now_s())
        )
        yield from self._announcements()
        for device in list(self._devices):
            online = self._alerts.available(device.info.dev_eui)
            yield messages.availability(self._topics, device.info.dev_eui, online=online)
            yield self._alerts_of(device.info.dev_eui)
            yield from self._present(device, again=True)
            if self._equipment.sampling(device.info.dev_eui) is not None:
                yield self._advice(device.info.dev_eui, device.last_seen_s)
        yield from map(self._program, self._programs)
        if digest := self._alerts.life.digest.newest:
            yield replace(messages.digest(self._topics, digest), durable=False)
        told = [
            message
            for alert in self._alerts.open()
            for message in messages.alert(self._topics, AlertEvent(EventType.UPDATE, alert))
        ]
        for downlink in self._downlinks.open():
            told += messages.command(self._topics, downlink)
        for view in self._groups.open(self._now_s()):
            told += messages.group_command(self._topics, view)
        yield from (replace(message, durable=False) for message in told if message.retain)

    def _program(self, name: str) -> Message:
        now_s = self._now_s()
        return messages.program(self._topics, self._programs.view(name, now_s), time_s=now_s)

    def _list_programs(self) -> Json:
        now_s = self._now_s()
        views = [self._programs.view(name, now_s) for name in self._programs]
        return {"programs": [payloads.program(view, time_s=now_s) for view in views]}

    def health(self) -> Message:
        """Return `bridge/health`."""
        return messages.bridge_health(self._topics, self._health())

    def history(self, stored: StoredUplink) -> Message:
        """Return what could not be published when it was new."""
        return self._history(stored.record)

    def _is_past(self, record: UplinkRecord) -> bool:
        """Tell whether a device's state shows something newer already, so this goes as history."""
        device = self._devices.get(record.dev_eui)
        return device is not None and record.time_s < device.newest_s

    def _history(self, record: UplinkRecord) -> Message:
        device = self._devices.get(record.dev_eui)
        payload = payloads.state(
            device.info if device else DeviceInfo(record.dev_eui),
            record.readings,
            time_s=record.time_s,
            received_s=record.received_s,
            f_cnt=record.f_cnt,
            uplink_id=record.uid,
            late=record.late,
        )
        return messages.history(self._topics, record.dev_eui, payload)

    def _present(self, device: Device, *, again: bool) -> Iterable[Message]:
        dev_eui = device.info.dev_eui
        if device.readings:
            payload = payloads.state(
                device.info,
                device.readings.values(),
                time_s=device.newest_s,
                received_s=device.last_seen_s,
                f_cnt=device.f_cnt,
                uplink_id=device.newest_id,
            )
            yield messages.state(self._topics, dev_eui, payload)
        if device.verdicts:
            active = any(
                dev_eui == alert.dev_eui or dev_eui in alert.peers for alert in self._alerts.open()
            )
            yield messages.anomaly(
                self._topics,
                dev_eui,
                device.verdicts.values(),
                time_s=device.newest_s,
                active=active,
                sensitivity=self._sensitivity(dev_eui),
            )
        if again or self._is_due(device):
            yield from self._forecast(device)

    def _alerts_of(self, dev_eui: DevEui) -> Message:
        mine = [alert for alert in self._alerts.open() if alert.dev_eui == dev_eui]
        return messages.device_alerts(self._topics, dev_eui, mine)

    def _sensitivity(self, dev_eui: DevEui) -> dict[Channel, float]:
        factors = self._alerts.life.adjustments.factors
        return {channel: left for (eui, channel), left in factors.items() if eui == dev_eui}

    def _advice(self, dev_eui: DevEui, time_s: float) -> Message:
        found = sampling_json(self._equipment.sampling(dev_eui))
        payload = payloads.advice(found, time_s=time_s) if found is not None else None
        return messages.advice(self._topics, dev_eui, payload)

    def _is_due(self, device: Device) -> bool:
        """Tell whether the forecast that stands is old by the measure of its own steps."""
        forecasts = _shown_forecasts(device)
        told_s = self._forecast_s.get(device.info.dev_eui, -math.inf)
        return any(one.start_s >= told_s + FORECAST_STEPS * one.step_s for one in forecasts)

    def _forecast(self, device: Device) -> Iterable[Message]:
        forecasts = _shown_forecasts(device)
        if not forecasts:
            return
        self._forecast_s[device.info.dev_eui] = max(one.start_s for one in forecasts)
        yield messages.forecast(
            self._topics, device.info.dev_eui, forecasts, time_s=device.newest_s
        )

    def _announcement(self, device: Device) -> list[Message]:
        if not self._config.mqtt.home_assistant or not device.readings:
            return []
        settings = self._config.devices.get(device.info.dev_eui)
        area = settings.area if settings else ""
        return self._discovery.changes(device.info, device.readings.values(), area)

    def _announcements(self) -> list[Message]:
        if not self._config.mqtt.home_assistant:
            return []
        for device in self._devices:
            self._announcement(device)
        return self._discovery.all()

    def _list(self) -> Message:
        return messages.bridge_devices(
            self._topics, payloads.bridge_devices(map(_entry, self._devices))
        )

    def _conditions(self, now_s: float) -> list[Json]:
        """Return how every device does, the worst first."""
        return [
            condition_json(one) for one in self._equipment.conditions(self._alerts.open(), now_s)
        ]

    def reply(self, reply: Reply) -> list[Message]:
        """Return the answer to what was carried out, or refused."""
        question = reply.question
        transaction = question.body.get("transaction")
        body = payloads.response(data=reply.data, error=reply.error, transaction=transaction)
        return messages.response(self._topics, question.verb, body, question.properties)

    def _chart(self, alert_id: Json) -> Json:
        """Return an alert explained, with its chart.

        Raises
        ------
        BadInput
            `unknown_alert`.

        """
        alert = self._explainer.store.alert(str(alert_id)[:64])
        if alert is None:
            raise BadInput("unknown_alert", say("There is no alert of this id."))
        return payloads.alert_chart(
            alert.id, self._explainer.lines(alert), self._explainer.chart(alert)
        )

    def _answer(self, question: Question, now_s: float) -> list[Message]:
        answers: Mapping[str, Callable[[], Json]] = {
            "info": lambda: dict(self._info()),
            "health": lambda: dict(self._health()),
            "devices": lambda: payloads.bridge_devices(map(_entry, self._devices)),
            CHART: lambda: self._chart(question.body.get("id")),
            "health/devices": lambda: self._conditions(now_s),
            "program/list": self._list_programs,
            "program/simulate": lambda: simulated(self._assembly, question.body),
        }
        answer = answers.get(question.verb)
        orders = sorted(VERBS | PROGRAM_VERBS)
        known = ", ".join((*answers, "downlink", *orders, "alert/list", *RULE_VERBS))
        data: Json = None
        error = None if answer else f"Unknown request {question.verb[:64]!r}; known: {known}."
        try:
            data = answer() if answer else None
        except BadInput as refusal:
            error = refusal.detail
        except CommandRefused as refusal:
            error = f"{refusal.reason}: {refusal.detail}"
        body = payloads.response(
            data=data, error=error, transaction=question.body.get("transaction")
        )
        return messages.response(self._topics, question.verb, body, question.properties)


def _entry(device: Device) -> dict[str, Json]:
    return payloads.device_entry(
        device.info,
        device.readings.values(),
        first_seen_s=device.first_seen_s,
        last_seen_s=device.last_seen_s,
    )


def _shown_forecasts(device: Device) -> list[Forecast]:
    """Return a device's forecasts of what it measures; the radio's own are of use to nobody."""
    return [
        verdict.forecast
        for verdict in device.verdicts.values()
        if verdict.forecast is not None
        and np.isfinite(verdict.forecast.quantiles).all()
        and not verdict.channel.startswith("radio.")
    ]
