"""`[codecs]`, `[profiles.NAME]` and `[devices.DEVEUI]`: what holds for which device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gateway.config.commands import CommandConfig
from gateway.config.section import Seconds, Section


class ChannelConfig(Section):
    """What one payload key becomes. An empty `channel` drops nothing: it keeps the key's name.

    `value * scale + offset` gives `unit`.
    """

    channel: str = ""
    unit: str | None = None
    kind: Literal["numeric", "counter", "boolean", "enum", "text"] | None = None
    scale: float = 1.0
    offset: float = 0.0


class CodecChoice(Section):
    """Which codec decodes a device, by name or by vendor and model, and whose decoding goes.

    `decoding` is "" for what `[codecs]` says. `variables` are handed to the codec.
    """

    codec: str = ""
    vendor: str = ""
    model: str = ""
    decoding: Literal["", "auto", "server", "own"] = ""
    variables: dict[str, str] = {}


class CommandedConfig(CodecChoice):
    """What may be commanded: with any command named, nothing else is sent to the device."""

    commands: dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")],
        CommandConfig,
    ] = {}

    @field_validator("commands")
    @classmethod
    def _closed(cls, commands: dict[str, CommandConfig]) -> dict[str, CommandConfig]:
        for name, command in commands.items():
            other = commands.get(command.close_with)
            if command.close_with and (other is None or not other.ends or other.keys):
                raise ValueError(
                    f"{name}: `close_with` must name a command here whose effect is close or stop, "
                    "and which needs no keys"
                )
        return commands


class ProfileConfig(CommandedConfig):
    """`[profiles."NAME"]`: what holds for every device of a ChirpStack device profile."""

    channels: dict[str, ChannelConfig] = {}


class DeviceConfig(CommandedConfig):
    """`[devices.DEVEUI]`: what holds for one device; goes before its profile.

    Devices of one `area` (a field, a greenhouse) are neighbours; those of different `site`s never
    are. Probes of one area at different `depth_cm` do not testify about each other. `outdoors` says
    that a device shows the weather, or does not; None leaves it to its tags, channels and name.
    """

    name: str = ""
    site: str = ""
    area: str = ""
    depth_cm: Annotated[float, Field(ge=0)] | None = None
    outdoors: bool | None = None
    channels: dict[str, ChannelConfig] = {}
    command_f_port: Annotated[int, Field(ge=1, le=223)] | None = None


class CodecsConfig(Section):
    """`[codecs]`: how payloads become objects where the network server does not do it.

    `decoding` is `auto` (the server's object where there is one, else ours), `server` or `own`.
    With `compare`, both are made where both can be, and disagreements are counted and shown.
    A script may use `time_ms` of CPU time per message and `memory_mb`; `isolated` gives every
    message of every script a context of its own.
    """

    folder: Path = Path("/var/lib/lora-gateway/codecs")
    decoding: Literal["auto", "server", "own"] = "auto"
    compare: bool = True
    fetch: bool = True
    reload_s: Seconds = 5.0
    time_ms: Annotated[int, Field(ge=5, le=5000)] = 100
    memory_mb: Annotated[int, Field(ge=1, le=256)] = 8
    isolated: bool = False
    alert_after: Annotated[int, Field(ge=1, le=1000)] = 3
