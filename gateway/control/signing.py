"""A command's signature: HMAC-SHA256 over one canonical text of it (RFC 2104, RFC 8785).

::

    text = canonical JSON of {"dev_eui": "…", …every key of the command but `signature`}
    signature = HMAC-SHA256( key, text in UTF-8 ), in 64 lower-case hex digits

Canonical is as RFC 8785 has it: keys in the order of their UTF-16 units, no blanks, no escapes but
those JSON demands, numbers as ECMAScript writes them. The key is the bytes of the operator's key
file without blanks around. A signed command has `id`, `time` and `by`: so it is good once, and for
minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from decimal import Decimal

from gateway.types import Json

_EXACT = 2.0**53
_LARGE = 1e21
_SMALL = 1e-6
_EXPONENT = re.compile(r"e([+-])0*(\d)")


def sign(key: bytes, dev_eui: str, command: Mapping[str, Json]) -> str:
    """Return the signature of a command for a device ("" for what is about no single device)."""
    text = signed_text(dev_eui, command).encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def is_signed(key: bytes, dev_eui: str, command: Mapping[str, Json], signature: str) -> bool:
    """Tell whether a signature is right, in a time that tells nothing of where it is wrong."""
    made = sign(key, dev_eui, command)
    return hmac.compare_digest(made.encode(), signature.encode("utf-8", "replace"))


def signed_text(dev_eui: str, command: Mapping[str, Json]) -> str:
    """Return the text that is signed."""
    tree = {key: value for key, value in command.items() if key != "signature"}
    return canonical({**tree, "dev_eui": dev_eui})


def canonical(value: Json) -> str:
    """Return the one JSON text of a value."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_text(key)}:{canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    """Return a number as ECMAScript writes it: 2.0 is 2, 1e-05 is 0.00001, 1e-07 is 1e-7."""
    if value.is_integer() and abs(value) < _LARGE:
        return str(int(value)) if abs(value) < _EXACT else f"{Decimal(repr(value)):f}"
    if _SMALL <= abs(value) < 1:
        return f"{Decimal(repr(value)):f}"
    return _EXPONENT.sub(r"e\1\2", repr(value))
