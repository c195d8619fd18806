"""CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, no reflection, no final XOR.

Catalogue check value: `crc16(b"123456789") == 0x29B1`. The start of 0xFFFF lets it see leading
zeros.
"""

from __future__ import annotations

import binascii


def crc16(data: bytes, start: int = 0xFFFF) -> int:
    """Return the checksum; `start` goes on from an earlier part's."""
    return binascii.crc_hqx(data, start)
