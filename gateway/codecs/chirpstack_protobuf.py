"""ChirpStack v4 events in protobuf: bytes -> the tree that the server's JSON would have held.

Both encodings then meet the same models, so neither is held to less. Only the fields those models
read are taken over. `chirpstack_api` costs 80 ms and 6 MB, so it is imported at the first event;
its `integration` part brings no gRPC.
"""

from __future__ import annotations

import base64
import functools
import importlib
from datetime import UTC, datetime
from typing import Any

from gateway.errors import BadInput
from gateway.types import Downlink

_EXACT = 2.0**53
_SECONDS = range(-62135596800, 253402300800)
_NANOS = range(1_000_000_000)

_MESSAGES = {
    "up": "UplinkEvent",
    "join": "JoinEvent",
    "ack": "AckEvent",
    "txack": "TxAckEvent",
    "log": "LogEvent",
    "status": "StatusEvent",
    "location": "LocationEvent",
}


@functools.cache
def _integration() -> Any:  # noqa: ANN401 - generated code has no types of its own
    return importlib.import_module("chirpstack_api.integration.integration_pb2")


def event_tree(kind: str, payload: bytes) -> dict[str, Any]:
    """Return an event of this kind with the names and forms of its JSON.

    Raises
    ------
    BadInput
        `invalid_protobuf`: the bytes are no such message.

    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - see the module's docstring

    message = getattr(_integration(), _MESSAGES[kind])()
    try:
        message.ParseFromString(payload)
    except (DecodeError, RecursionError) as error:
        raise BadInput("invalid_protobuf", f"not a {_MESSAGES[kind]}: {error}") from None
    tree = _common(kind, message)
    tree.update(_PARTS[kind](message))
    return tree


def _common(kind: str, event: Any) -> dict[str, Any]:  # noqa: ANN401
    tree: dict[str, Any] = {}
    if kind not in {"txack", "log"}:
        tree["deduplicationId"] = event.deduplication_id
    if event.HasField("time"):
        tree["time"] = _time(event.time)
    if event.HasField("device_info"):
        info = event.device_info
        tree["deviceInfo"] = {
            "applicationId": info.application_id,
            "applicationName": info.application_name,
            "deviceProfileId": info.device_profile_id,
            "deviceProfileName": info.device_profile_name,
            "deviceName": info.device_name,
            "devEui": info.dev_eui,
            "tags": dict(info.tags),
        }
    return tree


def _up(event: Any) -> dict[str, Any]:  # noqa: ANN401
    tree = {
        "devAddr": event.dev_addr,
        "adr": event.adr,
        "dr": event.dr,
        "fCnt": event.f_cnt,
        "fPort": event.f_port,
        "confirmed": event.confirmed,
        "data": base64.b64encode(event.data).decode(),
        "rxInfo": [_reception(info) for info in event.rx_info],
    }
    if event.HasField("object"):
        tree["object"] = {key: _value(value) for key, value in event.object.fields.items()}
    if event.HasField("tx_info"):
        tree["txInfo"] = _transmission(event.tx_info)
    return tree


def _reception(info: Any) -> dict[str, Any]:  # noqa: ANN401
    tree = {"gatewayId": info.gateway_id, "rssi": info.rssi, "snr": _single(info.snr)}
    if info.HasField("ns_time"):
        tree["nsTime"] = _time(info.ns_time)
    return tree


def _transmission(info: Any) -> dict[str, Any]:  # noqa: ANN401
    tree: dict[str, Any] = {"frequency": info.frequency}
    if info.modulation.HasField("lora"):
        lora = info.modulation.lora
        tree["modulation"] = {
            "lora": {"bandwidth": lora.bandwidth, "spreadingFactor": lora.spreading_factor}
        }
    return tree


def _join(event: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"devAddr": event.dev_addr}


def _ack(event: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "queueItemId": event.queue_item_id,
        "acknowledged": event.acknowledged,
        "fCntDown": event.f_cnt_down,
    }


def _txack(event: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "queueItemId": event.queue_item_id,
        "fCntDown": event.f_cnt_down,
        "gatewayId": event.gateway_id,
    }


def _log(event: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "level": _enum_name("LogLevel", event.level),
        "code": _enum_name("LogCode", event.code),
        "description": event.description,
        "context": dict(event.context),
    }


def _status(event: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "margin": event.margin,
        "externalPowerSource": event.external_power_source,
        "batteryLevelUnavailable": event.battery_level_unavailable,
        "batteryLevel": _single(event.battery_level),
    }


def _location(event: Any) -> dict[str, Any]:  # noqa: ANN401
    if not event.HasField("location"):
        return {}
    where = event.location
    tree = {"latitude": where.latitude, "longitude": where.longitude}
    # The server's JSON leaves a default out, so an altitude of 0 cannot be told from none.
    if where.altitude:
        tree["altitude"] = where.altitude
    return {"location": tree}


_PARTS = {
    "up": _up,
    "join": _join,
    "ack": _ack,
    "txack": _txack,
    "log": _log,
    "status": _status,
    "location": _location,
}


def _enum_name(enum: str, number: int) -> str:
    """Return the constant's name; a number newer than our copy of the definition stays a number."""
    known = getattr(_integration(), enum).DESCRIPTOR.values_by_number
    return str(known[number].name) if number in known else str(number)


def _single(number: float) -> float:
    """Return a 32-bit float as people write it: 13.8, not 13.800000190734863."""
    return float(f"{number:.7g}")


def _time(stamp: Any) -> str:  # noqa: ANN401
    if stamp.seconds not in _SECONDS or stamp.nanos not in _NANOS:
        raise BadInput("absurd_time", f"{stamp.seconds} s and {stamp.nanos} ns since 1970")
    whole = datetime.fromtimestamp(stamp.seconds, UTC).replace(tzinfo=None)
    return f"{whole.isoformat()}.{stamp.nanos:09d}Z"


def _value(value: Any) -> Any:  # noqa: ANN401 - google.protobuf.Value is any JSON value
    which = value.WhichOneof("kind")
    if which == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < _EXACT else number
    if which == "struct_value":
        return {key: _value(inner) for key, inner in value.struct_value.fields.items()}
    if which == "list_value":
        return [_value(inner) for inner in value.list_value.values]
    return None if which in {None, "null_value"} else getattr(value, which)


def protobuf_command(downlink: Downlink) -> bytes:
    """Return a command as `integration.DownlinkCommand`, for servers without JSON."""
    command = _integration().DownlinkCommand(
        id=downlink.id,
        dev_eui=downlink.dev_eui,
        confirmed=downlink.confirmed,
        f_port=downlink.f_port,
        data=downlink.data,
    )
    if downlink.object is not None:
        command.object.update(dict(downlink.object))
    if "expires_at" in command.DESCRIPTOR.fields_by_name:  # older stubs have none
        command.expires_at.FromMicroseconds(int(downlink.expires_s * 1e6))
    return bytes(command.SerializeToString())
