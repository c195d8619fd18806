"""What is asked beside commands: an emergency stop, its end, a second person's word."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.control.authority import Authority
from gateway.control.desk import Desk
from gateway.control.forms import check_age, mistake_in, moment_s
from gateway.control.lifecycle import DownlinkTracker
from gateway.control.safety import STOP, Safety, Stop
from gateway.errors import CommandRefused
from gateway.speech import say
from gateway.types import Downlink, DownlinkState, Json

VERBS = frozenset({"stop", "resume", "confirm"})
"""Requests that are orders: `bridge/request/<verb>`."""


class Order(BaseModel):
    """An order as strangers send it. `command` is the id of what is confirmed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    by: Annotated[str, Field(max_length=64)] = ""
    reason: Annotated[str, Field(max_length=200)] = ""
    command: Annotated[str, Field(max_length=64)] | None = None
    id: Annotated[str, Field(max_length=64)] | None = None
    time: str | None = None
    signature: str | None = None
    transaction: Json = None


AnyOrder = TypeVar("AnyOrder", bound=Order)


def read_order(body: Mapping[str, Json], now_s: float, form: type[AnyOrder]) -> AnyOrder:
    """Return a checked order of this form.

    Raises
    ------
    CommandRefused
        `malformed` or `stale`.

    """
    try:
        order = form.model_validate(body)
    except ValidationError as error:
        raise CommandRefused("malformed", mistake_in(error)) from None
    if order.time is not None:
        check_age(now_s - moment_s("time", order.time))
    return order


@dataclass(slots=True)
class Carried:
    """What an order came to: steps of commands, what to keep, and what is answered."""

    steps: list[Downlink] = field(default_factory=list)
    kept: Mapping[str, Json] = field(default_factory=dict)
    answer: Mapping[str, Json] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)


class Orders:
    """Carries out `stop`, `resume` and `confirm`; what follows from them is the desk's."""

    def __init__(
        self, desk: Desk, tracker: DownlinkTracker, safety: Safety, authority: Authority
    ) -> None:
        self._desk = desk
        self._tracker = tracker
        self._safety = safety
        self._authority = authority

    def carry_out(self, verb: str, body: Mapping[str, Json], now_s: float) -> Carried:
        """Carry out an order.

        Raises
        ------
        CommandRefused
            It is malformed, stale, or not this sender's to give.

        """
        order = read_order(body, now_s, Order)
        # A signed stop is not good as its own end; the transaction is for the answer alone.
        signed = {key: body[key] for key in body if key != "transaction"} | {"order": verb}
        if verb == "stop":
            return self._stop(order, signed, now_s)
        if verb == "resume":
            return self._resume(order, signed, now_s)
        return self._confirm(order, signed, now_s)

    def _stop(self, order: Order, body: Mapping[str, Json], now_s: float) -> Carried:
        """Stop all: whoever may publish may stop, for it only makes things safer."""
        signed = False
        with suppress(CommandRefused):
            signed = self._authority.admit(order.by, "", body)
        if self._safety.stop is None:
            self._safety.stop = Stop(now_s, order.by, order.reason)
        steps = self._desk.end_all(now_s, say("An emergency stop was given."))
        answer = {"stopped": True, "closes": sum(one.effect in {"close", "stop"} for one in steps)}
        facts = {"what": "emergency_stop", "by": order.by, "signed": signed, "detail": order.reason}
        return Carried(steps, self._safety.kept(), answer, facts)

    def _resume(self, order: Order, body: Mapping[str, Json], now_s: float) -> Carried:
        signed = self._authority.admit(order.by, "", body, role="admin")
        stands = self._safety.stop
        if stands and order.time is not None and moment_s("time", order.time) < stands.since_s:
            raise CommandRefused("stale", say("The order is older than the emergency stop."))
        stopped, self._safety.stop = self._safety.stop, None
        facts = {"what": "emergency_stop_lifted", "by": order.by, "signed": signed}
        answer = {"stopped": False, "stood_s": round(now_s - stopped.since_s) if stopped else 0}
        return Carried([], {STOP: None}, answer, {**facts, "detail": order.reason})

    def _confirm(self, order: Order, body: Mapping[str, Json], now_s: float) -> Carried:
        one = self._tracker.get((order.command or "").lower())
        if one is None or one.held_for != "confirmation" or one.state is not DownlinkState.HELD:
            said = say("No command of this id waits for a second person.")
            raise CommandRefused("unknown_command", said)
        signed = self._authority.admit(order.by, "", body)
        self._authority.check_device(order.by, one.dev_eui)
        if order.by == one.by:
            said = say("The second person must be another one.")
            raise CommandRefused("two_persons", said)
        steps, why = self._desk.confirmed(one, order.by, now_s)
        if why:
            return Carried(steps, {}, {"state": "failed", "detail": why}, {})
        facts = {"what": "confirmed", "by": order.by, "signed": signed, "id": one.id}
        return Carried(steps, {}, {"id": one.id, "state": "accepted"}, facts)
