"""What people ask over our own broker: commands, questions, and Home Assistant's hello.

::

    {base}/device/<eui>/set, /set/<key>      a command: checked, then followed to its end
    {base}/bridge/request/<verb>             a question: answered on bridge/response/<verb>
    {home_assistant_prefix}/status           `online`: everything is announced again
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from gateway.codecs import PayloadDecoder
from gateway.config import Config
from gateway.control import CommandParser, DownlinkTracker, Target, refused
from gateway.errors import BadInput, CommandRefused
from gateway.network import APPLICATION as RADIO_APPLICATION
from gateway.types import Delivery, DevEui, DeviceInfo, Downlink, Json

SOURCE = "operator"
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
    """A command that was checked. `is_new` is False for one that was only repeated."""

    downlink: Downlink
    is_new: bool


@dataclass(frozen=True, slots=True)
class Hello:
    """Home Assistant has come up."""


Request = Command | Question | Hello


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
        serves: Callable[[DevEui], bool] = lambda _: False,
    ) -> None:
        self._config = config
        self._payloads = payloads
        self._serves = serves
        self._base = config.mqtt.base + "/"
        self._hello = f"{config.mqtt.home_assistant_prefix}/status"
        self._parser = CommandParser(config.downlink, lambda one: downlinks.get(one) or lookup(one))

    def subscriptions(self) -> tuple[tuple[str, int], ...]:
        """Return the topic filters to subscribe to, with their QoS."""
        mine = (
            (f"{self._base}device/+/set", 1),
            (f"{self._base}device/+/set/+", 1),
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
            return self._command(levels[1], key, delivery, info_of, now_s)
        if levels[:2] == ["bridge", "request"]:
            return self._question("/".join(levels[2:]), delivery)
        raise BadInput("unknown_topic", delivery.topic)

    def _command(
        self,
        dev_eui: str,
        key: str | None,
        delivery: Delivery,
        info_of: Callable[[DevEui], DeviceInfo | None],
        now_s: float,
    ) -> Command:
        try:
            downlink, is_new = self._parser.parse(
                dev_eui,
                key,
                delivery.payload,
                retained=delivery.retained,
                now_s=now_s,
                target=self._target(info_of(DevEui(dev_eui))),
            )
        except CommandRefused as refusal:
            answer = refused(dev_eui, key, delivery.payload, refusal, now_s)
            return Command(answer, is_new=False)
        return Command(downlink, is_new=is_new)

    def _target(self, info: DeviceInfo | None) -> Target | None:
        if info is None:
            return None
        if info.application_id == RADIO_APPLICATION and not self._serves(info.dev_eui):
            raise CommandRefused(
                "not_registered",
                "The device was removed from this gateway: `lora-gateway devices add` it again.",
            )
        settings = self._config.devices.get(info.dev_eui)
        return Target(
            application_id=info.application_id,
            profile=info.profile,
            f_port=settings.command_f_port if settings else None,
            encode=partial(self._encode, info),
            by_server=not self._serves(info.dev_eui),
        )

    def _encode(
        self, info: DeviceInfo, command: Mapping[str, Json], f_port: int | None
    ) -> tuple[bytes, int | None] | None:
        """Encode with the device's own codec; one that only decodes leaves it to the server."""
        try:
            encoded = self._payloads.encode(info, command, f_port)
        except BadInput as error:
            if error.reason == "codec_no_function":
                return None
            raise CommandRefused(
                "codec", f"The device's codec refuses it: {error.detail}"
            ) from None
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
