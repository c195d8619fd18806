"""One MQTT connection, from dialling to its end; a new one is made for every attempt.

paho's network thread does all that may block: reading secrets and certificates, resolving,
dialling, the TLS handshake. It speaks to the event loop only through `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt import MQTTException
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.errors import GatewayError, LinkError
from gateway.links import diagnosis, wording
from gateway.links.client import Client, Plan
from gateway.links.inbox import Inbox, Token
from gateway.types import Delivery, Message

_UNEXPECTED_BYTES = (MQTTException, struct.error, IndexError)
"""What paho raises on a packet that is not MQTT."""


class Connection:
    """Dials at `start`; `opened` and `closed` tell how it went, both on the event loop.

    `opened` gives whether the broker kept our session, or raises LinkError; `closed` is set at
    the end and `reason` then says why. `refused` counts messages the broker will never take.
    """

    def __init__(
        self, plan: Plan, generation: int, inbox: Inbox, note: Callable[[str], None]
    ) -> None:
        self.generation = generation
        self.reason = ""
        self.refused = 0
        self._plan = plan
        self._inbox = inbox
        self._note = note
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[bool] = self._loop.create_future()
        self.closed = asyncio.Event()
        self._pending: dict[int, tuple[str, asyncio.Future[None]]] = {}
        self._slots = asyncio.Semaphore(plan.in_flight)
        self._may_retain = True
        self._accepted = False
        self._answered = False
        self._client = Client(plan, self._serve)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Dial, in the network thread."""
        self._client.loop_start()

    async def publish(self, message: Message) -> None:
        """Publish; return when the broker has it or will never take it.

        Raises
        ------
        LinkError
            The connection ended first, or the broker cannot take it now.

        """
        async with self._slots:
            if self.closed.is_set():
                raise LinkError(self.reason or "Not connected to the broker.")
            info = self._client.publish(
                message.topic,
                message.payload,
                message.qos,
                retain=message.retain and self._may_retain,
                properties=wording.properties_of(message) if self._plan.is_v5 else None,
            )
            if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
                raise LinkError(f"Not published: {mqtt.error_string(info.rc)}.")
            answered: asyncio.Future[None] = self._loop.create_future()
            self._pending[info.mid] = (message.topic, answered)
            try:
                await answered
            finally:
                self._pending.pop(info.mid, None)

    def ack(self, mid: int) -> None:
        """Acknowledge one received QoS 1 message."""
        self._client.ack(mid, 1)

    async def close(self, farewell: Message | None, within_s: float = 1.0) -> None:
        """Publish `farewell`, then disconnect; waits no longer than `within_s` for each."""
        if self._accepted and farewell is not None and not self.closed.is_set():
            with contextlib.suppress(LinkError, TimeoutError):  # the last will says the same
                await asyncio.wait_for(self.publish(farewell), within_s)
        self._client.give_up = True
        self._client.disconnect()
        if self._accepted:
            with contextlib.suppress(TimeoutError):  # the thread is a daemon and ends by itself
                await asyncio.wait_for(self.closed.wait(), within_s)

    # --- in the network thread ---------------------------------------------------------------

    def _serve(self, loop: Callable[[], MQTTErrorCode]) -> MQTTErrorCode:
        code = MQTTErrorCode.MQTT_ERR_UNKNOWN
        reason = ""
        try:
            self._client.dial()
            code = loop()
        except (OSError, ValueError, GatewayError) as error:
            reason = diagnosis.failed(error, self._plan.config)
        except _UNEXPECTED_BYTES as error:
            reason = f"The other side does not speak MQTT properly ({error})."
        finally:
            self._tell(self._ended, reason)
        return code

    def _on_connect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        flags: mqtt.ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._answered = True
        if code.is_failure:
            self._tell(self._ended, diagnosis.refused(code, self._plan.config))
            return
        if self._plan.subscriptions:
            self._client.subscribe(
                [(topic, self._options(qos)) for topic, qos in self._plan.subscriptions]
            )
        self._tell(
            self._open,
            bool(flags.session_present),
            int(getattr(properties, "ReceiveMaximum", 65535)),
            bool(getattr(properties, "RetainAvailable", 1)),
        )

    def _options(self, qos: int) -> Any:  # noqa: ANN401 - paho wants another type per version
        return SubscribeOptions(qos=qos) if self._plan.is_v5 else qos

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        flags: mqtt.DisconnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        reason = diagnosis.ended(
            code,
            self._plan.config,
            by_broker=flags.is_disconnect_packet_from_server,
            accepted=self._answered,
        )
        self._tell(self._ended, reason)

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _mid: int,
        codes: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        for (topic, _), code in zip(self._plan.subscriptions, codes, strict=False):
            if code.is_failure:
                self._tell(self._note, diagnosis.subscription_refused(topic, code))

    def _on_publish(
        self,
        _client: mqtt.Client,
        _userdata: object,
        mid: int,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._tell(self._answer, mid, code)

    def _on_message(
        self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage
    ) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # no broker passes such a topic on; it is put aside like any other stray
        delivery = Delivery(
            source=self._plan.name,
            topic=topic,
            payload=bytes(message.payload),
            received_s=self._plan.now_s(),
            qos=message.qos,
            retained=message.retain,
            token=Token(self.generation, message.mid) if message.qos else None,
            properties=wording.properties_from(message.properties),
        )
        with contextlib.suppress(RuntimeError):  # the event loop has ended: not acknowledged
            self._inbox.put(delivery)

    def _tell(self, what: Callable[..., None], *facts: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended, nobody listens
            self._loop.call_soon_threadsafe(what, *facts)

    # --- on the event loop -------------------------------------------------------------------

    def _open(self, session_present: bool, receive_maximum: int, may_retain: bool) -> None:  # noqa: FBT001 - called by position across the thread border
        if self.opened.done():
            return
        self._slots = asyncio.Semaphore(max(1, min(self._plan.in_flight, receive_maximum)))
        self._may_retain = may_retain
        self._accepted = True
        self.opened.set_result(session_present)

    def _ended(self, reason: str) -> None:
        if self.closed.is_set():
            return
        self.reason = reason or "The connection to the broker ended."
        self.closed.set()
        if not self.opened.done():
            self.opened.set_exception(LinkError(self.reason))
        for _, answered in self._pending.values():
            if not answered.done():
                answered.set_exception(LinkError(self.reason))

    def _answer(self, mid: int, code: ReasonCode) -> None:
        topic, answered = self._pending.get(mid, ("", None))
        if answered is None or answered.done():
            return
        if not code.is_failure:
            answered.set_result(None)
            return
        text = diagnosis.publish_refused(topic, code)
        if code.value in diagnosis.PERMANENT_REFUSALS:
            self.refused += 1
            self._note(text)
            answered.set_result(None)
        else:
            answered.set_exception(LinkError(text))
