"""A network server that is asked: its codecs, profiles, devices and queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class ServerCodec:
    """The payload codec of one ChirpStack device profile; `changed_s` is the profile's.

    `script` is "" unless `runtime` is "js".
    """

    profile_id: str
    name: str
    runtime: Literal["none", "js", "cayenne_lpp"]
    script: str
    changed_s: float


@dataclass(frozen=True, slots=True)
class ServerProfile:
    """A device profile as a listing shows it, without its codec."""

    profile_id: str
    name: str
    changed_s: float


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A downlink that waits at the network server; `is_pending`: transmitted, not yet answered."""

    id: str
    f_port: int
    data: bytes
    confirmed: bool
    is_pending: bool


@dataclass(frozen=True, slots=True)
class ServerDevice:
    """A device as a listing shows it, without its variables."""

    dev_eui: str
    name: str
    profile_id: str
    profile_name: str


class CodecServer(Protocol):
    """A network server that knows its devices' payload codecs.

    Both methods raise `LinkRefused` for what it does not have, `LinkError` for anything else.
    """

    async def profile_codec(self, profile_id: str) -> ServerCodec:
        """Return the codec of one device profile."""
        ...

    async def device_variables(self, dev_eui: str) -> Mapping[str, str]:
        """Return the variables of one device, as a codec is handed them."""
        ...
