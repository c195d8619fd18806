"""Consistent Overhead Byte Stuffing: bytes without a zero, so that a zero ends a frame.

Source: Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on
Networking 7(2), 1999. A code byte n stands for n - 1 bytes and then a zero; 255 for 254 bytes and
no zero. The zero that the last block implies is not part of the data.
"""

from __future__ import annotations

from gateway.errors import BadInput

FULL = 0xFF


def encode(data: bytes) -> bytes:
    """Return the data stuffed, without a delimiter; never more than 1 byte in 254 longer, plus 1.

    Data that ends on exactly a full block of 254 gets no empty block after it.
    """
    stuffed = bytearray()
    for number, run in enumerate(data.split(b"\x00")):
        blocks = [run[at : at + FULL - 1] for at in range(0, len(run), FULL - 1)] or [b""]
        is_last = number == data.count(0)
        if len(blocks[-1]) == FULL - 1 and not is_last:
            blocks.append(b"")
        for block in blocks:
            stuffed.append(len(block) + 1)
            stuffed += block
    return bytes(stuffed)


def decode(stuffed: bytes) -> bytes:
    """Return the data of one frame, delimiter taken off.

    Raises
    ------
    BadInput
        `cobs_zero`: a zero within; `cobs_truncated`: a block is longer than what follows.

    """
    data = bytearray()
    at = 0
    while at < len(stuffed):
        code = stuffed[at]
        if code == 0:
            raise BadInput("cobs_zero")
        block = stuffed[at + 1 : at + code]
        if len(block) != code - 1:
            raise BadInput("cobs_truncated", f"{len(block)} of {code - 1} bytes")
        if 0 in block:
            raise BadInput("cobs_zero")
        data += block
        at += code
        if code != FULL and at < len(stuffed):
            data.append(0)
    return bytes(data)
