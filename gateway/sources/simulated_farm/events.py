"""ChirpStack v4 events as the server's JSON serializer writes them.

The server (4.20, `api/proto/integration/integration.proto` through pbjson) writes fields in the
order of the proto file, without spaces, text as UTF-8. Its own integration messages state every
field, also when it is 0, false or empty; nested `gw.*` and `common.*` messages leave such fields
out; an absent sub-message is left out everywhere. Doubles and floats keep their point (`12.0`), 32
bit floats in their shortest form (`92.91338`). Times have 0, 3, 6 or 9 fraction digits. The order
of keys in maps (`object`, `tags`, `metadata`) is that of a hash map: a different one each time.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random

from gateway.sources.simulated_farm.devices import APPLICATION, APPLICATION_ID, Device
from gateway.sources.simulated_farm.payloads import Object
from gateway.sources.simulated_farm.radio import BARN, Hearing
from gateway.types import Json

TENANT_ID = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"
TENANT = "ChirpStack"
REGION = "eu868"
GPS_EPOCH_S = 315964800
LEAP_S = 18
NANO = 1_000_000_000

Event = dict[str, Json]


def topic(device: Device, kind: str) -> str:
    """Return the topic of the server's default template."""
    return f"application/{APPLICATION_ID}/device/{device.dev_eui}/event/{kind}"


def to_json(event: Event) -> bytes:
    """Return the bytes that the server publishes with `json=true`."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def to_protobuf(event: Event, kind: str) -> bytes:
    """Return the bytes that the server publishes with `json=false`."""
    # Only who asks for protobuf pays for importing it.
    from chirpstack_api import integration  # noqa: PLC0415
    from google.protobuf import json_format  # noqa: PLC0415

    message = getattr(integration, MESSAGES[kind])()
    encoded: bytes = json_format.ParseDict(event, message).SerializeToString()
    return encoded


MESSAGES = {
    "up": "UplinkEvent",
    "join": "JoinEvent",
    "ack": "AckEvent",
    "txack": "TxAckEvent",
    "log": "LogEvent",
    "status": "StatusEvent",
}
"""The protobuf message of each kind of event."""


def rfc3339(time_ns: int) -> str:
    """Write nanoseconds since 1970 with as few groups of three fraction digits as are exact."""
    seconds, nanos = divmod(time_ns, NANO)
    digits = f"{nanos:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}{'.' if digits else ''}{digits}+00:00"


def shortest_float32(value: float) -> float:
    """Return the double that prints as the shortest text which names the same 32-bit float."""
    exact = struct.unpack("<f", struct.pack("<f", value))[0]
    for digits in range(1, 10):
        short = float(f"{exact:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", exact):
            return short
    return exact  # type: ignore[no-any-return] # nine digits always suffice


def device_info(device: Device) -> Event:
    """Return who speaks."""
    return {
        "tenantId": TENANT_ID,
        "tenantName": TENANT,
        "applicationId": APPLICATION_ID,
        "applicationName": APPLICATION,
        "deviceProfileId": device.profile_id,
        "deviceProfileName": device.profile,
        "deviceName": device.title,
        "devEui": device.dev_eui,
        "deviceClassEnabled": "CLASS_C" if device.class_c else "CLASS_A",
        "tags": {},
    }


def uplink(
    device: Device, random: Random, *, event_id: str, time_ns: int, dev_addr: str, f_cnt: int,
    f_port: int, data: bytes, decoded: Object, hearings: Sequence[Hearing], frequency_hz: int,
    data_rate: int,
) -> Event:  # fmt: skip
    """Return an `up` event heard by `hearings` (one or more) when `time_ns` was the sending."""
    gps = any(hearing.gateway.gps for hearing in hearings)
    first_ns = min(hearing.delay_ns for hearing in hearings)
    # The server takes the radio gateways' own time where one has it, else its own.
    stated_ns = time_ns // 1_000_000 * 1_000_000 if gps else time_ns + first_ns
    return {
        "deduplicationId": event_id,
        "time": rfc3339(stated_ns),
        "deviceInfo": device_info(device),
        "devAddr": dev_addr,
        "adr": True,
        "dr": data_rate,
        "fCnt": f_cnt,
        "fPort": f_port,
        "confirmed": False,
        "data": base64.b64encode(data).decode(),
        "object": _shuffled(decoded, random),
        "rxInfo": [_rx_info(hearing, time_ns) for hearing in hearings],
        "txInfo": {
            "frequency": frequency_hz,
            "modulation": {
                "lora": {
                    "bandwidth": 125000,
                    "spreadingFactor": 12 - data_rate,
                    "codeRate": "CR_4_5",
                }
            },
        },
        "regionConfigId": REGION,
    }


def _rx_info(hearing: Hearing, time_ns: int) -> Event:
    own_ns = time_ns // 1_000_000 * 1_000_000
    info: Event = {
        "gatewayId": hearing.gateway.gateway_id,
        "uplinkId": hearing.uplink_id,
        "nsTime": rfc3339(time_ns + hearing.delay_ns),
    }
    if hearing.gateway.gps:
        gps_ms = own_ns // 1_000_000 - (GPS_EPOCH_S - LEAP_S) * 1000
        info["gwTime"] = rfc3339(own_ns)
        info["timeSinceGpsEpoch"] = _duration(gps_ms)
    info |= {
        "rssi": hearing.rssi_dbm,
        "snr": hearing.snr_db,
        "channel": hearing.uplink_id % 8,
        "location": dict(hearing.gateway.location),
        "context": hearing.context,
        "crcStatus": "CRC_OK",
    }
    ordered = ("gatewayId", "uplinkId", "gwTime", "nsTime", "timeSinceGpsEpoch", "rssi", "snr",
               "channel", "location", "context", "crcStatus")  # fmt: skip
    return {key: info[key] for key in ordered if key in info and info[key] not in (0, 0.0)}


def _duration(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds}.{rest:03d}s" if rest else f"{seconds}s"


def join(device: Device, *, event_id: str, time_ns: int, dev_addr: str) -> Event:
    """Return a `join` event."""
    return {
        "deduplicationId": event_id,
        "time": rfc3339(time_ns),
        "deviceInfo": device_info(device),
        "devAddr": dev_addr,
        "regionConfigId": REGION,
    }


def status(device: Device, *, event_id: str, time_ns: int, margin: int, level: int) -> Event:
    """Return a `status` event; `level` as the device says it: 0 external, 1 to 254, 255 unknown."""
    known = 1 <= level <= 254  # noqa: PLR2004 - LoRaWAN 1.0.4, DevStatusAns
    return {
        "deduplicationId": event_id,
        "time": rfc3339(time_ns),
        "deviceInfo": device_info(device),
        "margin": margin,
        "externalPowerSource": level == 0,
        "batteryLevelUnavailable": not known and level != 0,
        "batteryLevel": shortest_float32(level / 254.0 * 100.0) if known else 0.0,
    }


def log(
    device: Device, *, time_ns: int, level: str, code: str, description: str,
    context: Mapping[str, str],
) -> Event:  # fmt: skip
    """Return a `log` event."""
    return {
        "time": rfc3339(time_ns),
        "deviceInfo": device_info(device),
        "level": level,
        "code": code,
        "description": description,
        "context": dict(context),
    }


def tx_ack(
    device: Device, random: Random, *, time_ns: int, queue_item_id: str, f_cnt_down: int
) -> Event:
    """Return a `txack` event: the barn has transmitted a downlink."""
    immediately: Event = {"immediately": {}}
    return {
        "downlinkId": random.getrandbits(32),
        "time": rfc3339(time_ns),
        "deviceInfo": device_info(device),
        "queueItemId": queue_item_id,
        "fCntDown": f_cnt_down,
        "gatewayId": BARN.gateway_id,
        "txInfo": {
            "frequency": 869525000,
            "power": 27,
            "modulation": {
                "lora": {
                    "bandwidth": 125000,
                    "spreadingFactor": 12,
                    "codeRate": "CR_4_5",
                    "polarizationInversion": True,
                }
            },
            "timing": immediately if device.class_c else {"delay": {"delay": "1s"}},
            "context": base64.b64encode(random.getrandbits(32).to_bytes(4, "big")).decode(),
        },
    }


def ack(
    device: Device, *, event_id: str, time_ns: int, queue_item_id: str, f_cnt_down: int
) -> Event:
    """Return an `ack` event of a confirmed downlink that the device has acknowledged."""
    return {
        "deduplicationId": event_id,
        "time": rfc3339(time_ns),
        "deviceInfo": device_info(device),
        "queueItemId": queue_item_id,
        "acknowledged": True,
        "fCntDown": f_cnt_down,
    }


def _shuffled(decoded: Object, random: Random) -> Object:
    keys = list(decoded)
    random.shuffle(keys)
    return {key: decoded[key] for key in keys}
