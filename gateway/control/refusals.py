"""What a refused command is answered with, and the refusals that more than one place gives."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from gateway.control.forms import identity_of, read_form
from gateway.errors import CommandRefused
from gateway.speech import phrase, say
from gateway.types import DevEui, Downlink, DownlinkState

MAX_COMMAND_BYTES = 8192
RETAINED = phrase("A retained command is never carried out: publish it without the retain flag.")


def refused(
    dev_eui: str, key: str | None, payload: bytes, refusal: CommandRefused, now_s: float
) -> Downlink:
    """Return the answer to a refused command: state REFUSED, under its own id if it had a new one.

    It is for telling the sender, not for following: nothing of the command's bytes is kept.
    """
    seed = seed_of(dev_eui, key, payload, now_s)
    identity = identity_of(None, seed)
    if refusal.reason != "id_in_use":
        with suppress(CommandRefused):
            identity = identity_of(read_form(key, payload), seed)
    return Downlink(
        id=identity, dev_eui=DevEui(dev_eui), application_id="", f_port=0, data=b"", object=None,
        confirmed=False, expires_s=now_s, created_s=now_s, changed_s=now_s,
        state=DownlinkState.REFUSED, detail=f"{refusal.reason}: {refusal.detail}",
    )  # fmt: skip


def refused_as(downlink: Downlink, refusal: CommandRefused) -> Downlink:
    """Return the answer for a command that was good in itself and is refused all the same."""
    return replace(
        downlink, state=DownlinkState.REFUSED, detail=f"{refusal.reason}: {refusal.detail}"
    )


def seed_of(dev_eui: str, key: str | None, payload: bytes, now_s: float) -> str:
    """Return what the id of a command without one is made of."""
    return f"{dev_eui}|{key}|{payload.hex()}|{now_s!r}"


def too_large() -> CommandRefused:
    """Return the refusal of a message that is larger than any command is."""
    said = say("A command may have {count} bytes at most.", count=MAX_COMMAND_BYTES)
    return CommandRefused("too_large", said)
