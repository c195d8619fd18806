"""Commands as the network server reads them from `command/down`.

A command that the server would not take is an error in the server's log and nothing more: whoever
sent it hears nothing. Here it is None.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gateway.types import Json

Encoding = Literal["json", "protobuf"]
F_PORTS = range(1, 256)


@dataclass(frozen=True, slots=True)
class Command:
    """A downlink in a device's queue."""

    id: str
    data: bytes
    confirmed: bool
    expires_s: float | None


def read_command(
    payload: bytes, dev_eui: str, encoding: Encoding, *, otherwise_id: str
) -> Command | None:
    """Return the command for `dev_eui`, named `otherwise_id` when it brings no id of its own."""
    fields = _fields(payload, encoding)
    if fields is None or fields.get("devEui") != dev_eui or fields.get("fPort") not in F_PORTS:
        return None
    expires = fields.get("expiresAt")
    try:
        return Command(
            id=str(fields.get("id") or otherwise_id),
            data=base64.b64decode(fields.get("data", ""), validate=True),
            confirmed=bool(fields.get("confirmed")),
            expires_s=datetime.fromisoformat(expires).timestamp() if expires else None,
        )
    except (ValueError, TypeError):
        return None


def _fields(payload: bytes, encoding: Encoding) -> Mapping[str, Json] | None:
    if encoding == "protobuf":
        return _protobuf_fields(payload)
    try:
        fields = json.loads(payload)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _protobuf_fields(payload: bytes) -> Mapping[str, Json] | None:
    # Only who asks for protobuf pays for importing it.
    from chirpstack_api import integration  # noqa: PLC0415
    from google.protobuf import json_format  # noqa: PLC0415
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    try:
        return dict(json_format.MessageToDict(integration.DownlinkCommand.FromString(payload)))
    except DecodeError:
        return None
