"""The cryptography of LoRaWAN 1.0.x, each formula as one function (sections in its docstring).

Counters here are the full 32 bits, and identifiers are
bytes in wire order, because that is what the formulas are written in.
"""

from __future__ import annotations

import hmac
from enum import IntEnum

from gateway.codecs.lorawan.aes import BLOCK_BYTES, cmac, decrypt_blocks, encrypt_blocks
from gateway.codecs.lorawan.identity import AesKey, AppKey, AppSKey, NwkSKey

MIC_BYTES = 4


class Direction(IntEnum):
    """Which way a data frame goes; the value is the formulas' own `Dir`."""

    UP = 0
    DOWN = 1


def same(one: bytes, other: bytes) -> bool:
    """Compare two MICs in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)


def data_mic(
    key: NwkSKey, direction: Direction, dev_addr: bytes, f_cnt: int, signed: bytes
) -> bytes:
    """Return a data frame's MIC (1.0.3, section 4.4); `signed` is all of it before the MIC."""
    block = _block(0x49, direction, dev_addr, f_cnt, len(signed))
    return cmac(key, block + signed)[:MIC_BYTES]


def join_mic(key: AppKey, signed: bytes) -> bytes:
    """Return the MIC of a join-request or of a plain join-accept (1.0.3, sections 6.2.4, 6.2.5)."""
    return cmac(key, signed)[:MIC_BYTES]


def crypt_frm_payload(
    key: NwkSKey | AppSKey, direction: Direction, dev_addr: bytes, f_cnt: int, payload: bytes
) -> bytes:
    """Encrypt or decrypt FRMPayload, which is the same operation (1.0.3, section 4.3.3)."""
    count = -(-len(payload) // BLOCK_BYTES)
    blocks = b"".join(_block(0x01, direction, dev_addr, f_cnt, i) for i in range(1, count + 1))
    stream = encrypt_blocks(key, blocks)
    return bytes(a ^ b for a, b in zip(payload, stream, strict=False))


def encrypt_join_accept(key: AppKey, body: bytes) -> bytes:
    """Return what goes on air: AES *decrypt*, so that a device needs only AES encrypt (6.2.5)."""
    return decrypt_blocks(key, body)


def decrypt_join_accept(key: AppKey, ciphertext: bytes) -> bytes:
    """Return the plain join-accept body with its MIC: the device's side of the formula."""
    return encrypt_blocks(key, ciphertext)


def session_keys(
    key: AppKey, join_nonce: bytes, net_id: bytes, dev_nonce: bytes
) -> tuple[NwkSKey, AppSKey]:
    """Return the session's keys (1.0.3, section 6.2.5); all arguments in wire order."""
    tail = (join_nonce + net_id + dev_nonce).ljust(BLOCK_BYTES - 1, b"\0")
    network = encrypt_blocks(key, b"\x01" + tail)
    application = encrypt_blocks(key, b"\x02" + tail)
    return NwkSKey(AesKey(network)), AppSKey(AesKey(application))


def _block(first: int, direction: Direction, dev_addr: bytes, f_cnt: int, last: int) -> bytes:
    """Return block B0 (first 0x49, last = length) or Ai (first 0x01, last = i)."""
    head = bytes((first, 0, 0, 0, 0, direction))
    return head + dev_addr + f_cnt.to_bytes(4, "little") + bytes((0, last))
