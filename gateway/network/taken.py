"""What one frame, or the passing of time, came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.network.airwaves import Transmission
from gateway.network.changes import Changes
from gateway.types import DeviceEvent, Downlink


@dataclass(slots=True)
class Taken:
    """What one frame, or the passing of time, came to.

    `events` go the way of a network server's; `steps` are commands that got further.
    """

    events: list[DeviceEvent] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    transmissions: list[Transmission] = field(default_factory=list)
    steps: list[Downlink] = field(default_factory=list)
