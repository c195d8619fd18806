"""The device's side of LoRaWAN and of private LoRa, for tests: it counts, seals and opens."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.codecs.lorawan import (
    Activation,
    AesKey,
    AppKey,
    AppSKey,
    DevAddr,
    Hearing,
    JoinEui,
    NwkSKey,
    RxSettings,
    Session,
    SessionKeys,
    region,
)
from gateway.codecs.lorawan.crypto import Direction, session_keys
from gateway.codecs.lorawan.frames import DataFrame, JoinAccept, JoinRequest, decode
from gateway.codecs.lorawan.identity import to_wire
from gateway.codecs.lorawan.sealing import open_join_accept, seal, seal_join_request, unseal
from gateway.types import DevEui

EUI = DevEui("70b3d57ed0000001")
JOIN_EUI = JoinEui("0000000000000001")
ADDRESS = DevAddr("26011bda")
NOW_S = 1_750_000_000.0


def key(number: int) -> AesKey:
    """Return a key that differs by number."""
    return AesKey(bytes(range(number, number + 16)))


def session_of(**changes: object) -> Session:
    """Return a fresh ABP session in EU868; `changes` are fields of `Session`."""
    plan = region(str(changes.get("region", "EU868")))
    fields: dict[str, object] = {
        "dev_eui": EUI,
        "dev_addr": ADDRESS,
        "keys": SessionKeys(NwkSKey(key(1)), AppSKey(key(2))),
        "region": plan.name,
        "rx": RxSettings.default(plan),
        "activation": Activation.ABP,
    }
    return Session(**{**fields, **changes})  # type: ignore[arg-type]


def hearing(**changes: object) -> Hearing:
    """Return how an uplink at SF7 on 868.1 MHz was heard."""
    fields: dict[str, object] = {
        "end_s": NOW_S,
        "frequency_hz": 868_100_000,
        "spreading_factor": 7,
        "bandwidth_hz": 125_000,
        "rssi_dbm": -97.0,
        "snr_db": 5.5,
    }
    return Hearing(**{**fields, **changes})  # type: ignore[arg-type]


@dataclass
class Device:
    """A device with a session: it counts its uplinks by itself."""

    keys: SessionKeys = field(default_factory=lambda: SessionKeys(NwkSKey(key(1)), AppSKey(key(2))))
    dev_addr: DevAddr = ADDRESS
    f_cnt: int = 0

    def uplink(self, data: bytes = b"\x01\x02", f_port: int | None = 2, **flags: object) -> bytes:
        """Return the next uplink; `flags` are further fields of `DataFrame`."""
        fields: dict[str, object] = {"confirmed": False, **flags}
        frame = DataFrame(
            direction=Direction.UP,
            dev_addr=self.dev_addr,
            f_cnt=self.f_cnt & 0xFFFF,
            f_port=f_port,
            frm_payload=b"" if f_port is None else data,
            **fields,  # type: ignore[arg-type]
        )
        self.f_cnt += 1
        return seal(frame, self.f_cnt - 1, self.keys)

    def open(self, phy_payload: bytes, f_cnt: int) -> DataFrame:
        """Return a downlink as the device reads it."""
        frame = unseal(decode(phy_payload), f_cnt, self.keys)
        assert frame.direction is Direction.DOWN
        return frame


@dataclass
class Joiner:
    """A device that joins."""

    app_key: AppKey = field(default_factory=lambda: AppKey(key(3)))
    dev_eui: DevEui = EUI
    join_eui: JoinEui = JOIN_EUI

    def request(self, dev_nonce: int) -> bytes:
        """Return a join-request."""
        return seal_join_request(JoinRequest(self.join_eui, self.dev_eui, dev_nonce), self.app_key)

    def accept(self, phy_payload: bytes, dev_nonce: int) -> tuple[JoinAccept, Device]:
        """Return what a join-accept says, and the device with the keys it makes of it."""
        accept = open_join_accept(decode(phy_payload), self.app_key)
        nonce = accept.join_nonce.to_bytes(3, "little")
        mine = session_keys(
            self.app_key, nonce, to_wire(accept.net_id), dev_nonce.to_bytes(2, "little")
        )
        return accept, Device(SessionKeys(*mine), accept.dev_addr)
