"""What the audit log keeps of a decision on a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from gateway.types import Downlink, Json

_PLAIN = {item.name: item.default for item in fields(Downlink)}


def decision(downlink: Downlink) -> Mapping[str, Json]:
    """Return a command's every fact at one step, its bytes as hex; what goes unsaid is left out."""
    facts: dict[str, Json] = {
        name: getattr(downlink, name)
        for name in _PLAIN
        if getattr(downlink, name) != _PLAIN[name] and name != "data"
    }
    facts["state"] = downlink.state.value
    if downlink.data:
        facts["data"] = downlink.data.hex()
    if downlink.object is not None:
        facts["object"] = dict(downlink.object)
    return facts
