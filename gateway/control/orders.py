"""What is asked beside commands: an emergency stop, its end, a second person's word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.control.forms import MAX_AGE_S, MAX_AHEAD_S, moment_s
from gateway.errors import CommandRefused
from gateway.types import Json

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
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the order"
        raise CommandRefused("malformed", f"{where[:80]}: {first['msg']}.") from None
    if order.time is not None:
        age_s = now_s - moment_s("time", order.time)
        if not -MAX_AHEAD_S <= age_s <= MAX_AGE_S:
            raise CommandRefused("stale", f"The order was sent {age_s:.0f} s ago; "
                                 f"{MAX_AGE_S:.0f} s are allowed.")  # fmt: skip
    return order
