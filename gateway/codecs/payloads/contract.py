"""What every payload codec is: bytes of one frame -> a decoded object, and an object -> bytes.

JavaScript codecs, binary layouts, Cayenne LPP and raw hex all meet here, so nothing downstream
knows which kind decoded an uplink. Objects are JSON: a codec never returns anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.types import Json

MAX_PAYLOAD = 255
"""No LoRa frame carries more bytes than this (SX1276 datasheet, payload length register)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One payload as the radio brought it: the decrypted FRMPayload and what came with it.

    `time_s` is when it was received, None when unknown; `variables` are the device's own, as
    ChirpStack hands them to a codec.
    """

    data: bytes
    f_port: int
    time_s: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a frame says. `data` is plain JSON: no NaN, no infinity, text keys.

    `rejects` are leaves that could not be kept, as (reason, dotted key): they cost no other leaf.
    `normalized` holds measurements in The Things Network's normalized form where the codec makes
    them, newest last; empty otherwise.
    """

    data: Mapping[str, Json]
    warnings: tuple[str, ...] = ()
    rejects: tuple[tuple[str, str], ...] = ()
    normalized: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """A downlink's bytes; `f_port` is None when the codec leaves the port to its caller."""

    data: bytes
    f_port: int | None = None
    warnings: tuple[str, ...] = ()


class PayloadCodec(Protocol):
    """One device type's way of packing bytes.

    Every method raises `BadInput` and nothing else: a reason of `REASONS`, and a detail a person
    can act on. No call changes what a later one returns.
    """

    @property
    def name(self) -> str:
        """Return the name it is assigned by, such as `dragino/lse01` or `cayenne_lpp`."""
        ...

    def decode(self, frame: Frame) -> Decoded:
        """Return what an uplink says."""
        ...

    def encode(self, command: Mapping[str, Json], variables: Mapping[str, str]) -> Encoded:
        """Return a command's bytes."""
        ...

    def decode_downlink(self, frame: Frame) -> Decoded:
        """Return what a downlink's bytes command."""
        ...


REASONS: Mapping[str, str] = {
    "codec_error": "the codec itself says that the payload is wrong (TS013 `errors`)",
    "codec_exception": "the codec failed while it ran",
    "codec_time_limit": "the codec used more than its time",
    "codec_memory_limit": "the codec used more than its memory, or recursed too deep",
    "codec_crash": "the codec took its process along",
    "codec_syntax": "the codec cannot be read: it is no valid script or layout",
    "codec_no_function": "the codec has no function for this direction",
    "codec_result": "the result is no object of values (wrong type, cyclic, a getter, too deep)",
    "codec_result_key": "the result has a key that no payload needs, such as `__proto__`",
    "codec_too_many_keys": "the result has more values than any frame can carry",
    "codec_no_match": "no part of the layout is for this port, header or length",
    "codec_truncated": "the payload ends before its last field",
    "codec_checksum": "the payload's checksum is wrong",
    "codec_unknown_type": "the payload has a type that this format does not define",
    "codec_out_of_range": "a value does not fit its field",
    "codec_unknown": "there is no codec of this name",
    "codec_resting": "the codec met its limits too often and is left alone for a while",
    "codec_unknown_key": "a command names a key that the codec does not have",
}
"""Why a codec gives nothing, in words for a person."""
