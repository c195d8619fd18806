"""Uplinks and events of a ChirpStack v4 server, from its MQTT integration."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.types import Deliver, Delivery, Json, MqttPort


class ChirpStackSource:
    """Hands on every message of `subscription`, and acknowledges it when told to.

    The link must subscribe to `subscription` at QoS 1 in a session of its own that outlives the
    connection (fixed client id, `clean=False`): that is what keeps uplinks at the broker while
    the gateway is away. Nothing is looked into here: bytes go to the pipeline as they came.
    """

    def __init__(self, link: MqttPort, subscription: str, name: str = "chirpstack") -> None:
        self.name = name
        self._link = link
        self._subscription = subscription
        self._received = 0
        self._acknowledged = 0
        self._connections = 0

    async def run(self, deliver: Deliver) -> None:
        """Receive until cancelled. Reconnects by itself."""

        async def on_message(delivery: Delivery) -> None:
            self._received += 1
            await deliver(replace(delivery, source=self.name))

        async def on_connect() -> None:
            self._connections += 1
            await asyncio.sleep(0)

        await self._link.run(on_message, on_connect)

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge what has been committed, in the order received."""
        for delivery in deliveries:
            if delivery.token is not None:
                self._link.ack(delivery.token)
                self._acknowledged += 1

    def health(self) -> Mapping[str, Json]:
        """Return `connected`, `last_error` and what has come in so far."""
        return {
            "connected": self._link.connected,
            "last_error": self._link.last_error,
            "subscription": self._subscription,
            "connections": self._connections,
            "received": self._received,
            "acknowledged": self._acknowledged,
        }
