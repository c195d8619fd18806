"""Downlinks as ChirpStack v4 takes them on `application/{id}/device/{eui}/command/down`.

The body's `devEui` must equal the topic's; `id` becomes the queue item's key on the server and
comes back as `queueItemId` in its txack and ack events, so that enqueueing twice is one downlink.
"""

from __future__ import annotations

import base64
import json
from typing import Literal

from gateway.codecs.chirpstack_protobuf import protobuf_command
from gateway.codecs.times import format_rfc3339
from gateway.types import Downlink, Json


def encode_down(downlink: Downlink, encoding: Literal["json", "protobuf"] = "json") -> bytes:
    """Return the body: `object` where the downlink has one, else `data`.

    The server reads commands in the one encoding in which it writes its events (`json` in its
    MQTT integration), and what it cannot read is a line in its log alone.
    """
    if encoding == "protobuf":
        return protobuf_command(downlink)
    body: dict[str, Json] = {
        "id": downlink.id,
        "devEui": downlink.dev_eui,
        "confirmed": downlink.confirmed,
        "fPort": downlink.f_port,
    }
    if downlink.object is not None:
        body["object"] = dict(downlink.object)
    else:
        body["data"] = base64.b64encode(downlink.data).decode()
    body["expiresAt"] = format_rfc3339(downlink.expires_s)
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
