"""The way back: a command is checked, becomes a downlink, and is followed honestly to its end."""

from gateway.control.audit import decision
from gateway.control.authority import Authority
from gateway.control.commands import CommandParser, Target, parse_set, refused, refused_as
from gateway.control.desk import Carried, Desk
from gateway.control.lifecycle import FINAL, DownlinkTracker
from gateway.control.orders import VERBS
from gateway.control.rate import RateLimit
from gateway.control.safety import KEPT_S, Safety
from gateway.control.schema import Catalogue
from gateway.control.signing import sign

__all__ = [
    "FINAL",
    "KEPT_S",
    "VERBS",
    "Authority",
    "Carried",
    "Catalogue",
    "CommandParser",
    "Desk",
    "DownlinkTracker",
    "RateLimit",
    "Safety",
    "Target",
    "decision",
    "parse_set",
    "refused",
    "refused_as",
    "sign",
]
