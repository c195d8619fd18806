"""AES-128: single blocks, a key stream, and CMAC, from `cryptography`.

It is loaded when the first frame of ours comes: 7 MiB that a gateway without a radio need not hold.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from gateway.codecs.lorawan.identity import AesKey

BLOCK_BYTES = 16


class _Library(NamedTuple):
    """What is used of `cryptography`."""

    cipher: type
    aes: type
    ecb: type
    ctr: type
    cmac: type


@functools.cache
def _library() -> _Library:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415
    from cryptography.hazmat.primitives.cmac import CMAC  # noqa: PLC0415

    return _Library(Cipher, algorithms.AES128, modes.ECB, modes.CTR, CMAC)


def cmac(key: AesKey, message: bytes) -> bytes:
    """Return the 16 bytes of AES-CMAC (RFC 4493)."""
    library = _library()
    code = library.cmac(library.aes(key.reveal()))
    code.update(message)
    return bytes(code.finalize())


def encrypt_blocks(key: AesKey, blocks: bytes) -> bytes:
    """Return every 16-byte block encrypted on its own.

    Single blocks are what LoRaWAN's formulas are made of; no message is ever sent in this mode but
    the join-accept, where the specification says so.
    """
    library = _library()
    context = library.cipher(library.aes(key.reveal()), library.ecb()).encryptor()
    return bytes(context.update(blocks) + context.finalize())


def decrypt_blocks(key: AesKey, blocks: bytes) -> bytes:
    """Return every 16-byte block decrypted on its own."""
    library = _library()
    context = library.cipher(library.aes(key.reveal()), library.ecb()).decryptor()
    return bytes(context.update(blocks) + context.finalize())


def crypt_stream(key: AesKey, first_block: bytes, octets: bytes) -> bytes:
    """Return bytes XOR the key stream that counts up from `first_block` (NIST SP 800-38A, CTR)."""
    library = _library()
    context = library.cipher(library.aes(key.reveal()), library.ctr(first_block)).encryptor()
    return bytes(context.update(octets) + context.finalize())
