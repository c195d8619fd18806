"""How long a LoRa packet is on air (Semtech SX1276/77/78/79 datasheet, section 4.1.1.7)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.errors import BadInput

PREAMBLE_SYMBOLS = 8
"""LoRaWAN's preamble; the radio adds 4.25 symbols of its own."""

_LONG_SYMBOL_S = 0.016
_SPREADING_FACTORS = range(6, 13)
_CODING_RATES = range(5, 9)


@dataclass(frozen=True, slots=True)
class Modulation:
    """A LoRa setting. `coding_rate` is the 5 to 8 of 4/5 to 4/8.

    `crc` is the payload CRC: LoRaWAN sends it with uplinks and not with downlinks.
    `low_data_rate` None follows the datasheet: on when a symbol takes longer than 16 ms.

    Raises
    ------
    BadInput
        `out_of_range`.

    """

    spreading_factor: int
    bandwidth_hz: int
    coding_rate: int = 5
    preamble_symbols: int = PREAMBLE_SYMBOLS
    explicit_header: bool = True
    crc: bool = True
    low_data_rate: bool | None = None

    def __post_init__(self) -> None:
        if self.spreading_factor not in _SPREADING_FACTORS:
            raise BadInput("out_of_range", f"spreading factor {self.spreading_factor}")
        if self.bandwidth_hz <= 0:
            raise BadInput("out_of_range", f"bandwidth {self.bandwidth_hz} Hz")
        if self.coding_rate not in _CODING_RATES:
            raise BadInput("out_of_range", f"coding rate 4/{self.coding_rate}")

    @property
    def symbol_s(self) -> float:
        """Return the length of one symbol."""
        return float(2**self.spreading_factor) / self.bandwidth_hz

    @property
    def low_data_rate_optimised(self) -> bool:
        """Tell whether low data rate optimisation is on."""
        if self.low_data_rate is not None:
            return self.low_data_rate
        return self.symbol_s > _LONG_SYMBOL_S


def payload_symbols(payload_bytes: int, modulation: Modulation) -> int:
    """Return how many symbols header, payload and CRC take."""
    m = modulation
    bits = (
        8 * payload_bytes - 4 * m.spreading_factor + 28 + 16 * m.crc - 20 * (not m.explicit_header)
    )
    per_block = 4 * (m.spreading_factor - 2 * m.low_data_rate_optimised)
    return 8 + max(math.ceil(bits / per_block) * m.coding_rate, 0)


def airtime_s(payload_bytes: int, modulation: Modulation) -> float:
    """Return the time on air of a packet of `payload_bytes` (PHYPayload) in seconds."""
    symbols = modulation.preamble_symbols + 4.25 + payload_symbols(payload_bytes, modulation)
    return symbols * modulation.symbol_s
