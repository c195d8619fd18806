"""Who made a pack: an Ed25519 signature over its manifest, which holds every file's SHA-256.

The member `signature` is JSON: `{"key": <public key>, "signature": <64 bytes>}`, both base64. A
public key is 32 bytes in base64, 44 characters, as it stands under `inference.trusted_keys`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import PackError

KEY_BYTES = 32
_CONTEXT = b"lora-gateway model pack 1\n"
"""Signed along, so that a signature made for something else is none here."""


class Signature(BaseModel):
    """The member `signature`."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
    signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")]


def new_key() -> tuple[bytes, str]:
    """Return a private key (32 bytes, to be kept) and its public key in base64."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), public_key(private.private_bytes_raw())


def public_key(private: bytes) -> str:
    """Return the public key of a private one, in base64."""
    public = Ed25519PrivateKey.from_private_bytes(private).public_key()
    return base64.b64encode(public.public_bytes_raw()).decode()


def sign(manifest: bytes, private: bytes) -> bytes:
    """Return the member `signature` for a manifest."""
    made = Ed25519PrivateKey.from_private_bytes(private).sign(_CONTEXT + manifest)
    content = {"key": public_key(private), "signature": base64.b64encode(made).decode()}
    return json.dumps(content).encode()


def check(manifest: bytes, signature: bytes | None, trusted: Sequence[str]) -> str:
    """Return the public key that signed a manifest, one of the `trusted`.

    Raises
    ------
    PackError
        `unsigned`, `bad_signature`, `unknown_key`.

    """
    if signature is None:
        raise PackError(
            "unsigned",
            "The pack is not signed.",
            "Sign it (`lora-gateway models sign`), or install with --unsigned what you made.",
        )
    try:
        stated = Signature.model_validate_json(signature)
        Ed25519PublicKey.from_public_bytes(base64.b64decode(stated.key)).verify(
            base64.b64decode(stated.signature), _CONTEXT + manifest
        )
    except (ValidationError, InvalidSignature, ValueError) as error:
        raise PackError(
            "bad_signature",
            "The pack's signature does not belong to its manifest.",
            "It was changed after it was signed: get it again from who made it.",
        ) from error
    if stated.key not in trusted:
        raise PackError(
            "unknown_key",
            f"The pack is signed with the key {stated.key}, which is not trusted here.",
            "If you know that this is its maker's key, add it to `inference.trusted_keys`.",
        )
    return stated.key
