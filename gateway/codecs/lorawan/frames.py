"""LoRaWAN 1.0.x frames: PHYPayload <-> values, without keys (README.md draws every byte).

`decode` checks form, never the MIC: a frame it returns may be anybody's. `seal` and `unseal`
(`sealing.py`) put keys to work. Bits reserved for future use are written 0 and ignored when read;
MICs are computed over the bytes as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from gateway.codecs.lorawan.crypto import MIC_BYTES, Direction
from gateway.codecs.lorawan.identity import DevAddr, JoinEui, NetId, from_wire, to_wire
from gateway.errors import BadInput
from gateway.types import DevEui

MAX_PHY_BYTES = 255
MAX_F_OPTS_BYTES = 15
MAX_F_CNT = 0xFFFF_FFFF
_FREQUENCY_STEP_HZ = 100
_CF_FREQUENCIES = 5
_CF_MASKS = 6


class MType(IntEnum):
    """The upper three bits of MHDR."""

    JOIN_REQUEST = 0
    JOIN_ACCEPT = 1
    UNCONFIRMED_UP = 2
    UNCONFIRMED_DOWN = 3
    CONFIRMED_UP = 4
    CONFIRMED_DOWN = 5
    REJOIN_REQUEST = 6
    PROPRIETARY = 7


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A device asks to join: 18 bytes after MHDR."""

    join_eui: JoinEui
    dev_eui: DevEui
    dev_nonce: int

    def __post_init__(self) -> None:
        _check_range("dev_nonce", self.dev_nonce, 0xFFFF)


@dataclass(frozen=True, slots=True)
class CFListFrequencies:
    """CFListType 0: up to five further channels; 0 Hz says that a place is unused."""

    frequencies_hz: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.frequencies_hz) > _CF_FREQUENCIES:
            raise BadInput("out_of_range", "a CFList has five frequencies at most")
        for frequency_hz in self.frequencies_hz:
            _check_frequency(frequency_hz)


@dataclass(frozen=True, slots=True)
class CFListMasks:
    """CFListType 1: six masks of 16 channels, for regions with fixed channels."""

    masks: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.masks) != _CF_MASKS:
            raise BadInput("out_of_range", "a CFList has six channel masks")
        for mask in self.masks:
            _check_range("mask", mask, 0xFFFF)


CFList = CFListFrequencies | CFListMasks


@dataclass(frozen=True, slots=True)
class JoinAccept:
    """The answer to a join-request, in plain. `rx_delay_s` 1 to 15 (on air 0 also means 1)."""

    join_nonce: int
    net_id: NetId
    dev_addr: DevAddr
    rx1_dr_offset: int = 0
    rx2_data_rate: int = 0
    rx_delay_s: int = 1
    cf_list: CFList | None = None

    def __post_init__(self) -> None:
        _check_range("join_nonce", self.join_nonce, 0xFF_FFFF)
        _check_range("rx1_dr_offset", self.rx1_dr_offset, 7)
        _check_range("rx2_data_rate", self.rx2_data_rate, 15)
        _check_range("rx_delay_s", self.rx_delay_s, 15, least=1)


@dataclass(frozen=True, slots=True)
class DataFrame:
    """A data frame either way. `f_cnt` is what is on air: 16 bits.

    `frm_payload` is encrypted as `decode` gives it, and plain in what `unseal` gives and `seal`
    takes. `f_port` is None without a port field; then there is no payload either. `bit4` is
    FPending in a downlink and ClassB in an uplink; `adr_ack_req` exists in uplinks alone.
    """

    direction: Direction
    confirmed: bool
    dev_addr: DevAddr
    f_cnt: int
    adr: bool = False
    adr_ack_req: bool = False
    ack: bool = False
    bit4: bool = False
    f_opts: bytes = b""
    f_port: int | None = None
    frm_payload: bytes = b""

    def __post_init__(self) -> None:
        _check_range("f_cnt", self.f_cnt, 0xFFFF)
        if len(self.f_opts) > MAX_F_OPTS_BYTES:
            raise BadInput("out_of_range", "FOpts has 15 bytes at most")
        if self.f_port is None and self.frm_payload:
            raise BadInput("missing_f_port", "a payload needs an FPort")
        if self.f_port is not None:
            _check_range("f_port", self.f_port, 255)
        if self.f_port == 0 and self.f_opts:
            raise BadInput(
                "f_opts_with_port_0", "MAC commands are in FOpts or on FPort 0, not both"
            )
        if self.adr_ack_req and self.direction is Direction.DOWN:
            raise BadInput("out_of_range", "ADRACKReq is an uplink's")


@dataclass(frozen=True, slots=True)
class RejoinRequest:
    """LoRaWAN 1.1's rejoin, kept as bytes: a 1.0.x network answers none."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Proprietary:
    """A frame of no agreed form. What stands before its last four bytes."""

    body: bytes


@dataclass(frozen=True, slots=True)
class SealedJoinAccept:
    """A join-accept on air: only the device's AppKey opens it (`sealing.open_join_accept`)."""

    ciphertext: bytes


Frame = JoinRequest | SealedJoinAccept | DataFrame | RejoinRequest | Proprietary


@dataclass(frozen=True, slots=True)
class Phy:
    """One PHYPayload taken apart. `signed` is what `mic` is computed over, as it came.

    A join-accept's MIC is inside its ciphertext: there `mic` is empty.
    """

    frame: Frame
    signed: bytes
    mic: bytes


def decode(phy: bytes) -> Phy:
    """Take a PHYPayload apart.

    Raises
    ------
    BadInput
        `too_short`, `too_long`, `unknown_major`, `wrong_length`, `f_opts_truncated`, or
        `f_opts_with_port_0`.

    """
    if len(phy) < 1 + MIC_BYTES:
        raise BadInput("too_short", f"{len(phy)} bytes")
    if len(phy) > MAX_PHY_BYTES:
        raise BadInput("too_long", f"{len(phy)} bytes")
    if phy[0] & 0b11:
        raise BadInput("unknown_major", f"MHDR {phy[0]:#04x}")
    m_type, body = MType(phy[0] >> 5), bytes(phy[1:-MIC_BYTES])
    if m_type is MType.JOIN_ACCEPT:
        _check_length(len(phy), {17, 33})
        return Phy(SealedJoinAccept(bytes(phy[1:])), bytes(phy), b"")
    return Phy(_decode_body(m_type, body), bytes(phy[:-MIC_BYTES]), bytes(phy[-MIC_BYTES:]))


def encode(frame: JoinRequest | DataFrame | RejoinRequest | Proprietary) -> bytes:
    """Return MHDR and body: a PHYPayload that still wants its MIC."""
    match frame:
        case JoinRequest():
            nonce = frame.dev_nonce.to_bytes(2, "little")
            return bytes((0x00,)) + to_wire(frame.join_eui) + to_wire(frame.dev_eui) + nonce
        case DataFrame():
            return _encode_data(frame)
        case RejoinRequest():
            return bytes((MType.REJOIN_REQUEST << 5,)) + frame.body
        case Proprietary():
            return bytes((MType.PROPRIETARY << 5,)) + frame.body


def encode_join_accept(accept: JoinAccept) -> bytes:
    """Return MHDR and the plain body: a join-accept that still wants its MIC and encryption."""
    settings = accept.rx1_dr_offset << 4 | accept.rx2_data_rate
    return (
        bytes((MType.JOIN_ACCEPT << 5,))
        + accept.join_nonce.to_bytes(3, "little")
        + to_wire(accept.net_id)
        + to_wire(accept.dev_addr)
        + bytes((settings, accept.rx_delay_s))
        + (_encode_cf_list(accept.cf_list) if accept.cf_list is not None else b"")
    )


def decode_join_accept(body: bytes) -> JoinAccept:
    """Read a plain join-accept's 12 or 28 bytes between MHDR and MIC.

    Raises
    ------
    BadInput
        `wrong_length`, or `unknown_cf_list`.

    """
    _check_length(len(body), {12, 28})
    return JoinAccept(
        join_nonce=int.from_bytes(body[0:3], "little"),
        net_id=NetId(from_wire(body[3:6])),
        dev_addr=DevAddr(from_wire(body[6:10])),
        rx1_dr_offset=body[10] >> 4 & 0b111,
        rx2_data_rate=body[10] & 0b1111,
        rx_delay_s=body[11] & 0b1111 or 1,
        cf_list=_decode_cf_list(body[12:]) if body[12:] else None,
    )


def m_type_of(frame: DataFrame) -> MType:
    """Return the type a data frame is sent as."""
    up = frame.direction is Direction.UP
    if frame.confirmed:
        return MType.CONFIRMED_UP if up else MType.CONFIRMED_DOWN
    return MType.UNCONFIRMED_UP if up else MType.UNCONFIRMED_DOWN


def _decode_body(m_type: MType, body: bytes) -> Frame:
    match m_type:
        case MType.JOIN_REQUEST:
            _check_length(len(body), {18})
            nonce = int.from_bytes(body[16:18], "little")
            return JoinRequest(JoinEui(from_wire(body[:8])), DevEui(from_wire(body[8:16])), nonce)
        case MType.REJOIN_REQUEST:
            return RejoinRequest(body)
        case MType.PROPRIETARY:
            return Proprietary(body)
        case _:
            return _decode_data(m_type, body)


def _decode_data(m_type: MType, body: bytes) -> DataFrame:
    if len(body) < 7:  # noqa: PLR2004 - DevAddr, FCtrl, FCnt
        raise BadInput("too_short", f"{len(body)} bytes of MACPayload")
    up = m_type in (MType.UNCONFIRMED_UP, MType.CONFIRMED_UP)
    control, port_at = body[4], 7 + (body[4] & 0b1111)
    if len(body) < port_at:
        raise BadInput("f_opts_truncated", f"FOpts of {control & 0b1111} bytes is cut off")
    return DataFrame(
        direction=Direction.UP if up else Direction.DOWN,
        confirmed=m_type in (MType.CONFIRMED_UP, MType.CONFIRMED_DOWN),
        dev_addr=DevAddr(from_wire(body[:4])),
        f_cnt=int.from_bytes(body[5:7], "little"),
        adr=bool(control & 0x80),
        adr_ack_req=up and bool(control & 0x40),
        ack=bool(control & 0x20),
        bit4=bool(control & 0x10),
        f_opts=body[7:port_at],
        f_port=body[port_at] if len(body) > port_at else None,
        frm_payload=body[port_at + 1 :],
    )


def _encode_data(frame: DataFrame) -> bytes:
    control = (
        frame.adr << 7
        | frame.adr_ack_req << 6
        | frame.ack << 5
        | frame.bit4 << 4
        | len(frame.f_opts)
    )
    header = to_wire(frame.dev_addr) + bytes((control,)) + frame.f_cnt.to_bytes(2, "little")
    port = b"" if frame.f_port is None else bytes((frame.f_port,))
    whole = bytes((m_type_of(frame) << 5,)) + header + frame.f_opts + port + frame.frm_payload
    if len(whole) + MIC_BYTES > MAX_PHY_BYTES:
        raise BadInput("too_long", f"{len(whole) + MIC_BYTES} bytes")
    return whole


def _encode_cf_list(cf_list: CFList) -> bytes:
    match cf_list:
        case CFListFrequencies():
            steps = (hz // _FREQUENCY_STEP_HZ for hz in cf_list.frequencies_hz)
            return b"".join(step.to_bytes(3, "little") for step in steps).ljust(16, b"\0")
        case CFListMasks():
            masks = b"".join(mask.to_bytes(2, "little") for mask in cf_list.masks)
            return masks.ljust(15, b"\0") + b"\x01"


def _decode_cf_list(octets: bytes) -> CFList:
    match octets[15]:
        case 0:
            steps = (int.from_bytes(octets[at : at + 3], "little") for at in range(0, 15, 3))
            return CFListFrequencies(tuple(step * _FREQUENCY_STEP_HZ for step in steps))
        case 1:
            masks = (int.from_bytes(octets[at : at + 2], "little") for at in range(0, 12, 2))
            return CFListMasks(tuple(masks))
        case other:
            raise BadInput("unknown_cf_list", f"CFListType {other}")


def _check_length(length: int, allowed: set[int]) -> None:
    if length not in allowed:
        raise BadInput("wrong_length", f"{length} bytes, not {sorted(allowed)}")


def _check_range(name: str, value: int, most: int, *, least: int = 0) -> None:
    if not least <= value <= most:
        raise BadInput("out_of_range", f"{name} {value} is not from {least} to {most}")


def _check_frequency(frequency_hz: int) -> None:
    _check_range("frequency_hz", frequency_hz, 0xFF_FFFF * _FREQUENCY_STEP_HZ)
    if frequency_hz % _FREQUENCY_STEP_HZ:
        raise BadInput("out_of_range", f"{frequency_hz} Hz is no multiple of 100 Hz")
