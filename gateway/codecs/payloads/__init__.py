"""Payload codecs: the bytes of one frame <-> a decoded object."""

from gateway.codecs.payloads.contract import (
    MAX_PAYLOAD,
    REASONS,
    Decoded,
    Encoded,
    Frame,
    PayloadCodec,
)

__all__ = ["MAX_PAYLOAD", "REASONS", "Decoded", "Encoded", "Frame", "PayloadCodec"]
