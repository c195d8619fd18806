"""Which message goes where, and how."""

from __future__ import annotations

import json
from dataclasses import replace

from gateway.publishers import Topics, messages
from gateway.types import (
    CORRELATION_DATA,
    RESPONSE_TOPIC,
    Alert,
    AlertEvent,
    DevEui,
    Downlink,
    DownlinkState,
    EventType,
    Severity,
)

EUI = DevEui("a84041c3d185ee46")
TOPICS = Topics("lora-gateway")
ALERT = Alert("a1", EUI, "model", "leak", "sensor", Severity.WARNING, "t", "a", (), 1.0, 2.0)
DOWNLINK = Downlink("c1", EUI, "app", 2, b"\x01", None, False, 9.0, 1.0, 2.0, DownlinkState.SENT)


def test_an_alert_is_told_in_the_stream_and_kept_while_it_is_active() -> None:
    stream, kept = messages.alert(TOPICS, AlertEvent(EventType.NEW, ALERT))
    assert stream.topic == "lora-gateway/device/a84041c3d185ee46/alert"
    assert (stream.retain, stream.durable) == (False, True)
    assert kept.topic == "lora-gateway/device/a84041c3d185ee46/alerts/a1"
    assert (kept.retain, kept.durable, kept.payload) == (True, True, stream.payload)
    stream, kept = messages.alert(TOPICS, AlertEvent(EventType.END, replace(ALERT, end_s=3.0)))
    assert json.loads(stream.payload)["event_type"] == "end"
    assert (kept.retain, kept.payload) == (True, b"")


def test_a_step_that_is_not_told_changes_only_what_is_kept() -> None:
    (kept,) = messages.alert(TOPICS, AlertEvent(EventType.UPDATE, ALERT, told=False))
    assert (kept.topic, kept.retain) == ("lora-gateway/device/a84041c3d185ee46/alerts/a1", True)
    (cleared,) = messages.alert(TOPICS, AlertEvent(EventType.END, ALERT, told=False))
    assert (cleared.topic, cleared.payload) == (kept.topic, b"")


def test_a_command_is_kept_while_open_and_cleared_after_its_last_state() -> None:
    (kept,) = messages.command(TOPICS, DOWNLINK)
    assert (kept.retain, kept.durable) == (True, True)
    told, cleared = messages.command(TOPICS, replace(DOWNLINK, state=DownlinkState.ACKED))
    assert json.loads(told.payload)["state"] == "acked"
    assert not told.retain
    assert (cleared.retain, cleared.payload) == (True, b"")


def test_present_state_is_retained_and_not_durable() -> None:
    message = messages.availability(TOPICS, EUI, online=False)
    assert (message.retain, message.durable) == (True, False)
    assert json.loads(message.payload) == {"state": "offline"}


def test_history_is_marked_and_not_retained() -> None:
    message = messages.history(TOPICS, EUI, {"id": "u"})
    assert message.topic == "lora-gateway/history/a84041c3d185ee46"
    assert not message.retain
    assert json.loads(message.payload)["historical"] is True


def test_a_response_also_goes_where_the_request_wants_it() -> None:
    asked = {RESPONSE_TOPIC: "me/answers", CORRELATION_DATA: "0aff", "other": "x"}
    found = messages.response(TOPICS, "health", {"status": "ok"}, asked)
    assert {m.topic for m in found} == {"lora-gateway/bridge/response/health", "me/answers"}
    assert all(m.properties == {CORRELATION_DATA: "0aff"} for m in found)
    (only,) = messages.response(TOPICS, "health", {}, {RESPONSE_TOPIC: "no/#"})
    assert only.topic == "lora-gateway/bridge/response/health"
