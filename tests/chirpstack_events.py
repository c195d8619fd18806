"""ChirpStack uplink events for tests, in the form the server's JSON marshaler gives them.

Form: ChirpStack 4.20 `integration.UplinkEvent`: its own fields are written with their defaults,
the nested `gw.*` and `common.*` messages leave defaults out.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

APPLICATION = "6b5f0f9c-2f43-4a0e-8d51-3d1c4f6f0b11"
NAMESPACE = uuid.UUID("7d1f6f0a-6b0b-4b55-9c43-0c1f7a5e8a10")


def eui(number: int) -> str:
    """Return the DevEUI of test device `number`."""
    return f"a84041{number:010x}"


def uplink_id(dev_eui: str, f_cnt: int) -> str:
    """Return the `deduplicationId` that `up` gives this frame."""
    return str(uuid.uuid5(NAMESPACE, f"{dev_eui}/{f_cnt}"))


def up(
    dev_eui: str,
    f_cnt: int,
    time_s: float,
    values: Mapping[str, object] | None,
    *,
    data: bytes = bytes.fromhex("0d48000008cf038901e110"),
    f_port: int = 2,
) -> tuple[str, bytes]:
    """Return topic and payload of one uplink of `data`, whose codec gave `values`."""
    event: dict[str, object] = {
        "deduplicationId": uplink_id(dev_eui, f_cnt),
        "time": _rfc3339(time_s),
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "tenantName": "Test",
            "applicationId": APPLICATION,
            "applicationName": "field",
            "deviceProfileId": "8ed2a8fe-c149-4996-bfe8-76f06641be93",
            "deviceProfileName": "Soil probe",
            "deviceName": f"probe-{dev_eui[-4:]}",
            "devEui": dev_eui,
            "deviceClassEnabled": "CLASS_A",
            "tags": {},
        },
        "devAddr": f"01{dev_eui[-6:]}",
        "adr": True,
        "dr": 5,
        "fCnt": f_cnt,
        "fPort": f_port,
        "confirmed": False,
        "data": base64.b64encode(data).decode(),
        "rxInfo": [
            {
                "gatewayId": "0016c001f153a14c",
                "uplinkId": f_cnt + 1,
                "nsTime": _rfc3339(time_s + 0.05),
                "rssi": -90 - f_cnt % 7,
                "snr": 8.5,
                "channel": 3,
                "location": {},
                "context": "Dbv5KQ==",
                "crcStatus": "CRC_OK",
            }
        ],
        "txInfo": {
            "frequency": 868100000,
            "modulation": {
                "lora": {"bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}
            },
        },
    }
    if values is not None:
        event["object"] = dict(values)
    return f"application/{APPLICATION}/device/{dev_eui}/event/up", json.dumps(event).encode()


def _rfc3339(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="microseconds")
