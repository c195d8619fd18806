"""A heard frame as compact JSON: what a `Delivery` of a serial radio carries as its payload.

::

    {"payload":"40..","rssi_dbm":-87.5,"snr_db":9.25,"frequency_hz":868100000, ...}

`payload` is lower-case hex; what the radio does not tell is left out, `crc_ok` null when the
packet had no checksum.
"""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.codecs.radio.contract import DECIBELS
from gateway.errors import BadInput
from gateway.types import LARGEST_FRAME, HeardFrame

Decibel = Annotated[float, Field(ge=DECIBELS[0], le=DECIBELS[1], allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Heard(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    payload: Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$", max_length=2 * LARGEST_FRAME)]
    rssi_dbm: Decibel | None = None
    snr_db: Decibel | None = None
    frequency_hz: Count | None = None
    spreading_factor: Annotated[int, Field(ge=0, le=255)] | None = None
    bandwidth_hz: Count | None = None
    crc_ok: bool | None = True
    frequency_error_hz: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    counter_us: Count | None = None
    dropped: Count | None = None
    gateway_id: Annotated[str, Field(max_length=64)] | None = None
    sender: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] | None = None


def write_heard(frame: HeardFrame) -> bytes:
    """Return the JSON of one frame."""
    tree: dict[str, object] = {"payload": frame.payload.hex()}
    for name in _Heard.model_fields:
        value = getattr(frame, name)
        if name != "payload" and (value is not None or name == "crc_ok"):
            tree[name] = value
    return json.dumps(tree, separators=(",", ":")).encode()


def read_heard(body: bytes) -> HeardFrame:
    """Read what `write_heard` wrote.

    Raises
    ------
    BadInput
        `radio_bad_frame`, naming the first field that does not fit.

    """
    try:
        heard = _Heard.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput("radio_bad_frame", f"{where} {first['msg']}") from None
    return HeardFrame(**heard.model_dump() | {"payload": bytes.fromhex(heard.payload)})
