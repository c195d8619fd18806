"""The network server's part for radios of our own: devices, sessions, answers. See README.md."""

from gateway.network.airwaves import Airwaves, Ended, Radio, Transmission
from gateway.network.changes import Changes, batch_of
from gateway.network.devices import Kind, RadioDevice, from_record, to_record
from gateway.network.roster import APPLICATION, Roster
from gateway.network.server import NetworkServer
from gateway.network.server_queue import ServerQueue
from gateway.network.taken import Taken

__all__ = [
    "APPLICATION",
    "Airwaves",
    "Changes",
    "Ended",
    "Kind",
    "NetworkServer",
    "Radio",
    "RadioDevice",
    "Roster",
    "ServerQueue",
    "Taken",
    "Transmission",
    "batch_of",
    "from_record",
    "to_record",
]
