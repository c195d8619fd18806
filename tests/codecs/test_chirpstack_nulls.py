"""Events with nulls and with values newer than this gateway, as other writers of JSON make them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest
from chirpstack_events import eui, up
from server_events import Event, ack, join, location, log, status, txack

from gateway.codecs import TopicTemplate, decode_event
from gateway.config import LimitsConfig
from gateway.errors import BadInput
from gateway.types import DeviceEvent, ServerLog, Uplink

AT_S = 1_790_000_000.0
EUI = eui(1)
TEMPLATE = TopicTemplate("application/{application_id}/device/{dev_eui}/event/{event}")
EVENTS = (
    up(EUI, 1, AT_S, {"x": 1}), join(EUI, AT_S, "01020304", "a"), status(EUI, AT_S, "b"),
    location(EUI, AT_S, "c"), txack(EUI, AT_S, "q"), ack(EUI, AT_S, "q"), log(EUI, AT_S, "X", "q"),
)  # fmt: skip


def decode(topic: str, tree: object) -> DeviceEvent:
    body = json.dumps(tree).encode()
    return decode_event(
        topic, body, AT_S, template=TEMPLATE, encoding="auto", limits=LimitsConfig()
    )


def places(tree: Mapping[str, object], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every field, but those of a codec's own object."""
    for key, value in tree.items():
        yield (*above, key)
        if isinstance(value, dict) and key != "object":
            yield from places(value, (*above, key))


CASES = [(event, path) for event in EVENTS for path in places(json.loads(event[1]))]


@pytest.mark.parametrize(("event", "path"), CASES)
def test_a_null_is_a_field_that_is_not_there(event: Event, path: tuple[str, ...]) -> None:
    topic, body = event
    trees = json.loads(body), json.loads(body)
    for tree in trees:
        part = tree
        for name in path[:-1]:
            part = part[name]
        part[path[-1]] = None
    part.pop(path[-1])
    found: list[object] = []
    for tree in trees:
        try:
            found.append(decode(topic, tree))
        except BadInput as refusal:
            found.append(refusal.reason)
    assert found[0] == found[1]


def test_nulls_of_a_codec_s_object_stay_what_they_are() -> None:
    topic, body = up(EUI, 1, AT_S, {"x": None, "y": 2})
    tree = json.loads(body) | {"confirmed": None}
    event = decode(topic, tree)
    assert isinstance(event, Uplink)
    assert event.object == {"x": None, "y": 2}


def test_a_log_of_a_code_newer_than_the_server_s_json_is_taken_by_its_number() -> None:
    topic, body = log(EUI, AT_S, "X", "q")
    event = decode(topic, json.loads(body) | {"code": 99, "level": 7})
    assert isinstance(event, ServerLog)
    assert (event.code, event.level) == ("99", "7")


@pytest.mark.parametrize("body", [b"null", b"[null]", b'{"time": null', b'{"a": nulll}'])
def test_what_is_no_event_is_refused_whatever_it_holds(body: bytes) -> None:
    with pytest.raises(BadInput):
        decode_event(
            EVENTS[0][0], body, AT_S, template=TEMPLATE, encoding="auto", limits=LimitsConfig()
        )
