"""ChirpStack's API as the doctor tries it: it is there, takes our key and shows our devices."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from gateway.config import Config
from gateway.errors import GatewayError
from gateway.links import ChirpStackApi
from gateway.types import ServerDevice

_SHOWN = 5


def try_api(config: Config, own: Collection[str]) -> str:
    """Return what the API shows to our key; `own` are the devices of our own radios.

    Raises
    ------
    GatewayError
        It is not reached, does not take the key, shows nothing, or not every device that the
        settings command.

    """
    devices = asyncio.run(_listed(config))
    server = config.chirpstack.api.server
    if not devices:
        raise GatewayError(
            f"{server} answers and shows no device to our key. Is `tenant_id` the tenant whose "
            "devices these are, and the key one of that tenant?"
        )
    seen = {one.dev_eui.lower() for one in devices}
    commanded = {eui for eui, one in config.devices.items() if one.commands}
    hidden = sorted(commanded - seen - set(own))
    if hidden:
        more = f" and {len(hidden) - _SHOWN} more" if len(hidden) > _SHOWN else ""
        raise GatewayError(
            f"{server} answers and shows {len(devices)} devices, but not "
            f"{', '.join(hidden[:_SHOWN])}{more}, which the settings command: register it there, "
            "correct its DevEUI, or take a key that may see its tenant."
        )
    return f"{server} answers and shows {len(devices)} devices"


async def _listed(config: Config) -> tuple[ServerDevice, ...]:
    api = ChirpStackApi(config.chirpstack.api)
    try:
        return await api.devices()
    finally:
        await api.close()
