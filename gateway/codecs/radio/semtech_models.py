"""The JSON of Semtech's UDP protocol: what a concentrator says of a packet (`rxpk`).

Source: Semtech/Lora-net `packet_forwarder`, PROTOCOL.TXT, sections 4 and 6. Forwarders differ:
base64 comes padded, unpadded or in the URL alphabet, `datr` as text or number, figures as text.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.errors import BadInput

_LORA_RATE = re.compile(r"SF(\d{1,2})BW(\d{1,4})(?:\.\d+)?$")
_URL_TO_PLAIN = str.maketrans("-_", "+/")


def read_base64(text: str) -> bytes:
    """Return the bytes of base64 in any of its spellings.

    Raises
    ------
    BadInput
        `invalid_base64`.

    """
    plain = "".join(text.split()).rstrip("=").translate(_URL_TO_PLAIN)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("invalid_base64", str(error)) from None


def read_data_rate(datr: str | float) -> tuple[int, int] | None:
    """Return spreading factor and bandwidth in Hz, None for what is not LoRa (FSK: a bit rate)."""
    found = _LORA_RATE.match(str(datr).strip().upper())
    if found is None or int(found[1]) not in range(5, 13):
        return None
    return int(found[1]), int(found[2]) * 1000


def write_data_rate(spreading_factor: int, bandwidth_hz: int) -> str:
    """Return `SF7BW125` for 7 and 125000."""
    return f"SF{spreading_factor}BW{bandwidth_hz // 1000}"


def _number(value: Any) -> Any:  # noqa: ANN401 - whatever a stranger wrote
    """Take "868.1" for 868.1; what is no number pydantic refuses by itself."""
    return value.strip() if isinstance(value, str) else value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_number)]


class Antenna(BaseModel):
    """One antenna's hearing, of forwarders that have several (`rsig`)."""

    model_config = ConfigDict(extra="ignore")

    rssic: Annotated[Number, Field(ge=-300, le=100)]
    lsnr: Annotated[Number, Field(ge=-100, le=100)] | None = None


class RxPacket(BaseModel):
    """One `rxpk`. `stat` 1: CRC good, -1: wrong, 0: the packet had none."""

    model_config = ConfigDict(extra="ignore")

    data: Annotated[str, Field(max_length=1024)]
    freq: Annotated[Number, Field(gt=0, lt=10_000)]
    datr: str | float
    modu: Literal["LORA", "FSK", "LR-FHSS"] = "LORA"
    tmst: Annotated[Whole, Field(ge=0, lt=2**32)] | None = None
    rssi: Annotated[Number, Field(ge=-300, le=100)] | None = None
    lsnr: Annotated[Number, Field(ge=-100, le=100)] | None = None
    rsig: Annotated[list[Antenna], Field(max_length=16)] | None = None
    stat: Annotated[Whole, Field(ge=-1, le=1)] | None = None
    size: Annotated[Whole, Field(ge=0, le=255)] | None = None
    foff: Annotated[Whole, Field(ge=-(10**6), le=10**6)] | None = None

    def signal(self) -> tuple[float | None, float | None]:
        """Return RSSI and SNR; of several antennas, the one that heard it best."""
        if self.rssi is not None or not self.rsig:
            return self.rssi, self.lsnr
        best = max(self.rsig, key=lambda antenna: (antenna.lsnr or -100.0, antenna.rssic))
        return best.rssic, best.lsnr


def read_packet(tree: object) -> RxPacket:
    """Read one entry of `rxpk`.

    Raises
    ------
    BadInput
        `semtech_bad_rxpk`, naming the first field that does not fit.

    """
    try:
        return RxPacket.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput("semtech_bad_rxpk", f"{where}: {first['msg']}") from None
