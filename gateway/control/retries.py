"""What is given again: closes that did not arrive, confirmed commands that the server dropped.

What opens or starts is never given again. Every attempt has an id of its own, so that no id is
transmitted twice.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from gateway.config import DownlinkConfig
from gateway.control.lifecycle import TRANSIENT
from gateway.control.states import word_of
from gateway.speech import say
from gateway.types import DevEui, Downlink, DownlinkState

MOST_CLOSES = 12
"""How often a close that does not arrive is given again; by then hours have passed."""

RETRY_S = 15.0
"""Wait before a command is given again; it doubles each time, for a close up to an hour."""

RETRY_MAX_S = 3600.0
REMEMBERED = 1024
"""Commands that were given again, and what each device was told last: so many are remembered."""

GATEWAY = "gateway"
"""Who gives the commands that follow from others."""

NOT_ARRIVED = frozenset({DownlinkState.NACKED, DownlinkState.FAILED, DownlinkState.EXPIRED})
_RETRY_STEP_S = 1e-6
_CLOSE_STEP_S = 1e-5
_NEVER_GIVEN = NOT_ARRIVED | {DownlinkState.SUPERSEDED, DownlinkState.REFUSED}


class Retries:
    """Makes the commands that are given again; remembers what each device was told last."""

    def __init__(self, config: DownlinkConfig) -> None:
        self._config = config
        self._again_given: deque[str] = deque(maxlen=REMEMBERED)
        self._newest_s: dict[tuple[DevEui, str], float] = {}

    def note(self, one: Downlink) -> None:
        """Remember a command: no retry of its kind may come after it."""
        about = _about(one)
        self._newest_s[about] = max(self._newest_s.get(about, 0.0), one.created_s)
        if len(self._newest_s) > REMEMBERED:
            del self._newest_s[min(self._newest_s, key=lambda key: self._newest_s[key])]

    def is_outdated(self, one: Downlink) -> bool:
        """Tell whether something newer of a command's kind was given to its device."""
        return self._newest_s.get(_about(one), 0.0) > one.created_s

    def close(self, close: Downlink, lately: Iterable[Downlink], now_s: float) -> Downlink | None:
        """Return a close that did not arrive anew: no valve stays open for a lost frame.

        None when it was tried `MOST_CLOSES` times, or when anything newer is among `lately`, the
        device's own commands.
        """
        number = close.attempt + 1
        newer = any(
            one.created_s > close.created_s and one.id != close.id and one.state not in _NEVER_GIVEN
            for one in lately
        )
        if number > MOST_CLOSES or newer:
            return None
        wait_s = min(RETRY_MAX_S, RETRY_S * 2 ** (number - 1))
        return replace(
            _anew(close, identity(f"{close.id}|again"), now_s, wait_s),
            created_s=max(now_s, close.created_s + _CLOSE_STEP_S),
            held_for="schedule",
            expires_s=now_s + wait_s + self._config.max_expiry_s,
            by=GATEWAY,
            signed=False,
        )

    def dropped(self, step: Downlink, now_s: float) -> Downlink | None:
        """Return a confirmed command that the server dropped anew, None outside its limits.

        It expires when the first one does, and counts as given when that was.
        """
        dropped = step.state is DownlinkState.NACKED or (
            step.state is DownlinkState.FAILED and step.log_code in TRANSIENT
        )
        number = step.attempt + 1
        if step.effect or not (dropped and step.confirmed) or number > self._config.retries:
            return None
        first = step.retry_of or step.id
        name = identity(f"{first}|retry {number}")
        wait_s = RETRY_S * 2 ** (number - 1)
        late = now_s + wait_s >= step.expires_s
        if name in self._again_given or self.is_outdated(step) or late:
            return None
        self._again_given.append(name)
        again = replace(
            _anew(step, name, now_s, wait_s),
            created_s=step.created_s + _RETRY_STEP_S,  # older than whatever was given since
            held_for="turn",
            retry_of=first,
        )
        self.note(again)
        return again


def _anew(before: Downlink, name: str, now_s: float, wait_s: float) -> Downlink:
    """Return a command as if it had never been handed over, held for its next attempt."""
    number = before.attempt + 1
    said = say("The one before it is {state}: attempt {number}.",
               state=word_of(before.state), number=number + 1)  # fmt: skip
    return replace(
        before,
        id=name,
        state=DownlinkState.HELD,
        changed_s=now_s,
        held_until_s=now_s + wait_s,
        handed_s=None,
        sent_s=None,
        eta_s=None,
        queue_id="",
        offered=False,
        attempt=number,
        log_code="",
        detail=said,
    )


def identity(seed: str) -> str:
    """Return the id of a command that follows from others: the same again for the same seed."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"lora-gateway:{seed}"))


def _about(one: Downlink) -> tuple[DevEui, str]:
    return one.dev_eui, one.command or f"port {one.f_port}"
