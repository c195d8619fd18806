"""What people, their rules and irrigation programs want, on its way through the middle.

::

    request ---> command, order, question     (people)
    alert -----> command                      (rules that people wrote)
    time ------> command                      (programs)

Every command goes the same way: `Requests` checks it, the `Desk` takes it up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway.alerts import AlertEngine
from gateway.alerts.written import RULE_PREFIX, DueAction
from gateway.collective import Collective
from gateway.control import (
    PROGRAM,
    PROGRAM_VERBS,
    Authority,
    Desk,
    Groups,
    Orders,
    Programs,
    Target,
    carry_out,
    refused_as,
)
from gateway.devices import DeviceBook
from gateway.errors import CommandRefused, ConfigError
from gateway.handling import Handling
from gateway.network import NetworkServer
from gateway.outcome import Outcome, Reply
from gateway.requests import (
    ABOUT_ALERTS,
    Command,
    GroupAsked,
    Hello,
    Ordered,
    Question,
    Requests,
)
from gateway.rulebook import TOPIC as RULE_TOPIC
from gateway.rulebook import Rulebook, action_id
from gateway.speech import say
from gateway.store import AuditRecord
from gateway.types import Delivery, DevEui, DeviceInfo, Downlink, DownlinkState, Json

InfoOf = Callable[[DevEui], DeviceInfo | None]
"""Who a device is; one that our own radio serves is known before it speaks."""


class Instructions:
    """Carries out what is wanted, one batch at a time."""

    def __init__(
        self,
        *,
        requests: Requests,
        desk: Desk,
        orders: Orders,
        alerts: AlertEngine,
        handling: Handling,
        rulebook: Rulebook,
        programs: Programs,
        groups: Groups,
        authority: Authority,
        network: NetworkServer,
        devices: DeviceBook,
        info_of: InfoOf,
    ) -> None:
        self._requests = requests
        self._desk = desk
        self._orders = orders
        self._alerts = alerts
        self._handling = handling
        self._programs = programs
        self._authority = authority
        self._network = network
        self._devices = devices
        self._info_of = info_of
        self.rulebook = rulebook
        desk.target_of = self.target_of
        self._collective = Collective(
            groups,
            requests,
            authority=authority,
            heard=lambda: [*(one.info for one in devices), *network.infos()],
            info_of=self._info_of,
            take_command=self.take_command,
        )

    def take(self, delivery: Delivery, outcome: Outcome) -> None:
        """Take one message of a person: a command, an order, a question.

        Raises
        ------
        BadInput
            It is none of these.

        """
        match self._requests.read(delivery, self._info_of, outcome.now_s):
            case Command() as command:
                self.take_command(command, outcome)
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

    def work(self, outcome: Outcome) -> None:
        """Give the commands that alerts and programs ask for now."""
        self._act(outcome)
        self._work_programs(outcome)

    def follow(self, outcome: Outcome) -> None:
        """Tell what the batch means for groups and for rules, after all else is decided."""
        self._collective.follow(outcome)
        if self.rulebook.note(outcome.alerts):
            outcome.rules = self.rulebook.listed(outcome.now_s)

    def note_multicast(self, identity: str, state: str, detail: str) -> None:
        """Take the network server's answer to a multicast frame into the next batch."""
        self._collective.note_multicast(identity, state, detail)

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
        found = [one for one in self._devices if due.device in (one.info.dev_eui, one.info.name)]
        if not due.is_live:
            why = say("what the alert rests on was heard before the gateway was restarted.")
        elif len(found) != 1:
            why = say("{count} devices are called {name}.", count=len(found), name=due.device)
        else:
            command = self._requests.own(
                RULE_PREFIX + due.rule, action_id(due.alert_id), found[0].info, due.action,
                outcome.now_s,
            )  # fmt: skip
            told = self.take_command(command, outcome)
            if told.state not in {DownlinkState.REFUSED, DownlinkState.REHEARSED}:
                return say("The command {name} was given.", name=name)
            why = told.detail
        facts = {"what": "rule_action", "by": RULE_PREFIX + due.rule, "detail": why}
        outcome.audit.append(AuditRecord(outcome.now_s, "rule", facts))
        return say("The command {name} was not sent: {why}", name=name, why=why)

    def take_command(self, command: Command, outcome: Outcome) -> Downlink:
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

    def _work_programs(self, outcome: Outcome) -> None:
        """Start the programs that are due; their commands go the way of all commands."""

        def give(name: str, dev_eui: DevEui, body: Mapping[str, Json]) -> Downlink:
            authority = self._programs.authority(name)
            given = {**body, "by": PROGRAM + name}
            info = self._info_of(dev_eui)
            command = self._requests.inner(dev_eui, given, info, outcome.now_s, authority)
            return self.take_command(command, outcome)

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
                carried = self._orders.carry_out(verb, body, now_s)
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

    def target_of(self, dev_eui: DevEui) -> Target | None:
        """Return what a command to a device is checked against, None for a stranger."""
        return self._requests.target(self._info_of(dev_eui))


def _reply(question: Question, downlink: Downlink) -> Reply:
    if downlink.state is DownlinkState.REFUSED:
        return Reply(question, error=downlink.detail)
    told = {"id": downlink.id, "state": downlink.state.value, "detail": downlink.detail}
    return Reply(question, data=told)
