"""The way back: a command is checked, becomes a downlink, and is followed honestly to its end."""

from gateway.control.audit import decision
from gateway.control.authority import PROGRAM, Authority
from gateway.control.commands import CommandParser, Target, parse_set
from gateway.control.desk import Desk
from gateway.control.groups import (
    GroupCommand,
    Groups,
    Multicast,
    Told,
    group_identity,
    member_id,
    refused_view,
)
from gateway.control.lifecycle import DownlinkTracker
from gateway.control.orders import VERBS, Carried, Orders
from gateway.control.programs import (
    KEPT_PROGRAM,
    PROGRAM_VERBS,
    Fact,
    Programs,
    Sunrise,
    Turned,
    Weather,
    carry_out,
)
from gateway.control.rate import RateLimit
from gateway.control.refusals import refused, refused_as
from gateway.control.safety import KEPT_S, Safety
from gateway.control.schema import Catalogue
from gateway.control.signing import sign
from gateway.control.states import FINAL

__all__ = [
    "FINAL",
    "KEPT_PROGRAM",
    "KEPT_S",
    "PROGRAM",
    "PROGRAM_VERBS",
    "VERBS",
    "Authority",
    "Carried",
    "Catalogue",
    "CommandParser",
    "Desk",
    "DownlinkTracker",
    "Fact",
    "GroupCommand",
    "Groups",
    "Multicast",
    "Orders",
    "Programs",
    "RateLimit",
    "Safety",
    "Sunrise",
    "Target",
    "Told",
    "Turned",
    "Weather",
    "carry_out",
    "decision",
    "group_identity",
    "member_id",
    "parse_set",
    "refused",
    "refused_as",
    "refused_view",
    "sign",
]
