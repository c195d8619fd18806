"""Who is who in LoRaWAN: keys that do not show themselves, and identifiers with their wire order.

An identifier is lower-case hex, most significant byte first, as it is printed on a device; on the
air every one of them goes least significant byte first (LoRaWAN 1.0.3, section 2.1: octet order).
"""

from __future__ import annotations

import hmac
from typing import NewType

from gateway.errors import BadInput
from gateway.types import DevEui

JoinEui = NewType("JoinEui", str)
"""16 lower-case hex digits; AppEUI in the older documents."""

DevAddr = NewType("DevAddr", str)
"""8 lower-case hex digits. Two devices may have the same one."""

NetId = NewType("NetId", str)
"""6 lower-case hex digits."""

KEY_BYTES = 16
_HEX = frozenset("0123456789abcdefABCDEF")


class AesKey:
    """128 bits that never show: not in `repr`, `str`, f-strings, pickles or dataclass dumps.

    Raises
    ------
    BadInput
        `invalid_key`, when there are not 16 bytes; the detail holds none of them.

    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise BadInput("invalid_key", f"a key has {KEY_BYTES} bytes, this one {len(secret)}")
        self._secret = bytes(secret)

    @classmethod
    def from_hex(cls, text: str) -> AesKey:
        """Return the key of 32 hex digits; blanks, colons and dashes between them are allowed."""
        digits = "".join(c for c in text if c not in " \t\r\n:-")
        if len(digits) != 2 * KEY_BYTES or not _HEX.issuperset(digits):
            raise BadInput("invalid_key", f"a key is {2 * KEY_BYTES} hex digits")
        return cls(bytes.fromhex(digits))

    def reveal(self) -> bytes:
        """Return the 16 bytes: for ciphers, and for the one place that stores them."""
        return self._secret

    def __repr__(self) -> str:
        return "AesKey(hidden)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AesKey):
            return NotImplemented
        return hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash((AesKey, self._secret))

    def __copy__(self) -> AesKey:
        return self

    def __deepcopy__(self, _memo: object) -> AesKey:
        return self

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled: store what reveal() gives, where only we can read")


AppKey = NewType("AppKey", AesKey)
"""The root key of a device that joins (LoRaWAN 1.0.x has this one alone)."""

NwkSKey = NewType("NwkSKey", AesKey)
"""The session's key for MICs and for FRMPayload on FPort 0."""

AppSKey = NewType("AppSKey", AesKey)
"""The session's key for FRMPayload on every other FPort."""


def dev_eui(text: str) -> DevEui:
    """Return a DevEUI from how people write it. Raises `BadInput` (`invalid_dev_eui`)."""
    return DevEui(_identifier(text, 8, "invalid_dev_eui"))


def join_eui(text: str) -> JoinEui:
    """Return a JoinEUI from how people write it. Raises `BadInput` (`invalid_join_eui`)."""
    return JoinEui(_identifier(text, 8, "invalid_join_eui"))


def dev_addr(text: str) -> DevAddr:
    """Return a DevAddr from how people write it. Raises `BadInput` (`invalid_dev_addr`)."""
    return DevAddr(_identifier(text, 4, "invalid_dev_addr"))


def net_id(text: str) -> NetId:
    """Return a NetID from how people write it. Raises `BadInput` (`invalid_net_id`)."""
    return NetId(_identifier(text, 3, "invalid_net_id"))


def to_wire(identifier: str) -> bytes:
    """Return an identifier's bytes as they go over the air: least significant first."""
    return bytes.fromhex(identifier)[::-1]


def from_wire(octets: bytes) -> str:
    """Return the identifier that these bytes of the air are."""
    return octets[::-1].hex()


def _identifier(text: str, size: int, reason: str) -> str:
    digits = "".join(c for c in text if c not in " :-")
    if len(digits) != 2 * size or not _HEX.issuperset(digits):
        raise BadInput(reason, f"{text[:40]!r} is not {2 * size} hex digits")
    return digits.lower()
