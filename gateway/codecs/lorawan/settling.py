"""What a device's answers to our MAC requests change in its session.

The device acts on a request when it sends the answer, so the receive windows after that very uplink
follow the new settings already (LoRaWAN 1.0.3, sections 5.4 to 5.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from gateway.codecs.lorawan.mac_commands import (
    DevStatusAns,
    DlChannelReq,
    LinkADRReq,
    MacCommand,
    NewChannelReq,
    RXParamSetupReq,
    RXTimingSetupReq,
    TxParamSetupReq,
    answers,
)
from gateway.codecs.lorawan.regions import Region, region
from gateway.codecs.lorawan.session import Request, RxSettings, Session


@dataclass(frozen=True, slots=True)
class Settled:
    """A request of ours and what the device said. `accepted` False: it keeps what it had."""

    request: MacCommand
    answer: MacCommand
    accepted: bool


def settle(session: Session, mac: Sequence[MacCommand]) -> tuple[Session, tuple[Settled, ...]]:
    """Match the answers among these commands to open requests and apply what was accepted.

    One LinkADRAns answers all LinkADRReq that were sent together, which is a block (section 5.2).
    Answers to nothing we asked are left alone.
    """
    settled: list[Settled] = []
    open_requests, rx = session.requests, session.rx
    for answer in mac:
        mine = [r for r in open_requests if r.attempts and answers(r.command) is type(answer)]
        matched = mine if mine and isinstance(mine[0].command, LinkADRReq) else mine[:1]
        accepted = is_accepted(answer)
        for request in matched:
            settled.append(Settled(request.command, answer, accepted))
            rx = _applied(rx, request.command, region(session.region)) if accepted else rx
        open_requests = _without(open_requests, matched)
    return replace(session, requests=open_requests, rx=rx), tuple(settled)


def is_accepted(answer: MacCommand) -> bool:
    """Tell whether every status bit of an answer is set; one without bits is a yes."""
    if isinstance(answer, DevStatusAns):
        return True
    return all(getattr(answer, field.name) for field in fields(answer))


def _applied(rx: RxSettings, request: MacCommand, plan: Region) -> RxSettings:
    match request:
        case RXParamSetupReq():
            return replace(
                rx,
                rx1_dr_offset=request.rx1_dr_offset,
                rx2_data_rate=request.rx2_data_rate,
                rx2_frequency_hz=request.frequency_hz,
            )
        case RXTimingSetupReq():
            return replace(rx, rx1_delay_s=request.delay_s or 1)
        case TxParamSetupReq():
            return replace(rx, downlink_dwell=bool(request.downlink_dwell))
        case NewChannelReq():
            others = tuple(pair for pair in rx.channels if pair[0] != request.channel)
            added = ((request.channel, request.frequency_hz),) if request.frequency_hz else ()
            return replace(rx, channels=others + added)
        case DlChannelReq():
            return _moved(rx, request, plan)
        case _:
            return rx


def _moved(rx: RxSettings, request: DlChannelReq, plan: Region) -> RxSettings:
    uplink_hz = dict(rx.channels).get(request.channel)
    if uplink_hz is None and request.channel < len(plan.channels):
        uplink_hz = plan.channels[request.channel].frequency_hz
    if uplink_hz is None:
        return rx
    others = tuple(pair for pair in rx.rx1_moved if pair[0] != uplink_hz)
    return replace(rx, rx1_moved=(*others, (uplink_hz, request.frequency_hz)))


def _without(requests: tuple[Request, ...], gone: Sequence[Request]) -> tuple[Request, ...]:
    left = list(requests)
    for request in gone:
        left.remove(request)
    return tuple(left)
