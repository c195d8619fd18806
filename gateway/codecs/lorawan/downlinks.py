"""Build the one downlink that fits a receive window: acknowledgement, MAC commands, a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.codecs.lorawan.crypto import Direction
from gateway.codecs.lorawan.frames import MAX_F_CNT, MAX_F_OPTS_BYTES, DataFrame
from gateway.codecs.lorawan.mac_commands import MacCommand, build
from gateway.codecs.lorawan.sealing import seal
from gateway.codecs.lorawan.session import MOST_ATTEMPTS, AwaitedAck, Owed, Request, Session
from gateway.codecs.lorawan.windows import ReceiveWindow
from gateway.errors import BadInput

_FHDR_BYTES = 7
_APPLICATION_PORTS = range(1, 224)


@dataclass(frozen=True, slots=True)
class Command:
    """What an application wants a device to get. `f_port` is 1 to 223."""

    f_port: int
    data: bytes
    confirmed: bool = False

    def __post_init__(self) -> None:
        if self.f_port not in _APPLICATION_PORTS:
            raise BadInput("out_of_range", f"f_port {self.f_port} is not from 1 to 223")


@dataclass(frozen=True, slots=True)
class Answer:
    """A downlink ready for the air. **Store `session` first**, then send `phy_payload`.

    The same bytes may be sent in RX1 and again in RX2; they are one downlink with one counter.
    `given_up` are MAC requests that were sent MOST_ATTEMPTS times without an answer.
    """

    session: Session
    phy_payload: bytes
    f_cnt: int
    given_up: tuple[MacCommand, ...] = ()


def answer(
    session: Session,
    window: ReceiveWindow,
    now_s: float,
    *,
    command: Command | None = None,
    more_waiting: bool = False,
) -> Answer:
    """Build one downlink for one window: what is owed, what we ask, and at most one command.

    MAC commands that do not fit beside the command wait for the next downlink, and FPending asks
    the device for it; so it does with `more_waiting`.

    Raises
    ------
    BadInput
        `payload_too_large` for this window's data rate, or `counter_exhausted`.

    """
    if session.f_cnt_down > MAX_F_CNT:
        raise BadInput("counter_exhausted", f"{session.dev_eui} must get new keys")
    given_up = tuple(r.command for r in session.requests if r.attempts >= MOST_ATTEMPTS)
    open_requests = tuple(r for r in session.requests if r.attempts < MOST_ATTEMPTS)
    said = [*session.owed.answers, *(r.command for r in open_requests)]
    room = _room(window, command)
    mac, told = _as_many_as_fit(said, room)
    frame = DataFrame(
        direction=Direction.DOWN,
        confirmed=command is not None and command.confirmed,
        dev_addr=session.dev_addr,
        f_cnt=session.f_cnt_down & 0xFFFF,
        ack=session.owed.ack,
        bit4=more_waiting or told < len(said),
    )
    asked = max(0, told - len(session.owed.answers))
    return Answer(
        session=_spent(session, open_requests, asked, frame, now_s),
        phy_payload=seal(_filled(frame, mac, command), session.f_cnt_down, session.keys),
        f_cnt=session.f_cnt_down,
        given_up=given_up,
    )


def _room(window: ReceiveWindow, command: Command | None) -> int:
    """Return how many bytes of MAC commands fit: in FOpts, or alone on FPort 0."""
    room = window.max_mac_payload - _FHDR_BYTES
    if room < 0:
        raise BadInput("payload_too_large", f"{window.name} takes nothing at this data rate")
    if command is None:
        return max(room - 1, min(room, MAX_F_OPTS_BYTES))
    room -= 1 + len(command.data)
    if room < 0:
        raise BadInput(
            "payload_too_large",
            f"{len(command.data)} bytes, {max(len(command.data) + room, 0)} fit "
            f"SF{window.spreading_factor} in {window.name}",
        )
    return min(room, MAX_F_OPTS_BYTES)


def _as_many_as_fit(commands: Sequence[MacCommand], room: int) -> tuple[bytes, int]:
    mac = b""
    for told, command in enumerate(commands):
        octets = build([command])
        if len(mac) + len(octets) > room:
            return mac, told
        mac += octets
    return mac, len(commands)


def _filled(frame: DataFrame, mac: bytes, command: Command | None) -> DataFrame:
    if command is not None:
        return replace(frame, f_opts=mac, f_port=command.f_port, frm_payload=command.data)
    if len(mac) > MAX_F_OPTS_BYTES:
        return replace(frame, f_port=0, frm_payload=mac)
    return replace(frame, f_opts=mac)


def _spent(
    session: Session, requests: tuple[Request, ...], asked: int, frame: DataFrame, now_s: float
) -> Session:
    """Return the session after the downlink: a counter used, nothing owed, requests tried."""
    tried = tuple(
        replace(request, attempts=request.attempts + 1) if place < asked else request
        for place, request in enumerate(requests)
    )
    awaited = AwaitedAck(session.f_cnt_down, now_s) if frame.confirmed else session.awaited_ack
    return replace(
        session,
        f_cnt_down=session.f_cnt_down + 1,
        owed=Owed(),
        requests=tried,
        awaited_ack=awaited,
    )
