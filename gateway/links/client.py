"""paho's client as every link uses it: one attempt, dialled in its own network thread."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.config import ConnectionConfig
from gateway.links import wording
from gateway.types import Message


@dataclass(frozen=True, slots=True)
class Plan:
    """What every connection of one link has in common."""

    config: ConnectionConfig
    name: str
    subscriptions: Sequence[tuple[str, int]]
    will: Message | None
    clean: bool
    session_expiry_s: int
    receive_maximum: int
    in_flight: int
    now_s: Callable[[], float]

    @property
    def is_v5(self) -> bool:
        """Whether properties may be sent."""
        return self.config.version == "5"


class Client(mqtt.Client):
    """paho's client; its network thread also dials, and hands its whole life to `serve`."""

    def __init__(
        self, plan: Plan, serve: Callable[[Callable[[], MQTTErrorCode]], MQTTErrorCode]
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=plan.config.client_id,
            clean_session=None if plan.is_v5 else plan.clean,
            protocol=mqtt.MQTTv5 if plan.is_v5 else mqtt.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self.give_up = False
        self._plan = plan
        self._serve = serve
        self.max_inflight_messages_set(plan.in_flight)
        self.on_socket_open = _without_delay

    def loop_forever(
        self,
        timeout: float = 1.0,
        retry_first_connection: bool = False,  # noqa: FBT001, FBT002 - the signature is paho's
    ) -> MQTTErrorCode:
        """Dial, then dispatch until the connection ends."""
        return self._serve(
            lambda: super(Client, self).loop_forever(timeout, retry_first_connection)
        )

    def dial(self) -> None:
        """Connect. Blocks.

        Raises
        ------
        OSError, ValueError
            No connection.
        ConfigError
            A file the settings name cannot be read.

        """
        config, plan = self._plan.config, self._plan
        if config.username:
            self.username_pw_set(config.username, config.secret() or None)
        if config.tls:
            self.tls_set_context(wording.tls_context(config))
        if plan.will is not None:
            self.will_set(plan.will.topic, plan.will.payload, plan.will.qos, plan.will.retain)
        if not plan.is_v5:
            self.connect(config.host, config.port, config.keepalive_s)
        else:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.ReceiveMaximum = plan.receive_maximum
            properties.SessionExpiryInterval = 0 if plan.clean else plan.session_expiry_s
            self.connect(
                config.host,
                config.port,
                config.keepalive_s,
                clean_start=plan.clean,
                properties=properties,
            )
        if self.give_up:
            self.disconnect()


def _without_delay(_client: mqtt.Client, _userdata: object, sock: Any) -> None:  # noqa: ANN401 - paho's own
    """Send small packets at once: kept back for company, each group would wait for 40 ms."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
