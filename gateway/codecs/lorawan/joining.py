"""A device joins: its request is proven and new, it gets an address, keys and a session.

One radio on one channel hears only devices that send on that channel; the answer is due exactly
5 s (RX1) or 6 s (RX2) after the request ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.codecs.lorawan.crypto import session_keys
from gateway.codecs.lorawan.frames import CFList, CFListFrequencies, JoinAccept, JoinRequest, decode
from gateway.codecs.lorawan.identity import AppKey, DevAddr, JoinEui, NetId, to_wire
from gateway.codecs.lorawan.regions import RECEIVE_DELAY1_S, region
from gateway.codecs.lorawan.sealing import SessionKeys, open_join_request, seal_join_accept
from gateway.codecs.lorawan.session import (
    Activation,
    DeviceClass,
    Hearing,
    RxSettings,
    Session,
)
from gateway.codecs.lorawan.windows import ReceiveWindow, join_windows
from gateway.errors import BadInput
from gateway.types import DevEui

MAX_JOIN_NONCE = 0xFF_FFFF
_NWK_ID_BITS = (6, 6, 9, 11, 12, 13, 15, 17)
_PROBES = 64


class NoncePolicy(StrEnum):
    """How a DevNonce proves that a join-request is new.

    SEEN: it is random, and all that were used are remembered (LoRaWAN 1.0.2 and 1.0.3).
    RISING: it is a counter, and must be above the last (LoRaWAN 1.0.4, section 6.2.4).
    """

    SEEN = "seen"
    RISING = "rising"


@dataclass(frozen=True, slots=True)
class JoinDevice:
    """A device that may join. `repr` shows no key.

    `join_eui` None takes whichever it sends. `dev_nonces` are those used so far (RISING keeps the
    greatest alone). `join_nonce` is the next to be given. `rx1_dr_offset`, `rx2_data_rate` and
    `rx_delay_s` are told to it, None for the region's; so is `cf_list`. `rx2_frequency_hz` is where
    the device is built to listen, if not at the region's: a join-accept cannot tell it.
    """

    dev_eui: DevEui
    app_key: AppKey
    region: str
    join_eui: JoinEui | None = None
    nonce_policy: NoncePolicy = NoncePolicy.SEEN
    dev_nonces: frozenset[int] = frozenset()
    join_nonce: int = 1
    device_class: DeviceClass = DeviceClass.A
    rx1_dr_offset: int = 0
    rx2_data_rate: int | None = None
    rx2_frequency_hz: int | None = None
    rx_delay_s: int = RECEIVE_DELAY1_S
    cf_list: CFList | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """A device was let in. **Store `device` and `session` first**, then send `phy_payload`.

    The device may never hear it: its older session stays good until the new one's first uplink.
    """

    device: JoinDevice
    session: Session
    phy_payload: bytes
    windows: tuple[ReceiveWindow, ...]


def take_join_request(
    devices: Mapping[DevEui, JoinDevice],
    phy_payload: bytes,
    now_s: float,
    hearing: Hearing,
    *,
    net_id: NetId,
    taken: Container[DevAddr] = frozenset(),
) -> Joined:
    """Check a join-request and build the session and the join-accept for it.

    Raises
    ------
    BadInput
        Those of `frames.decode`, `not_a_join_request`, `unknown_device`, `unknown_join_eui`,
        `mic_failed`, `dev_nonce_used`, or `join_nonce_exhausted`.

    """
    phy = decode(phy_payload)
    if not isinstance(phy.frame, JoinRequest):
        raise BadInput("not_a_join_request", type(phy.frame).__name__)
    device = devices.get(phy.frame.dev_eui)
    if device is None:
        raise BadInput("unknown_device", f"join-request of {phy.frame.dev_eui}")
    request = open_join_request(phy, device.app_key)
    if device.join_eui not in (None, request.join_eui):
        raise BadInput("unknown_join_eui", f"{request.dev_eui} with {request.join_eui}")
    device_then = _used(device, request.dev_nonce)
    accept = _accept(device, net_id, allocate(net_id, device, taken))
    return Joined(
        device=device_then,
        session=_session(device, accept, request.dev_nonce, now_s),
        phy_payload=seal_join_accept(accept, device.app_key),
        windows=join_windows(region(device.region), hearing),
    )


def allocate(net_id: NetId, device: JoinDevice, taken: Container[DevAddr]) -> DevAddr:
    """Return an address of this network for a device, one that is free where one is found.

    The prefix says the NetID's type and NwkID (TS002, Backend Interfaces, section on DevAddr
    assignment); the rest follows from DevEUI and JoinNonce, so that it needs no dice. A shared
    address is legal: the MIC tells sessions apart.
    """
    number = int(net_id, 16)
    kind = number >> 21
    nwk_bits = _NWK_ID_BITS[kind]
    free_bits = 32 - (kind + 1) - nwk_bits
    prefix = ((1 << kind) - 1) << 1
    network = (prefix << nwk_bits | number & ((1 << nwk_bits) - 1)) << free_bits
    seed = hashlib.sha256(f"{device.dev_eui} {device.join_nonce}".encode()).digest()
    first = int.from_bytes(seed[:4], "big")
    found = [
        DevAddr(f"{network | (first + step) % (1 << free_bits):08x}") for step in range(_PROBES)
    ]
    return next((address for address in found if address not in taken), found[0])


def forget_nonces(device: JoinDevice) -> JoinDevice:
    """Return a device whose DevNonces may come again: an operator's word, after a factory reset.

    Whoever recorded an old join-request can then play it once more; it gets him no keys.
    """
    return replace(device, dev_nonces=frozenset())


def _used(device: JoinDevice, nonce: int) -> JoinDevice:
    """Return the device with this DevNonce used up."""
    rising = device.nonce_policy is NoncePolicy.RISING
    known = device.dev_nonces
    if nonce <= max(known, default=-1) if rising else nonce in known:
        raise BadInput("dev_nonce_used", f"{device.dev_eui} DevNonce {nonce}")
    if device.join_nonce > MAX_JOIN_NONCE:
        raise BadInput("join_nonce_exhausted", f"{device.dev_eui} must get a new AppKey")
    nonces = frozenset({nonce}) if rising else known | {nonce}
    return replace(device, dev_nonces=nonces, join_nonce=device.join_nonce + 1)


def _accept(device: JoinDevice, net_id: NetId, address: DevAddr) -> JoinAccept:
    plan = region(device.region)
    rx2 = plan.rx2_data_rate if device.rx2_data_rate is None else device.rx2_data_rate
    return JoinAccept(
        join_nonce=device.join_nonce,
        net_id=net_id,
        dev_addr=address,
        rx1_dr_offset=device.rx1_dr_offset,
        rx2_data_rate=rx2,
        rx_delay_s=device.rx_delay_s,
        cf_list=device.cf_list,
    )


def _session(device: JoinDevice, accept: JoinAccept, dev_nonce: int, now_s: float) -> Session:
    nwk_s_key, app_s_key = session_keys(
        device.app_key,
        accept.join_nonce.to_bytes(3, "little"),
        to_wire(accept.net_id),
        dev_nonce.to_bytes(2, "little"),
    )
    default = RxSettings.default(region(device.region))
    rx = replace(
        default,
        rx1_delay_s=accept.rx_delay_s,
        rx1_dr_offset=accept.rx1_dr_offset,
        rx2_data_rate=accept.rx2_data_rate,
        rx2_frequency_hz=device.rx2_frequency_hz or default.rx2_frequency_hz,
        channels=_channels(device),
    )
    return Session(
        dev_eui=device.dev_eui,
        dev_addr=accept.dev_addr,
        keys=SessionKeys(nwk_s_key, app_s_key),
        region=device.region,
        rx=rx,
        activation=Activation.OTAA,
        device_class=device.device_class,
        started_s=now_s,
    )


def _channels(device: JoinDevice) -> tuple[tuple[int, int], ...]:
    if not isinstance(device.cf_list, CFListFrequencies):
        return ()
    first = len(region(device.region).channels)  # a CFList goes on where the region ends
    listed = enumerate(device.cf_list.frequencies_hz, first)
    return tuple((index, hz) for index, hz in listed if hz)
