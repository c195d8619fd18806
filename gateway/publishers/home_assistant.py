"""Home Assistant's device-based MQTT discovery: one retained message per device.

`Discovery` remembers what it announced, so that a message goes out only when the set of channels
(or the name) changed; at a reconnect, and when `{prefix}/status` says `online`, all go out again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.publishers import entities, values
from gateway.publishers.topics import Topics
from gateway.speech import say
from gateway.types import Channel, DevEui, DeviceInfo, Json, Message, Reading, ReadingKind

STATE_LIMIT = 255
"""Home Assistant refuses longer states."""

_STATE = "{{ value_json.state }}"

_OWN_KEYS = frozenset({"anomaly", "alert", "alerts", "alert_ack", "alert_snooze"})
"""Entities of a device that are no channels."""

BY = "home-assistant"
"""Who acknowledges and snoozes with its buttons; with operators configured, name one so."""

_SNOOZED_FOR = "24h"


@dataclass(frozen=True, slots=True)
class Trait:
    """What discovery needs to know of a channel."""

    unit: str
    kind: ReadingKind


class Discovery:
    """Makes discovery messages under `prefix` for topics under `topics.base`."""

    def __init__(self, topics: Topics, prefix: str = "homeassistant", version: str = "") -> None:
        self._topics = topics
        self._prefix = prefix
        self._version = version
        self._root = entities.slug(topics.base)
        self._told: dict[DevEui, Message] = {}
        self._traits: dict[DevEui, tuple[DeviceInfo, str, dict[Channel, Trait]]] = {}

    @property
    def status_topic(self) -> str:
        """Where Home Assistant says that it has come up."""
        return f"{self._prefix}/status"

    def changes(
        self, info: DeviceInfo, readings: Iterable[Reading], area: str = ""
    ) -> list[Message]:
        """Return what to announce of a device: nothing when all is as it was.

        Give the newest reading of every channel the device ever had.
        """
        traits = {item.channel: Trait(item.unit, item.kind) for item in readings}
        known = (info, area, traits)
        if self._traits.get(info.dev_eui) == known:
            return []
        self._traits[info.dev_eui] = known
        message = Message(
            self.topic(info.dev_eui), values.dumps(self.payload(info, traits, area)), retain=True
        )
        if self._told.get(info.dev_eui) == message:
            return []
        self._told[info.dev_eui] = message
        return [message]

    def all(self) -> list[Message]:
        """Return everything announced so far, the gateway itself first."""
        return [self.bridge(), *self._told.values()]

    def removal(self, dev_eui: DevEui) -> Message:
        """Return what makes Home Assistant forget a device."""
        self._told.pop(dev_eui, None)
        self._traits.pop(dev_eui, None)
        return Message(self.topic(dev_eui), b"", retain=True)

    def topic(self, dev_eui: DevEui) -> str:
        """Return a device's discovery topic."""
        return f"{self._prefix}/device/{self._root}_{dev_eui}/config"

    def bridge(self) -> Message:
        """Return the gateway's own device, which all others are reached through."""
        unique = f"{self._root}_bridge"
        device: dict[str, Json] = {"ids": [unique], "name": say("LoRa gateway")}
        if self._version:
            device["sw"] = self._version
        payload = {
            "dev": device,
            "o": self._origin(),
            "qos": 1,
            "cmps": {
                "state": {
                    "p": "binary_sensor",
                    "name": say("Connection"),
                    "unique_id": f"{unique}_state",
                    "default_entity_id": f"binary_sensor.{unique}_connection",
                    "device_class": "connectivity",
                    "entity_category": "diagnostic",
                    "state_topic": self._topics.bridge_state,
                    "value_template": "{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
                },
                "digest": {
                    "p": "sensor",
                    "name": "Alerts in the last digest",
                    "unique_id": f"{unique}_digest",
                    "default_entity_id": f"sensor.{unique}_digest",
                    "state_topic": self._topics.bridge_digest,
                    "value_template": "{{ value_json.count }}",
                    "json_attributes_topic": self._topics.bridge_digest,
                },
            },
        }
        return Message(f"{self._prefix}/device/{unique}/config", values.dumps(payload), retain=True)

    def payload(
        self, info: DeviceInfo, traits: Mapping[Channel, Trait], area: str = ""
    ) -> dict[str, Json]:
        """Return one device with its entities, its anomaly and its alerts."""
        topics = (self._topics.bridge_state, self._topics.availability(info.dev_eui))
        return {
            "dev": self._device(info, area),
            "o": self._origin(),
            "qos": 1,
            "state_topic": self._topics.state(info.dev_eui),
            "availability_mode": "all",
            "availability": [{"topic": topic, "value_template": _STATE} for topic in topics],
            "cmps": self._channels(info, traits) | self._verdicts(info) | self._alerts(info),
        }

    def _device(self, info: DeviceInfo, area: str) -> dict[str, Json]:
        device = {
            "ids": [f"{self._root}_{info.dev_eui}"],
            "name": info.name or info.dev_eui,
            "sn": info.dev_eui,
            "via_device": f"{self._root}_bridge",
        }
        if info.profile:
            device["mdl"] = info.profile
        if area:
            device["sa"] = area
        return device

    def _origin(self) -> dict[str, Json]:
        return {"name": "lora-gateway"} | ({"sw": self._version} if self._version else {})

    def _channels(self, info: DeviceInfo, traits: Mapping[Channel, Trait]) -> dict[str, Json]:
        places = values.paths(traits)
        components: dict[str, Json] = {}
        for channel, trait in sorted(traits.items()):
            if not entities.is_announced(channel):
                continue
            key = entities.slug(channel) or "channel"
            if key in components or key in _OWN_KEYS:
                key = f"{key}_{zlib.crc32(channel.encode()):08x}"
            found = entities.traits(channel, trait.unit, trait.kind)
            components[key] = self._named(info, f"{channel}", str(found["p"]), key) | found
            components[key]["value_template"] = _template(places[channel], trait.kind)
        return components

    def _verdicts(self, info: DeviceInfo) -> dict[str, Json]:
        anomaly = self._topics.anomaly(info.dev_eui)
        return {
            "anomaly": self._named(info, "anomaly!", "binary_sensor", "anomaly")
            | {
                "p": "binary_sensor",
                "name": say("Anomaly"),
                "device_class": "problem",
                "state_topic": anomaly,
                "value_template": "{{ 'ON' if value_json.active else 'OFF' }}",
                "json_attributes_topic": anomaly,
            },
            "alert": self._named(info, "alert!", "event", "alert")
            | {
                "p": "event",
                "name": say("Alert"),
                "state_topic": self._topics.alert_stream(info.dev_eui),
                "event_types": ["new", "update", "end"],
            },
        }

    def _alerts(self, info: DeviceInfo) -> dict[str, Json]:
        """Return how many alerts are open, and buttons for them.

        They are there while the gateway is, for the device may well be the one that is silent.
        """
        topic = self._topics.device_alerts(info.dev_eui)
        here = [{"topic": self._topics.bridge_state, "value_template": _STATE}]
        asked = {"dev_eui": info.dev_eui, "by": BY}
        return {
            "alerts": self._named(info, "alerts!", "sensor", "alerts")
            | {
                "p": "sensor",
                "name": "Open alerts",
                "state_class": "measurement",
                "state_topic": topic,
                "value_template": "{{ value_json.open }}",
                "json_attributes_topic": topic,
                "availability": here,
            },
            "alert_ack": self._button(info, "ack", "Acknowledge alerts", asked, here),
            "alert_snooze": self._button(
                info, "snooze", "Snooze alerts for a day", asked | {"for": _SNOOZED_FOR}, here
            ),
        }

    def _button(
        self, info: DeviceInfo, verb: str, name: str, body: Mapping[str, Json], here: Json
    ) -> dict[str, Json]:
        return self._named(info, f"alert_{verb}!", "button", f"alert_{verb}") | {
            "p": "button",
            "name": name,
            "command_topic": self._topics.request(f"alert/{verb}"),
            "payload_press": json.dumps(body),
            "availability": here,
        }

    def _named(self, info: DeviceInfo, what: str, platform: str, key: str) -> dict[str, Json]:
        """Identify an entity; an exclamation mark keeps ours apart from any channel's name."""
        device = entities.slug(info.name) or info.dev_eui
        return {
            "unique_id": f"{self._root}_{info.dev_eui}_{what}",
            "default_entity_id": f"{platform}.{device}_{key}",
        }


def _template(path: values.Path, kind: ReadingKind) -> str:
    """Return a template for one place of the state; a missing one reads as unknown."""
    inner = "value_json"
    for word in path[:-1]:
        inner = f"({inner}.get({_quoted(word)}) or {{}})"
    value = f"{inner}.get({_quoted(path[-1])})"
    if kind is ReadingKind.BOOLEAN:
        return f"{{{{ {{true: 'ON', false: 'OFF'}}.get({value}) }}}}"
    if kind in (ReadingKind.TEXT, ReadingKind.ENUM):
        return f"{{{{ ({value} | string)[:{STATE_LIMIT}] }}}}"
    return f"{{{{ {value} }}}}"


def _quoted(word: str) -> str:
    return json.dumps(word)
