"""What people ask of programs: `bridge/request/program/{enable,disable,run,skip,stop}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from gateway.control.authority import Authority
from gateway.control.orders import Carried, Order, read_order
from gateway.control.programs.book import KEPT, Programs
from gateway.errors import CommandRefused
from gateway.speech import say
from gateway.types import Json

PROGRAM_VERBS = frozenset(f"program/{one}" for one in ("enable", "disable", "run", "skip", "stop"))
"""Requests on programs that change something."""


class ProgramOrder(Order):
    """An order on one program; `minutes` (for each valve) goes with `run`, `undo` with `skip`."""

    name: Annotated[str, Field(max_length=64)] = ""
    minutes: Annotated[float, Field(gt=0, le=1440, allow_inf_nan=False)] | None = None
    undo: bool = False


def carry_out(
    programs: Programs, authority: Authority, verb: str, body: Mapping[str, Json], now_s: float
) -> Carried:
    """Carry out an order on a program; whoever may publish may stop, as everywhere.

    Raises
    ------
    CommandRefused
        It is malformed, stale, about no program here, or not this sender's to give.

    """
    order = read_order(body, now_s, ProgramOrder)
    if order.name not in programs:
        known = ", ".join(sorted(programs)) or say("none")
        said = say("{name} is no program; there are: {known}.",
                   name=repr(order.name[:32]), known=known)  # fmt: skip
        raise CommandRefused("unknown_program", said)
    signed = False
    if verb != "program/stop":
        claimed = {key: body[key] for key in body if key != "transaction"} | {"order": verb}
        signed = authority.admit(order.by, "", claimed)
        for dev_eui in programs.devices(order.name):
            authority.check_device(order.by, dev_eui)
    if order.id:
        programs.take_id(order.name, f"{verb} {order.id}")
    answer = _do(programs, verb, order, now_s)
    facts = {"what": verb, "program": order.name, "by": order.by, "signed": signed}
    kept = {KEPT + order.name: programs.kept(order.name)}
    return Carried([], kept, answer, {**facts, "detail": order.reason})


def _do(programs: Programs, verb: str, order: ProgramOrder, now_s: float) -> dict[str, Json]:
    name = order.name
    if verb == "program/run":
        programs.begin(name, now_s, order.minutes, order.by)
        return {"name": name, "running": True}
    if verb == "program/stop":
        return {"name": name, "stopped": programs.stop(name, order.by)}
    if verb == "program/skip":
        at_s = programs.skip(name, now_s, undo=order.undo)
        return {"name": name, "skip": not order.undo, "next_s": at_s}
    programs.enable(name, enabled=verb == "program/enable")
    return {"name": name, "enabled": verb == "program/enable"}
