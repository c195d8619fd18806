"""From records to messages: topic, payload, and whether it is retained or durable.

Durable messages (alerts, commands) wait in the outbox and go out at least once, in order. The
others show the present state: they are retained, and made again at every connect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from gateway.publishers import alert_payloads, payloads
from gateway.publishers.topics import Topics
from gateway.publishers.values import dumps
from gateway.types import (
    CORRELATION_DATA,
    RESPONSE_TOPIC,
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    Downlink,
    DownlinkState,
    EventType,
    Forecast,
    GroupCommandView,
    Json,
    Message,
    ProgramView,
    Verdict,
)

OPEN_STATES = frozenset(
    {DownlinkState.HELD, DownlinkState.ACCEPTED, DownlinkState.QUEUED, DownlinkState.SENT}
)
"""States a command can still leave."""


def bridge_state(topics: Topics, *, online: bool) -> Message:
    """Say whether the gateway is there; the offline one is the last will."""
    return _retained(topics.bridge_state, payloads.availability(online=online))


def bridge_info(topics: Topics, payload: Mapping[str, Json]) -> Message:
    """Say what the gateway is."""
    return _retained(topics.bridge_info, payload)


def bridge_health(topics: Topics, payload: Mapping[str, Json]) -> Message:
    """Say how the gateway is."""
    return _retained(topics.bridge_health, payload)


def bridge_devices(topics: Topics, payload: Mapping[str, Json]) -> Message:
    """List the devices."""
    return _retained(topics.bridge_devices, payload)


def bridge_rules(topics: Topics, payload: Mapping[str, Json]) -> Message:
    """List the rules that people wrote."""
    return _retained(topics.bridge_rules, payload)


def advice(topics: Topics, dev_eui: DevEui, payload: Mapping[str, Json] | None) -> Message:
    """Show what is advised for a device; None takes it back."""
    topic = topics.advice(dev_eui)
    return _retained(topic, payload) if payload is not None else Message(topic, b"", retain=True)


def state(topics: Topics, dev_eui: DevEui, payload: Mapping[str, Json]) -> Message:
    """Show a device's latest readings."""
    return _retained(topics.state(dev_eui), payload)


def history(topics: Topics, dev_eui: DevEui, payload: Mapping[str, Json]) -> Message:
    """Hand in later what could not be published when it was new."""
    return Message(topics.history(dev_eui), dumps(payloads.history(payload)))


def availability(topics: Topics, dev_eui: DevEui, *, online: bool) -> Message:
    """Show whether a device is heard."""
    return _retained(topics.availability(dev_eui), payloads.availability(online=online))


def anomaly(
    topics: Topics,
    dev_eui: DevEui,
    verdicts: Iterable[Verdict],
    *,
    time_s: float,
    active: bool,
    sensitivity: Mapping[Channel, float] | None = None,
) -> Message:
    """Show what the detector thinks of a device's channels."""
    payload = payloads.anomaly(verdicts, time_s=time_s, active=active, sensitivity=sensitivity)
    return _retained(topics.anomaly(dev_eui), payload)


def forecast(
    topics: Topics, dev_eui: DevEui, forecasts: Iterable[Forecast], *, time_s: float
) -> Message:
    """Show what is expected next."""
    return _retained(topics.forecast(dev_eui), payloads.forecast(forecasts, time_s=time_s))


def alert(topics: Topics, event: AlertEvent) -> list[Message]:
    """Tell one step of an alert's life, and keep or clear the alert itself.

    A step that is not told changes only what is kept.
    """
    dev_eui = event.alert.dev_eui
    payload = dumps(payloads.alert(event))
    ended = event.event_type is EventType.END
    kept = Message(
        topics.alert(dev_eui, event.alert.id),
        b"" if ended else payload,
        retain=True,
        durable=True,
    )
    if not event.told:
        return [kept]
    return [Message(topics.alert_stream(dev_eui), payload, durable=True), kept]


def device_alerts(topics: Topics, dev_eui: DevEui, alerts: Iterable[Alert]) -> Message:
    """Show a device's open alerts in short."""
    return _retained(topics.device_alerts(dev_eui), alert_payloads.device_alerts(alerts))


def digest(topics: Topics, kept: Mapping[str, Json]) -> Message:
    """Tell what was not told one by one; it stays until the next."""
    payload = dumps(alert_payloads.digest(kept))
    return Message(topics.bridge_digest, payload, retain=True, durable=True)


def command(topics: Topics, downlink: Downlink) -> list[Message]:
    """Tell how far a command has come; a final state is told once, then the topic is cleared.

    Nothing is told where a request named a device by what is no topic: its answer says all.
    """
    topic = topics.command(downlink.dev_eui, downlink.id)
    if not is_topic(topic):
        return []
    payload = dumps(payloads.command(downlink))
    if downlink.state in OPEN_STATES:
        return [Message(topic, payload, retain=True, durable=True)]
    return [
        Message(topic, payload, durable=True),
        Message(topic, b"", retain=True, durable=True),
    ]


def program(topics: Topics, view: ProgramView, *, time_s: float) -> Message:
    """Show how an irrigation program stands."""
    return _retained(topics.program(view.name), payloads.program(view, time_s=time_s))


def group_command(topics: Topics, view: GroupCommandView) -> list[Message]:
    """Tell how far a group's command has come; the end is told once, then the topic is cleared.

    What is under way is not durable: each change says all, and every reconnect says it again.
    """
    topic = topics.group_command(view.group, view.id)
    payload = dumps(payloads.group_command(view))
    if view.state == "under_way":
        return [Message(topic, payload, retain=True)]
    return [
        Message(topic, payload, durable=True),
        Message(topic, b"", retain=True, durable=True),
    ]


def response(
    topics: Topics, verb: str, payload: Mapping[str, Json], asked: Mapping[str, str]
) -> list[Message]:
    """Answer a request on its response topic, and also where an MQTT 5 requester wants it.

    `asked` holds the properties of the request.
    """
    properties = {name: asked[name] for name in (CORRELATION_DATA,) if name in asked}
    wanted = {topics.response(verb)}
    elsewhere = asked.get(RESPONSE_TOPIC, "")
    if elsewhere and is_topic(elsewhere):
        wanted.add(elsewhere)
    body = dumps(payload)
    return [Message(topic, body, properties=properties) for topic in sorted(wanted)]


def _retained(topic: str, payload: Mapping[str, Json]) -> Message:
    return Message(topic, dumps(payload), retain=True)


def is_topic(text: str) -> bool:
    """Tell whether a broker takes a message on this topic: no wildcard, no NUL, and UTF-8."""
    with suppress(UnicodeEncodeError):
        return not set(text.encode()) & set(b"#+\0")
    return False
