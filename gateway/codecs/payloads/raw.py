"""Raw hexadecimal: for devices whose payload nobody describes, and for bytes sent as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.codecs.payloads.contract import MAX_PAYLOAD, Decoded, Encoded, Frame
from gateway.errors import BadInput
from gateway.types import Json

KEYS = ("raw", "hex")
HEX_PAIRS = re.compile(r"(?:[0-9a-fA-F]{2}[ :-]?)*")


@dataclass(frozen=True, slots=True)
class RawCodec:
    """Bytes <-> `{"raw": "01ff"}`, both ways (the `PayloadCodec` of contract.py)."""

    name: str = "raw"

    def decode(self, frame: Frame) -> Decoded:
        """Return the bytes in lower-case hexadecimal."""
        return Decoded({"raw": frame.data.hex()})

    def encode(self, command: Mapping[str, Json], variables: Mapping[str, str]) -> Encoded:
        """Return the bytes of `raw` or `hex`; blanks, colons or dashes may stand between them."""
        del variables
        unknown = [key for key in command if key not in KEYS]
        if unknown or len(command) != 1:
            named = f"`{unknown[0][:64]}`" if unknown else f"{len(command)} keys"
            raise BadInput("codec_unknown_key", f"{named}: give one key, `raw` or `hex`")
        (text,) = command.values()
        if not isinstance(text, str) or not HEX_PAIRS.fullmatch(text):
            raise BadInput("codec_out_of_range", "the bytes must be pairs of hexadecimal digits")
        data = bytes.fromhex(re.sub("[ :-]", "", text))
        if len(data) > MAX_PAYLOAD:
            raise BadInput("codec_out_of_range", f"{len(data)} bytes are more than a frame carries")
        return Encoded(data)

    def decode_downlink(self, frame: Frame) -> Decoded:
        """Return the bytes in lower-case hexadecimal."""
        return self.decode(frame)
