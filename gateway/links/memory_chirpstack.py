"""The ChirpStack API's in-memory twin: for tests, replays and dry runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gateway.errors import ConfigError, LinkError, LinkRefused
from gateway.types import ServerCodec, ServerDevice, ServerProfile


class MemoryChirpStackApi:
    """`ChirpStackApi` on dicts, which may be changed at any time.

    `codecs` is by profile id, `variables` by DevEUI, `devices_by_eui` by DevEUI. `failure` is
    raised by every call while it is set (`LinkError` for a server that is away). `calls` lists
    what was asked for, oldest first; `under_way` and `most_under_way` count calls at one time.
    """

    def __init__(
        self,
        codecs: Mapping[str, ServerCodec] | None = None,
        variables: Mapping[str, Mapping[str, str]] | None = None,
        devices: Mapping[str, ServerDevice] | None = None,
    ) -> None:
        self.codecs = dict(codecs or {})
        self.variables = {eui: dict(own) for eui, own in (variables or {}).items()}
        self.devices_by_eui = dict(devices or {})
        self.failure: LinkError | ConfigError | None = None
        self.calls: list[tuple[str, str]] = []
        self.under_way = 0
        self.most_under_way = 0

    async def profile_codec(self, profile_id: str) -> ServerCodec:
        """Return the codec of one device profile."""
        await self._called("profile", profile_id)
        if profile_id not in self.codecs:
            raise _absent(profile_id)
        return self.codecs[profile_id]

    async def device_variables(self, dev_eui: str) -> Mapping[str, str]:
        """Return the variables of one device."""
        await self._called("device", dev_eui)
        if dev_eui not in self.variables:
            raise _absent(dev_eui)
        return dict(self.variables[dev_eui])

    async def profiles(self) -> tuple[ServerProfile, ...]:
        """Return every device profile."""
        await self._called("profiles", "")
        return tuple(
            ServerProfile(codec.profile_id, codec.name, codec.changed_s)
            for codec in self.codecs.values()
        )

    async def devices(self) -> tuple[ServerDevice, ...]:
        """Return every device."""
        await self._called("devices", "")
        return tuple(self.devices_by_eui.values())

    async def close(self) -> None:
        """Do nothing: there is no wire."""

    async def _called(self, what: str, key: str) -> None:
        self.calls.append((what, key))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)  # a real server's answer takes at least a turn of the loop
        finally:
            self.under_way -= 1
        if self.failure is not None:
            raise self.failure


def _absent(key: str) -> LinkRefused:
    return LinkRefused(f"ChirpStack does not have it (Object does not exist (id: {key})).")
