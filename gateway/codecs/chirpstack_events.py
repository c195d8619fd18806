"""ChirpStack v4 events, JSON or protobuf: bytes -> one of `gateway.types.DeviceEvent`.

The bytes meet the models of `chirpstack_models`, and what passes is built in `chirpstack_build`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import from_json

from gateway.codecs import chirpstack_models as models
from gateway.codecs.chirpstack_build import build_event
from gateway.codecs.chirpstack_protobuf import event_tree
from gateway.codecs.chirpstack_topics import TopicTemplate
from gateway.config import LimitsConfig
from gateway.errors import BadInput
from gateway.types import Delivery, DeviceEvent

Encoding = Literal["json", "protobuf", "auto"]

_JSON_SPACE = b" \t\r\n"
# Every event's first field is 1 (a string, a message or, in txack, a number), 2 or 3.
_PROTOBUF_FIRST = frozenset({b"\x08", b"\x0a", b"\x12", b"\x1a"})
_REASONS = {
    "missing": "missing_field",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "string_too_long": "out_of_range",
    "finite_number": "out_of_range",
}


def decode_event(
    topic: str,
    payload: bytes,
    received_s: float,
    *,
    template: TopicTemplate,
    encoding: Encoding,
    limits: LimitsConfig,
) -> DeviceEvent:
    """Return what the network server reported.

    Raises
    ------
    BadInput
        The topic is not of the template (`unknown_topic`), the kind is not one of ours
        (`unknown_event`), or the body is no sound event of that kind.

    """
    if len(payload) > limits.payload_bytes:
        raise BadInput("payload_too_large", f"{len(payload)} bytes; {limits.payload_bytes} allowed")
    parts = template.match(topic)
    if parts is None:
        raise BadInput("unknown_topic", topic)
    kind = parts.get("event")
    if kind is not None and kind not in models.EVENTS:
        raise BadInput("unknown_event", f"event {kind!r}")
    is_json = encoding == "json" or (encoding == "auto" and looks_like_json(payload))
    kind, event = _read_json(kind, payload) if is_json else _read_protobuf(kind, payload)
    return build_event(kind, event, parts, received_s, limits)


class ServerEvents:
    """Decodes a server's events, and remembers in which encoding it speaks.

    With `encoding = "auto"` that is the newest event's, JSON before the first.
    """

    def __init__(self, template: TopicTemplate, encoding: Encoding, limits: LimitsConfig) -> None:
        self._template = template
        self._encoding = encoding
        self._limits = limits
        self._speaks: Literal["json", "protobuf"] = "json"

    @property
    def speaks(self) -> Literal["json", "protobuf"]:
        """The encoding in which the server also takes its commands."""
        return self._speaks if self._encoding == "auto" else self._encoding

    def __call__(self, delivery: Delivery) -> DeviceEvent:
        """Return what the network server reported; raises as `decode_event`."""
        event = decode_event(
            delivery.topic, delivery.payload, delivery.received_s,
            template=self._template, encoding=self._encoding, limits=self._limits,
        )  # fmt: skip
        self._speaks = "json" if looks_like_json(delivery.payload) else "protobuf"
        return event


def looks_like_json(payload: bytes) -> bool:
    """Tell JSON (and anything that is neither, for a plainer diagnosis) from a protobuf event."""
    return payload.lstrip(_JSON_SPACE)[:1] == b"{" or payload[:1] not in _PROTOBUF_FIRST


# --- reading ---------------------------------------------------------------------------------


def _read_json(kind: str | None, payload: bytes) -> tuple[str, models.Event]:
    try:
        if kind is not None:
            return kind, models.EVENTS[kind].model_validate_json(payload)
        tree = from_json(payload)
    except ValidationError as error:
        if kind is not None and b"null" in payload and error.errors()[0]["type"] != "json_invalid":
            return _validate(kind, _without_nulls(from_json(payload)))
        raise _refused(error, payload) from None
    except ValueError as error:
        raise _not_json(str(error), payload) from None
    return _validate(kind_of(tree), tree)


def _without_nulls(tree: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a tree without its nulls: in protobuf's JSON a null is a field's default.

    A codec's `object` is no such message and stays as it is.
    """
    if isinstance(tree, dict):
        return {
            key: value if key == "object" else _without_nulls(value)
            for key, value in tree.items()
            if value is not None
        }
    return [_without_nulls(one) for one in tree] if isinstance(tree, list) else tree


def _read_protobuf(kind: str | None, payload: bytes) -> tuple[str, models.Event]:
    if kind is None:
        raise BadInput("unknown_event", "protobuf does not say its kind: put {event} in the topic")
    return _validate(kind, event_tree(kind, payload))


def _validate(kind: str, tree: Mapping[str, Any]) -> tuple[str, models.Event]:
    try:
        return kind, models.EVENTS[kind].model_validate(tree)
    except ValidationError as error:
        raise _refused(error, b"") from None


def kind_of(tree: object) -> str:
    """Return which event a JSON body is, for topics that do not say.

    Raises
    ------
    BadInput
        `not_an_object`, or `unknown_event`: it has the fields of none.

    """
    if not isinstance(tree, dict):
        raise BadInput("not_an_object", f"a JSON {type(tree).__name__}, not an object")
    for kind, marks in _MARKS:
        if all(mark in tree for mark in marks):
            return kind
    raise BadInput("unknown_event", "the body has the fields of no event")


_MARKS = (
    ("ack", ("queueItemId", "acknowledged")),
    ("txack", ("downlinkId",)),
    ("txack", ("queueItemId", "gatewayId")),
    ("log", ("level", "code")),
    ("status", ("margin",)),
    ("location", ("location",)),
    ("up", ("devAddr", "data")),
    ("up", ("devAddr", "fPort")),
    ("up", ("devAddr", "fCnt")),
    ("up", ("rxInfo",)),
    ("join", ("devAddr",)),
)


def _refused(error: ValidationError, payload: bytes) -> BadInput:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part)[:64] for part in first["loc"])
    kind = first["type"]
    if kind == "json_invalid":
        return _not_json(first["msg"], payload)
    if not first["loc"]:
        return BadInput("not_an_object", first["msg"])
    if where == "deviceInfo.devEui" and kind == "string_pattern_mismatch":
        return BadInput("invalid_dev_eui", "deviceInfo.devEui must be 16 hex digits")
    return BadInput(_REASONS.get(kind, "wrong_type"), f"{where}: {first['msg']}")


def _not_json(message: str, payload: bytes) -> BadInput:
    text = message.removeprefix("Invalid JSON: ")
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        return BadInput("invalid_utf8", f"{error.reason} at byte {error.start}")
    if "recursion" in text:
        return BadInput("too_deep", text)
    return BadInput("truncated_json" if "EOF" in text else "invalid_json", text)
