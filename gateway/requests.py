"""What people ask over our own broker: commands, questions, and Home Assistant's hello.

::

    {base}/device/<eui>/set, /set/<key>      a command: checked, then followed to its end
    {base}/group/<name>/set, /set/<key>      a command to every member of a group
    {base}/bridge/request/<verb>             a question: answered on bridge/response/<verb>
    {base}/bridge/request/downlink           a command, with `dev_eui` or `group`, answered likewise
    {base}/bridge/request/{stop|resume|confirm}   an order, answered likewise
    {base}/bridge/request/alert/<verb>       about alerts (`handling.py`), answered likewise
    {base}/bridge/request/rule/<verb>        about people's own rules: `rulebook.py`, likewise
    {base}/bridge/request/program/<verb>     an order on an irrigation program, answered likewise
    {home_assistant_prefix}/status           `online`: everything is announced again
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from pydantic import ValidationError

from gateway.codecs import CommandForm, CommandKey, PayloadDecoder
from gateway.config import ActionConfig, CommandConfig, CommandKeyConfig, Config
from gateway.control import (
    PROGRAM_VERBS,
    VERBS,
    Authority,
    Catalogue,
    CommandParser,
    DownlinkTracker,
    Safety,
    Target,
    member_id,
    refused,
)
from gateway.control.commands import ANYBODY
from gateway.control.forms import Form, identity_of, read_form, tree_of
from gateway.control.refusals import MAX_COMMAND_BYTES, RETAINED, too_large
from gateway.errors import BadInput, CommandRefused
from gateway.network import APPLICATION as RADIO_APPLICATION
from gateway.speech import say
from gateway.types import Delivery, DevEui, DeviceInfo, Downlink, Json, Scalar

SOURCE = "operator"
CHART = "alert/chart"
"""The one question about alerts that changes nothing and is answered from the store."""

ABOUT_ALERTS = "alert/"
MAX_REQUEST_BYTES = 65536
SET_LEVELS = (3, 4)


@dataclass(frozen=True, slots=True)
class Question:
    """A request to be answered. `properties` are MQTT 5's: where to, and with which mark."""

    verb: str
    body: Mapping[str, Json]
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was checked. `is_new` is False for one that was only repeated.

    `question` is the request that it came in, where it did.
    """

    downlink: Downlink
    is_new: bool
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class GroupAsked:
    """A command to a group, as it came; `question` is the request that it came in, where it did."""

    group: str
    key: str | None
    payload: bytes
    retained: bool = False
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class GroupRead:
    """A command to a group that was admitted: what each member's command is made of.

    `tree` is the command less what is the group's alone, None where it had no JSON form.
    """

    id: str
    by: str
    command: str
    signed: bool
    tree: Mapping[str, Json] | None


@dataclass(frozen=True, slots=True)
class Ordered:
    """Something to be carried out that is no command: an emergency stop, a snooze of an alert."""

    question: Question


@dataclass(frozen=True, slots=True)
class Hello:
    """Home Assistant has come up."""


Request = Command | GroupAsked | Ordered | Question | Hello


class Requests:
    """Reads requests; carries nothing out.

    `lookup` finds a command that is no longer followed; `serves` tells a device that our own radio
    reaches, which no network server encodes for.
    """

    def __init__(
        self,
        config: Config,
        downlinks: DownlinkTracker,
        lookup: Callable[[str], Downlink | None],
        payloads: PayloadDecoder,
        *,
        catalogue: Catalogue,
        safety: Safety,
        authority: Authority,
        serves: Callable[[DevEui], bool] = lambda _: False,
    ) -> None:
        self._config = config
        self._payloads = payloads
        self._serves = serves
        self._base = config.mqtt.base + "/"
        self._hello = f"{config.mqtt.home_assistant_prefix}/status"
        self._catalogue = catalogue
        self._parser = CommandParser(
            config.downlink,
            lambda one: downlinks.get(one) or lookup(one),
            authority=authority,
            safety=safety,
        )

    def subscriptions(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe to, with their QoS."""
        mine = (
            (f"{self._base}device/+/set", 1),
            (f"{self._base}device/+/set/+", 1),
            (f"{self._base}group/+/set", 1),
            (f"{self._base}group/+/set/+", 1),
            (f"{self._base}bridge/request/#", 1),
        )
        return (*mine, (self._hello, 0)) if self._config.mqtt.home_assistant else mine

    def read(
        self, delivery: Delivery, info_of: Callable[[DevEui], DeviceInfo | None], now_s: float
    ) -> Request | None:
        """Say what is asked; None when it is nothing of ours to answer.

        Raises
        ------
        BadInput
            The topic or the body cannot be understood.

        """
        if delivery.topic == self._hello:
            return Hello() if delivery.payload.strip() == b"online" else None
        levels = delivery.topic.removeprefix(self._base).split("/")
        if levels[0] == "device" and len(levels) in SET_LEVELS and levels[2] == "set":
            key = levels[3] if len(levels) == SET_LEVELS[1] else None
            info = info_of(DevEui(levels[1]))
            return self._command(
                levels[1], key, delivery.payload, info, now_s, retained=delivery.retained
            )
        if levels[0] == "group" and len(levels) in SET_LEVELS and levels[2] == "set":
            key = levels[3] if len(levels) == SET_LEVELS[1] else None
            return GroupAsked(levels[1], key, delivery.payload, retained=delivery.retained)
        if levels[:2] == ["bridge", "request"]:
            question = self._question("/".join(levels[2:]), delivery)
            if question.verb == "downlink" and "group" in question.body:
                return _group_asked(question)
            if question.verb == "downlink":
                return self._asked(question, info_of, now_s)
            ordered = question.verb in VERBS | PROGRAM_VERBS
            about_alerts = question.verb.startswith(ABOUT_ALERTS) and question.verb != CHART
            ordered = ordered or about_alerts
            return Ordered(question) if ordered else question
        raise BadInput("unknown_topic", delivery.topic)

    def _command(
        self,
        dev_eui: str,
        key: str | None,
        payload: bytes,
        info: DeviceInfo | None,
        now_s: float,
        *,
        retained: bool = False,
        question: Question | None = None,
        authority: Authority | None = None,
    ) -> Command:
        try:
            downlink, is_new = self._parser.parse(
                dev_eui, key, payload, retained=retained, now_s=now_s, target=self.target(info),
                authority=authority,
            )  # fmt: skip
        except CommandRefused as refusal:
            answer = refused(dev_eui, key, payload, refusal, now_s)
            return Command(answer, is_new=False, question=question)
        return Command(downlink, is_new=is_new, question=question)

    def own(
        self, by: str, identity: str, device: DeviceInfo, action: ActionConfig, now_s: float
    ) -> Command:
        """Return the command that a rule's alert asks for, checked as anybody's would be.

        `identity` is its UUID: the same again is not carried out again.
        """
        body = {
            "id": identity,
            "by": by,
            "command": action.command,
            "object": dict(action.keys) or None,
            "duration_s": action.duration_s,
            "dry_run": action.dry_run,
        }
        told = {key: value for key, value in body.items() if value is not None}
        return self.inner(device.dev_eui, told, device, now_s, ANYBODY)

    def read_group(self, asked: GroupAsked, now_s: float) -> GroupRead:
        """Admit a command to a group, once for all its members.

        Raises
        ------
        CommandRefused
            As `parse_set` for what is not about one device.

        """
        if asked.retained:
            raise CommandRefused("retained", say(RETAINED))
        if len(asked.payload) > MAX_COMMAND_BYTES:
            raise too_large()
        seed = f"{asked.group}|{asked.key}|{asked.payload.hex()}|{now_s!r}"
        if asked.key is not None:
            signed = self._parser.admit_group(asked.group, Form(), None, now_s)
            return GroupRead(identity_of(None, seed), "", asked.key, signed, None)
        form = read_form(None, asked.payload)
        tree = tree_of(asked.payload)
        signed = self._parser.admit_group(asked.group, form, tree, now_s)
        kept = {key: one for key, one in (tree or {}).items() if key not in {"id", "signature"}}
        identity = identity_of(form, seed)
        return GroupRead(identity, form.by, form.command or "", signed, kept if tree else None)

    def member(
        self,
        asked: GroupAsked,
        read: GroupRead,
        info: DeviceInfo | None,
        dev_eui: DevEui,
        now_s: float,
        *,
        authority: Authority,
    ) -> Command:
        """Check one member's command, as any command to that device."""
        payload = asked.payload
        if read.tree is not None:
            payload = json.dumps({**read.tree, "id": member_id(read.id, dev_eui)}).encode()
        command = self._command(dev_eui, asked.key, payload, info, now_s, authority=authority)
        return replace(command, downlink=replace(command.downlink, signed=read.signed))

    def inner(
        self,
        dev_eui: DevEui,
        body: Mapping[str, Json],
        info: DeviceInfo | None,
        now_s: float,
        authority: Authority,
    ) -> Command:
        """Check a command of the gateway's own (a program's, a rule's)."""
        payload = json.dumps(body).encode()
        return self._command(dev_eui, None, payload, info, now_s, authority=authority)

    def _asked(
        self, question: Question, info_of: Callable[[DevEui], DeviceInfo | None], now_s: float
    ) -> Command:
        body = {key: value for key, value in question.body.items() if key != "transaction"}
        given = str(body.pop("dev_eui", ""))[:32].lower()
        dev_eui = given.encode("utf-8", "replace").decode()  # JSON may hold half a surrogate pair
        payload = json.dumps(body).encode()
        info = info_of(DevEui(dev_eui))
        return self._command(dev_eui, None, payload, info, now_s, question=question)

    def target(self, info: DeviceInfo | None) -> Target | None:
        """Return what must be known of a device to command it; None for one that is unknown."""
        if info is None:
            return None
        if info.application_id == RADIO_APPLICATION and not self._serves(info.dev_eui):
            said = say("The device was removed from this gateway: `lora-gateway devices add` it "
                       "again.")  # fmt: skip
            raise CommandRefused("not_registered", said)
        settings = self._config.devices.get(info.dev_eui)
        self._catalogue.learn(info)
        commands = self._catalogue.of(info.dev_eui)
        return Target(
            application_id=info.application_id,
            profile=info.profile,
            f_port=settings.command_f_port if settings else None,
            encode=partial(self._encode, info),
            by_server=not self._serves(info.dev_eui),
            commands=commands,
            learned={} if commands else self._learned(info),
        )

    def _learned(self, info: DeviceInfo) -> dict[str, CommandConfig]:
        """Return what a device's codec says of the commands it encodes."""
        found: dict[str, CommandConfig] = {}
        for form in self._payloads.commands(info):
            with suppress(ValidationError):  # longer than any setting may be: the codec checks it
                found[form.name] = _as_config(form)
        return found

    def _encode(
        self, info: DeviceInfo, command: Mapping[str, Json], f_port: int | None
    ) -> tuple[bytes, int | None] | None:
        """Encode with the device's own codec; one that only decodes leaves it to the server."""
        try:
            encoded = self._payloads.encode(info, command, f_port)
        except BadInput as error:
            if error.reason == "codec_no_function":
                return None
            said = say("The device's codec refuses it: {why}", why=error.detail)
            raise CommandRefused("codec", said) from None
        return (encoded.data, encoded.f_port) if encoded is not None else None

    def _question(self, verb: str, delivery: Delivery) -> Question:
        if delivery.retained:
            raise BadInput("retained", "a retained request is an old one")
        if len(delivery.payload) > MAX_REQUEST_BYTES:
            raise BadInput("payload_too_large", f"{len(delivery.payload)} bytes")
        try:
            body = json.loads(delivery.payload) if delivery.payload.strip() else {}
        except (ValueError, RecursionError) as error:
            raise BadInput("invalid_json", str(error)) from None
        if not isinstance(body, dict):
            raise BadInput("not_an_object", "a request is a JSON object")
        return Question(verb=verb, body=body, properties=delivery.properties)


def _group_asked(question: Question) -> GroupAsked:
    body = {key: one for key, one in question.body.items() if key not in {"transaction", "group"}}
    return GroupAsked(
        str(question.body["group"])[:64], None, json.dumps(body).encode(), question=question
    )


def _as_config(form: CommandForm) -> CommandConfig:
    fixed: dict[str, Scalar] = {}
    keys: dict[str, CommandKeyConfig] = {}
    for key in form.keys:
        if key.type == "const" and len(key.choices) == 1:
            fixed[key.key] = key.choices[0]
        else:
            keys[key.key] = _key_config(key)
    return CommandConfig(f_port=form.f_port, keys=keys, fixed=fixed)


def _key_config(key: CommandKey) -> CommandKeyConfig:
    if key.type in {"choice", "const"} and key.choices:
        return CommandKeyConfig(
            type="enum", values=key.choices, required=key.required, default=key.default
        )
    kinds: Mapping[str, Literal["integer", "number", "boolean", "text"]] = {
        "integer": "integer", "number": "number", "boolean": "boolean",
    }  # fmt: skip
    return CommandKeyConfig(
        type=kinds.get(key.type, "text"),
        min=key.low,
        max=key.high,
        max_length=242,
        unit=key.unit,
        required=key.required,
        default=key.default,
    )
