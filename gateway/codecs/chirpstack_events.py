"""ChirpStack v4 events, JSON or protobuf: bytes -> one of `gateway.types.DeviceEvent`.

`time` is the radio gateway's clock, which is often wrong; `nsTime` in each reception is the network
server's. Where they differ by more than five minutes, or `time` is missing or impossible, the
server's is used and the uplink is marked `clock_suspect`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import from_json

from gateway.codecs import chirpstack_models as models
from gateway.codecs.chirpstack_protobuf import event_tree
from gateway.codecs.chirpstack_topics import TopicTemplate
from gateway.codecs.flatten import check_size
from gateway.codecs.times import parse_rfc3339
from gateway.config import LimitsConfig
from gateway.errors import BadInput
from gateway.types import (
    Ack,
    DevEui,
    DeviceEvent,
    DeviceInfo,
    DeviceLocation,
    DeviceStatus,
    Join,
    Reception,
    ServerLog,
    TxAck,
    Uplink,
)

Encoding = Literal["json", "protobuf", "auto"]

CLOCK_TOLERANCE_S = 300.0
EARLIEST_S = 1420070400.0
"""2015-01-01, the year of LoRaWAN 1.0: nothing was sent before."""
LATEST_AHEAD_S = 86400.0

_JSON_SPACE = b" \t\r\n"
# Every event's first field is 1 (a string, a message or, in txack, a number), 2 or 3.
_PROTOBUF_FIRST = frozenset(b"\x08\x0a\x12\x1a")
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
    device = _device(event.device_info, parts)
    return _BUILDERS[kind](event, device, received_s, limits)


def looks_like_json(payload: bytes) -> bool:
    """Tell JSON (and anything that is neither, for a plainer diagnosis) from a protobuf event."""
    return payload.lstrip(_JSON_SPACE)[:1] == b"{" or payload[:1] not in _FIRST_BYTES


_FIRST_BYTES = {bytes([byte]) for byte in _PROTOBUF_FIRST}


# --- reading ---------------------------------------------------------------------------------


def _read_json(kind: str | None, payload: bytes) -> tuple[str, models.Event]:
    try:
        if kind is not None:
            return kind, models.EVENTS[kind].model_validate_json(payload)
        tree = from_json(payload)
    except ValidationError as error:
        raise _refused(error, payload) from None
    except ValueError as error:
        raise _not_json(str(error), payload) from None
    return _validate(kind_of(tree), tree)


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


# --- building --------------------------------------------------------------------------------


def _device(info: models.DeviceInfoPart, parts: Mapping[str, str]) -> DeviceInfo:
    if parts.get("dev_eui", info.dev_eui).lower() != info.dev_eui:
        raise BadInput(
            "device_mismatch", f"topic of {parts['dev_eui']!r}, body of {info.dev_eui!r}"
        )
    return DeviceInfo(
        dev_eui=DevEui(info.dev_eui),
        name=info.device_name,
        profile_id=info.device_profile_id,
        profile=info.device_profile_name,
        application_id=info.application_id or parts.get("application_id", ""),
        application=info.application_name,
        tags=info.tags or {},
    )


def _seconds(text: str | None, where: str) -> float | None:
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise BadInput("invalid_time", f"{where} = {text!r}: {error}") from None


def best_time(
    gateway_s: float | None, server_s: float | None, received_s: float
) -> tuple[float, bool]:
    """Return the time to believe, and whether the radio gateway's clock is suspect.

    Raises
    ------
    BadInput
        `missing_field` when there is no time at all, `absurd_time` when none is possible.

    """
    if gateway_s is None and server_s is None:
        raise BadInput("missing_field", "time: the event has none")
    ours = gateway_s if gateway_s is not None and _possible(gateway_s, received_s) else None
    theirs = server_s if server_s is not None and _possible(server_s, received_s) else None
    if theirs is not None and (ours is None or abs(ours - theirs) > CLOCK_TOLERANCE_S):
        return theirs, True
    if ours is None:
        raise BadInput("absurd_time", f"{gateway_s} s since 1970, received at {received_s:.0f} s")
    return ours, False


def _possible(time_s: float, received_s: float) -> bool:
    return EARLIEST_S <= time_s <= received_s + LATEST_AHEAD_S


def _plain_time(event: models.Event, received_s: float) -> float:
    return best_time(_seconds(event.time, "time"), None, received_s)[0]


def _up(
    event: models.UpEvent, device: DeviceInfo, received_s: float, limits: LimitsConfig
) -> Uplink:
    if event.object is not None:
        check_size(event.object, limits.object_keys)
    receptions = tuple(_reception(info) for info in event.rx_info or ())
    server_s = min((r.server_time_s for r in receptions if r.server_time_s), default=None)
    time_s, suspect = best_time(_seconds(event.time, "time"), server_s, received_s)
    sent = event.tx_info
    lora = sent.modulation.lora if sent is not None and sent.modulation is not None else None
    return Uplink(
        id=_uplink_id(event, device),
        device=device,
        time_s=time_s,
        received_s=received_s,
        dev_addr=event.dev_addr,
        f_cnt=event.f_cnt or 0,
        f_port=event.f_port,
        data=_base64(event.data),
        object=event.object,
        receptions=receptions,
        frequency_hz=(sent.frequency or None) if sent is not None else None,
        spreading_factor=(lora.spreading_factor or None) if lora is not None else None,
        bandwidth_hz=(lora.bandwidth or None) if lora is not None else None,
        data_rate=event.dr,
        confirmed=event.confirmed,
        adr=event.adr,
        clock_suspect=suspect,
    )


def _uplink_id(event: models.UpEvent, device: DeviceInfo) -> str:
    if event.deduplication_id:
        return event.deduplication_id
    if event.f_cnt is None:
        raise BadInput("missing_field", "neither deduplicationId nor fCnt says which uplink it is")
    return f"{device.dev_eui}-{event.dev_addr}-{event.f_cnt}"


def _reception(info: models.RxInfo) -> Reception:
    return Reception(
        gateway_id=info.gateway_id,
        rssi_dbm=info.rssi,
        snr_db=info.snr,
        server_time_s=_seconds(info.ns_time, "rxInfo.nsTime"),
    )


def _base64(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("invalid_base64", f"data: {error}") from None


def _join(
    event: models.JoinEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> Join:
    time_s = _plain_time(event, received_s)
    own = f"{device.dev_eui}-{event.dev_addr}-{time_s:.3f}"
    return Join(event.deduplication_id or own, device, time_s, received_s, event.dev_addr)


def _ack(
    event: models.AckEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> Ack:
    return Ack(
        device=device,
        time_s=_plain_time(event, received_s),
        received_s=received_s,
        queue_item_id=event.queue_item_id,
        acknowledged=event.acknowledged,
        f_cnt_down=event.f_cnt_down,
    )


def _txack(
    event: models.TxAckEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> TxAck:
    return TxAck(
        device=device,
        time_s=_plain_time(event, received_s),
        received_s=received_s,
        queue_item_id=event.queue_item_id,
        f_cnt_down=event.f_cnt_down,
        gateway_id=event.gateway_id,
    )


def _log(
    event: models.LogEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> ServerLog:
    return ServerLog(
        device=device,
        time_s=_plain_time(event, received_s),
        received_s=received_s,
        level=event.level,
        code=event.code,
        description=event.description,
        context=event.context or {},
    )


def _status(
    event: models.StatusEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> DeviceStatus:
    time_s = _plain_time(event, received_s)
    unknown = event.battery_level_unavailable or event.external_power_source
    return DeviceStatus(
        id=event.deduplication_id or f"{device.dev_eui}-status-{time_s:.3f}",
        device=device,
        time_s=time_s,
        received_s=received_s,
        margin_db=float(event.margin),
        external_power=event.external_power_source,
        battery_percent=None if unknown else event.battery_level,
    )


def _location(
    event: models.LocationEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> DeviceLocation:
    time_s = _plain_time(event, received_s)
    return DeviceLocation(
        id=event.deduplication_id or f"{device.dev_eui}-location-{time_s:.3f}",
        device=device,
        time_s=time_s,
        received_s=received_s,
        latitude=event.location.latitude,
        longitude=event.location.longitude,
        altitude_m=event.location.altitude,
    )


_Builder = Callable[[Any, DeviceInfo, float, LimitsConfig], DeviceEvent]
_BUILDERS: dict[str, _Builder] = {
    "up": _up,
    "join": _join,
    "ack": _ack,
    "txack": _txack,
    "log": _log,
    "status": _status,
    "location": _location,
}
