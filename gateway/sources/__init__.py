"""Where uplinks come from. A source hands on bytes and acknowledges them; it decodes nothing."""

from gateway.sources.chirpstack import ChirpStackSource
from gateway.sources.memory import MemorySource
from gateway.sources.serial_radio import SerialRadioSource
from gateway.sources.server_codecs import ServerCodecs

__all__ = [
    "ChirpStackSource",
    "MemorySource",
    "SerialRadioSource",
    "ServerCodecs",
]
