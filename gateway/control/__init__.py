"""The way back: a command is checked, becomes a downlink, and is followed honestly to its end."""

from gateway.control.audit import decision
from gateway.control.commands import CommandParser, Target, parse_set, refused
from gateway.control.lifecycle import FINAL, DownlinkTracker
from gateway.control.rate import RateLimit

__all__ = [
    "FINAL",
    "CommandParser",
    "DownlinkTracker",
    "RateLimit",
    "Target",
    "decision",
    "parse_set",
    "refused",
]
