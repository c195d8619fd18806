"""Take an uplink: whose is it, is it new, what does it ask for.

Reasons for a refusal: those of `frames.decode`, and

| reason | the frame |
|---|---|
| `not_an_uplink` | is a downlink, of another gateway or our own echo |
| `not_a_data_frame` | is a join-request or something else that belongs elsewhere |
| `unknown_dev_addr` | is of a device nobody told us of, often a neighbour's |
| `mic_failed` | has an address of ours and no key of ours: a neighbour's, damaged, or forged |
| `replay` | is authentic and old, or the newest repeated too often or too late |
| `counter_reused` | is authentic, with the newest counter and other content: a reset device |
| `counter_gap` | is authentic and more than MAX_GAP ahead |
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.codecs.link_margin import DEMODULATION_FLOOR_DB, link_margin_db
from gateway.codecs.lorawan.counters import Standing, candidates
from gateway.codecs.lorawan.crypto import Direction
from gateway.codecs.lorawan.frames import DataFrame, Phy, decode
from gateway.codecs.lorawan.identity import DevAddr
from gateway.codecs.lorawan.mac_commands import (
    DeviceTimeReq,
    LinkCheckReq,
    MacCommand,
    device_time,
    link_check,
    parse,
)
from gateway.codecs.lorawan.sealing import crypted, mic_fits
from gateway.codecs.lorawan.session import (
    Activation,
    CounterReset,
    DeviceClass,
    Hearing,
    LastUplink,
    Owed,
    Session,
)
from gateway.codecs.lorawan.settling import Settled, settle
from gateway.errors import BadInput

MOST_REPEATS = 15
"""NbTrans goes to 15 (LoRaWAN 1.0.3, section 5.2)."""

REPEATS_FOR_S = 900.0
"""A repetition later than this after the frame was last heard is a replay: eight tries of the
longest frame at a duty cycle of 1 % lie closer together."""

CLASS_C_RESPONSE_S = 8.0
"""An uplink this soon after a confirmed class C downlink may have crossed it (RP002 defaults)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An authentic uplink. **Store `session` first**; then use the rest.

    `is_retransmission`: the frame was accepted before; it may want its answer again, its data is
    not new. `counter_was_reset`: an operator's permission was used. `frame` is in plain, `f_cnt`
    its full counter; `data` what the application gets, empty on FPort 0. `acknowledged` and
    `unacknowledged` are the counter of our confirmed downlink that this uplink settles.
    `unread_mac` are MAC bytes from the first command that is unknown.
    """

    session: Session
    frame: DataFrame
    f_cnt: int
    is_retransmission: bool
    counter_was_reset: bool
    mac: tuple[MacCommand, ...]
    unread_mac: bytes
    settled: tuple[Settled, ...]
    acknowledged: int | None
    unacknowledged: int | None

    @property
    def data(self) -> bytes:
        """Return the application's bytes."""
        return self.frame.frm_payload if self.frame.f_port else b""

    @property
    def wants_answer(self) -> bool:
        """Tell whether a downlink is due."""
        return self.session.has_something_to_say


@dataclass(frozen=True, slots=True)
class _Place:
    """One session's word on a frame: whose counter fits, or why the frame is refused."""

    session: Session
    f_cnt: int
    repeated: bool = False
    reset: bool = False
    refusal: str = ""


def take_uplink(
    sessions: Mapping[DevAddr, Sequence[Session]],
    phy_payload: bytes,
    now_s: float,
    hearing: Hearing,
) -> Heard:
    """Find the session that an uplink belongs to, judge its counter, read it.

    Several sessions may share a DevAddr: the MIC decides among them.

    Raises
    ------
    BadInput
        With a reason of the table above; nothing has changed then.

    """
    phy = decode(phy_payload)
    frame = _uplink(phy)
    places = [
        place
        for session in sessions.get(frame.dev_addr, ())
        if (place := _place(session, phy, frame, phy_payload, now_s)) is not None
    ]
    accepted = next((place for place in places if not place.refusal), None)
    if accepted is not None:
        return _hear(accepted, frame, phy_payload, now_s, hearing)
    if places:
        known = places[0]
        raise BadInput(known.refusal, f"{known.session.dev_eui} f_cnt {known.f_cnt}, newest "
                       f"{known.session.f_cnt_up}")  # fmt: skip
    known_address = bool(sessions.get(frame.dev_addr))
    raise BadInput("mic_failed" if known_address else "unknown_dev_addr", frame.dev_addr)


def _uplink(phy: Phy) -> DataFrame:
    if not isinstance(phy.frame, DataFrame):
        raise BadInput("not_a_data_frame", type(phy.frame).__name__)
    if phy.frame.direction is not Direction.UP:
        raise BadInput("not_an_uplink", phy.frame.dev_addr)
    return phy.frame


def _place(
    session: Session, phy: Phy, frame: DataFrame, phy_payload: bytes, now_s: float
) -> _Place | None:
    """Return what a session says of a frame, None when the frame is not of its device."""
    from_zero = session.activation is Activation.OTAA
    for f_cnt, standing in candidates(session.f_cnt_up, frame.f_cnt, from_zero=from_zero):
        if mic_fits(phy, frame, session.keys.nwk_s_key, f_cnt):
            return _judge(session, f_cnt, standing, phy_payload, now_s)
    return None


def _judge(
    session: Session, f_cnt: int, standing: Standing, phy_payload: bytes, now_s: float
) -> _Place:
    may_reset = (
        session.activation is Activation.ABP and session.counter_reset is not CounterReset.NEVER
    )
    match standing:
        case Standing.NEW:
            return _Place(session, f_cnt)
        case Standing.FAR:
            return _Place(session, f_cnt, refusal="counter_gap")
        case Standing.SAME if _is_last(session, phy_payload):
            soon = _may_repeat(session, now_s)
            return _Place(session, f_cnt, repeated=soon, refusal="" if soon else "replay")
        case _ if may_reset:
            return _Place(session, f_cnt, reset=True)
        case Standing.SAME if session.last is not None:
            return _Place(session, f_cnt, refusal="counter_reused")
        case _:
            return _Place(session, f_cnt, refusal="replay")


def _is_last(session: Session, phy_payload: bytes) -> bool:
    return session.last is not None and session.last.digest == _digest(phy_payload)


def _may_repeat(session: Session, now_s: float) -> bool:
    last = session.last
    return (
        last is not None and last.repeats < MOST_REPEATS and now_s - last.heard_s <= REPEATS_FOR_S
    )


def _digest(phy_payload: bytes) -> bytes:
    return hashlib.sha256(phy_payload).digest()


def _hear(
    place: _Place, sealed: DataFrame, phy_payload: bytes, now_s: float, hearing: Hearing
) -> Heard:
    frame = crypted(sealed, place.f_cnt, place.session.keys)
    mac, unread = parse(frame.frm_payload if frame.f_port == 0 else frame.f_opts, Direction.UP)
    session = replace(_noted(place, phy_payload, now_s), owed=_owed(frame, mac, hearing))
    settled: tuple[Settled, ...] = ()
    acknowledged = unacknowledged = None
    if not place.repeated:
        session, settled = settle(session, mac)
        acknowledged, unacknowledged = _settle_ack(session, frame, now_s)
    if acknowledged is not None or unacknowledged is not None:
        session = replace(session, awaited_ack=None)
    return Heard(
        session=session,
        frame=frame,
        f_cnt=place.f_cnt,
        is_retransmission=place.repeated,
        counter_was_reset=place.reset,
        mac=mac,
        unread_mac=unread,
        settled=settled,
        acknowledged=acknowledged,
        unacknowledged=unacknowledged,
    )


def _noted(place: _Place, phy_payload: bytes, now_s: float) -> Session:
    """Return the session that remembers this frame, which is what makes the next one new."""
    session = place.session
    repeats = session.last.repeats + 1 if place.repeated and session.last else 0
    used_up = place.reset and session.counter_reset is CounterReset.ONCE
    return replace(
        session,
        f_cnt_up=place.f_cnt,
        last=LastUplink(_digest(phy_payload), now_s, repeats),
        counter_reset=CounterReset.NEVER if used_up else session.counter_reset,
    )


def _owed(frame: DataFrame, mac: Sequence[MacCommand], hearing: Hearing) -> Owed:
    answers: list[MacCommand] = []
    for command in mac:
        match command:
            case LinkCheckReq():
                answers.append(link_check(_margin_db(hearing)))
            case DeviceTimeReq():
                answers.append(device_time(hearing.end_s))
            case _:
                continue
    answers = list(dict.fromkeys(answers))
    return Owed(frame.confirmed, tuple(answers), sign_of_life=frame.adr_ack_req)


def _margin_db(hearing: Hearing) -> float | None:
    if hearing.snr_db is None or hearing.spreading_factor not in DEMODULATION_FLOOR_DB:
        return None
    return link_margin_db(hearing.snr_db, hearing.spreading_factor)


def _settle_ack(session: Session, frame: DataFrame, now_s: float) -> tuple[int | None, int | None]:
    """Return (acknowledged, unacknowledged): a class A device says so in its next uplink.

    A class C device may have begun that uplink before it heard us, so silence soon after says
    nothing.
    """
    awaited = session.awaited_ack
    if awaited is None:
        return None, None
    if frame.ack:
        return awaited.f_cnt, None
    crossed = now_s - awaited.sent_s < CLASS_C_RESPONSE_S
    if session.device_class is DeviceClass.C and crossed:
        return None, None
    return None, awaited.f_cnt
