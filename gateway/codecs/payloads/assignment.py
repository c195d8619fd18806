"""Which codec a device has, and whose decoding goes: from the settings, then from the server.

First found serves: the device's own settings, its profile's (by name or id), the tags `codec`, or
`vendor` and `model`, that it carries on the network server, and the codec of its profile there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from gateway.codecs.payloads.library import SERVER, CodecLibrary
from gateway.config import CodecChoice, Config
from gateway.types import DevEui, DeviceInfo

Choice = Literal["auto", "server", "own"]


class Assignments:
    """Answers for one configuration; `variables` learned from the server are kept here."""

    def __init__(self, config: Config, library: CodecLibrary) -> None:
        self._config = config
        self._library = library
        self._variables: dict[DevEui, Mapping[str, str]] = {}

    def codec_of(self, device: DeviceInfo) -> str | None:
        """Return the name of a device's codec, None when it has none."""
        for section in self._sections(device):
            if name := _named(section.codec, section.vendor, section.model):
                return name
        tags = device.tags
        tagged = _named(tags.get("codec", ""), tags.get("vendor", ""), tags.get("model", ""))
        if tagged and self._library.has(tagged):
            return tagged
        given = f"{SERVER}{device.profile_id}"
        return given if device.profile_id and self._library.has(given) else None

    def decoding_of(self, device: DeviceInfo) -> Choice:
        """Return whose decoding goes for a device."""
        own = (section.decoding for section in self._sections(device))
        return next((choice for choice in own if choice), self._config.codecs.decoding)

    def variables_of(self, device: DeviceInfo) -> Mapping[str, str]:
        """Return a device's variables: its own, over its profile's, over the server's."""
        variables = dict(self._variables.get(device.dev_eui, {}))
        for section in reversed(list(self._sections(device))):
            variables.update(section.variables)
        return variables

    def learn(self, dev_eui: DevEui, variables: Mapping[str, str]) -> None:
        """Take a device's variables from the network server."""
        self._variables[dev_eui] = dict(variables)

    def _sections(self, device: DeviceInfo) -> Iterator[CodecChoice]:
        config = self._config
        if (own := config.devices.get(device.dev_eui)) is not None:
            yield own
        profile = config.profiles.get(device.profile) or config.profiles.get(device.profile_id)
        if profile is not None:
            yield profile


def _named(codec: str, vendor: str, model: str) -> str | None:
    if codec:
        return codec.casefold()
    if vendor and model:
        return f"{vendor}/{model}".casefold().replace(" ", "-")
    return None
