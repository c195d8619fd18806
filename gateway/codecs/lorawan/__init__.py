"""LoRaWAN 1.0.x without a network server, and private LoRa: pure functions, time as an argument."""

from gateway.codecs.link_margin import LossWindow, link_margin_db
from gateway.codecs.lorawan.downlinks import Answer, Command, answer
from gateway.codecs.lorawan.duty import AirtimeLedger, Refusal, Transmission, Wanted
from gateway.codecs.lorawan.identity import (
    AesKey,
    AppKey,
    AppSKey,
    DevAddr,
    JoinEui,
    NetId,
    NwkSKey,
)
from gateway.codecs.lorawan.joining import (
    JoinDevice,
    Joined,
    NoncePolicy,
    forget_nonces,
    take_join_request,
)
from gateway.codecs.lorawan.private import (
    HeardPrivate,
    PrivateNode,
    answer_private,
    take_private,
)
from gateway.codecs.lorawan.records import from_record, to_record
from gateway.codecs.lorawan.regions import Region, region, regions
from gateway.codecs.lorawan.sealing import SessionKeys
from gateway.codecs.lorawan.session import (
    Activation,
    CounterReset,
    DeviceClass,
    Hearing,
    RxSettings,
    Session,
    ask,
)
from gateway.codecs.lorawan.uplinks import Heard, take_uplink
from gateway.codecs.lorawan.windows import ReceiveWindow, class_c_window, join_windows, windows

__all__ = [
    "Activation",
    "AesKey",
    "AirtimeLedger",
    "Answer",
    "AppKey",
    "AppSKey",
    "Command",
    "CounterReset",
    "DevAddr",
    "DeviceClass",
    "Heard",
    "HeardPrivate",
    "Hearing",
    "JoinDevice",
    "JoinEui",
    "Joined",
    "LossWindow",
    "NetId",
    "NoncePolicy",
    "NwkSKey",
    "PrivateNode",
    "ReceiveWindow",
    "Refusal",
    "Region",
    "RxSettings",
    "Session",
    "SessionKeys",
    "Transmission",
    "Wanted",
    "answer",
    "answer_private",
    "ask",
    "class_c_window",
    "forget_nonces",
    "from_record",
    "join_windows",
    "link_margin_db",
    "region",
    "regions",
    "take_join_request",
    "take_private",
    "take_uplink",
    "to_record",
    "windows",
]
