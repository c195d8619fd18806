"""The only code that opens a wire. Each link has an in-memory twin that ships with it."""

from gateway.links.allocator import give_back_memory
from gateway.links.backoff import Backoff
from gateway.links.chirpstack_api import ChirpStackApi
from gateway.links.memory import MemoryBroker, MemoryLink
from gateway.links.memory_chirpstack import MemoryChirpStackApi
from gateway.links.memory_serial import MemorySerial
from gateway.links.mqtt import MqttLink
from gateway.links.scripts import InProcessScripts, ScriptProcess
from gateway.links.serial import SerialLink, SerialSettings
from gateway.links.systemd import Systemd
from gateway.links.udp import UdpLink, UdpSettings

__all__ = [
    "Backoff",
    "ChirpStackApi",
    "InProcessScripts",
    "MemoryBroker",
    "MemoryChirpStackApi",
    "MemoryLink",
    "MemorySerial",
    "MqttLink",
    "ScriptProcess",
    "SerialLink",
    "SerialSettings",
    "Systemd",
    "UdpLink",
    "UdpSettings",
    "give_back_memory",
]
