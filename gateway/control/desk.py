"""Everything that a command leads to beside itself: its close, its second person, its end.

::

    command ──> begin ──> held for a second person, or accepted
                   └────> a close that is held until the open's time is over
    every step ──> follow: an open that was sent times its close, one that failed brings it on,
                   a close supersedes opens that wait, and is given again when it did not arrive
    time ──────> due: closes whose time has come, and what must not go any more
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from gateway.config import CommandConfig, DownlinkConfig
from gateway.control.authority import Authority
from gateway.control.commands import Target, make_command
from gateway.control.lifecycle import DownlinkTracker
from gateway.control.retries import GATEWAY, NOT_ARRIVED, Retries, identity
from gateway.control.safety import CLOCK_SLACK_S, Safety
from gateway.control.schema import Catalogue
from gateway.control.states import FINAL, word_of
from gateway.errors import CommandRefused
from gateway.speech import phrase, say
from gateway.types import DevEui, Downlink, DownlinkState

CHANCES = 6
"""Uplinks after which a close that the server has not sent counts as lost there: several commands
may stand before it."""

_RESTARTED = phrase(
    "The gateway was restarted: what opens or starts is not carried out afterwards."
)
_RESTARTED_UNSURE = phrase(
    "The gateway was restarted while it handed the command over: whether the network server has it "
    "is not known, and it is not sent again."
)
_STALE = phrase(
    "The network server could not be told in time; what opens or starts is not sent late."
)
_LOST = phrase(
    "The device has spoken several times and the network server did not send it; has it lost its "
    "queue? A join empties it."
)
_UNDER_WAY = frozenset({DownlinkState.SENT, DownlinkState.ACKED, DownlinkState.VERIFIED})
_GIVEN = _UNDER_WAY | {DownlinkState.ACCEPTED, DownlinkState.QUEUED}
_PENDING = frozenset({DownlinkState.HELD, DownlinkState.ACCEPTED})

TargetOf = Callable[[DevEui], Target | None]


class Desk:
    """Follows commands to their consequences. One per gateway; no clock, no wire.

    `target_of` is for whoever knows the devices to set: it is asked when a command of the gateway's
    own must be made.
    """

    def __init__(
        self,
        config: DownlinkConfig,
        tracker: DownlinkTracker,
        safety: Safety,
        catalogue: Catalogue,
        authority: Authority,
    ) -> None:
        self.target_of: TargetOf = lambda _: None
        self._config = config
        self._tracker = tracker
        self._safety = safety
        self._catalogue = catalogue
        self._authority = authority
        self._now_s: float | None = None
        self._chances: dict[str, int] = {}
        self._retries = Retries(config)

    def recall(self, downlinks: Iterable[Downlink]) -> None:
        """Take up what was told of late, so that a retry never comes after something newer."""
        for one in downlinks:
            self._retries.note(one)

    def begin(self, downlink: Downlink, now_s: float) -> list[Downlink]:
        """Take up a new command; return it with what it brings along, each a step to store.

        Raises
        ------
        CommandRefused
            Its close cannot be made, or it needs a second person and there is none.

        """
        spec = self._catalogue.spec(downlink)
        if spec is not None and spec.severity == "critical" and not spec.ends:
            downlink = self._held_for_people(downlink, now_s)
        close = self._close_of(downlink, spec, now_s) if spec is not None else None
        begun = [downlink] if close is None else [downlink, close]
        self._retries.note(downlink)
        for one in begun:
            self._tracker.add(one)
        return begun + self.follow(begun, now_s)

    def follow(self, steps: Iterable[Downlink], now_s: float) -> list[Downlink]:
        """Return the further steps that these bring about, to the last."""
        further: list[Downlink] = []
        waiting = list(steps)
        while waiting:
            step = waiting.pop(0)
            self._safety.note(step)
            if step.effect in {"open", "start"}:
                found = self._after_begin(step, now_s)
            elif step.effect in {"close", "stop"}:
                found = self._after_end(step, now_s)
            else:
                found = self._given_again(self._retries.dropped(step, now_s))
            further += found
            waiting += found
        return further

    def heard(self, dev_eui: DevEui, now_s: float) -> list[Downlink]:
        """Take an uplink: each is a chance for what waits in the server's queue.

        A server may have lost a close (a join empties its queue, and over MQTT it says nothing):
        after `CHANCES` it counts as failed, and is given again.
        """
        steps: list[Downlink] = []
        for one in self._tracker.open_for(dev_eui):
            if one.state is not DownlinkState.QUEUED or one.effect not in {"close", "stop"}:
                continue
            self._chances[one.id] = self._chances.get(one.id, 0) + 1
            if self._chances[one.id] >= CHANCES:
                del self._chances[one.id]
                steps += self._tracker.failed(one.id, now_s, say(_LOST))
        return steps

    def due(self, now_s: float) -> list[Downlink]:
        """Return what is due now: closes whose time has come, and commands that must not go."""
        steps = self._mind_the_clock(now_s)
        for one in self._tracker.open():
            if one.state is DownlinkState.HELD and one.held_for in {"schedule", "turn"}:
                if now_s >= (one.held_until_s or 0.0):
                    steps += self._released(one, now_s)
            elif one.state is DownlinkState.ACCEPTED and (
                why := self._safety.objection(one, now_s)
            ):
                steps += self._turn_down(one, now_s, why)
        steps += self.follow(steps, now_s)
        steps += self._stop_starved(now_s)
        self._safety.forget_before(now_s)
        self._chances = {
            one: count for one, count in self._chances.items() if self._tracker.get(one) is not None
        }
        return steps

    def clear(
        self, identity: str, now_s: float, *, patient: bool = False
    ) -> tuple[Downlink | None, list[Downlink]]:
        """Return a command that may be handed to whoever transmits now, else None.

        `patient`: it waited for its device to speak, as it must for a radio of our own, and not
        for a server that could not be told.
        The steps that a command has taken because it must not go are not followed yet.
        """
        one = self._tracker.get(identity)
        if one is None or one.state is not DownlinkState.ACCEPTED:
            return None, []
        why = self._safety.objection(one, now_s)
        waited_s = 0.0 if patient else now_s - max(one.created_s, one.changed_s)
        late = waited_s > self._config.open_within_s
        if not why and late and one.effect in {"open", "start"}:
            why = say(_STALE)
        if not why:
            return one, []
        return None, self._turn_down(one, now_s, why)

    def restart(self, now_s: float, serves: Callable[[DevEui], bool]) -> list[Downlink]:
        """Settle what was open when the last run ended: nothing goes twice, nothing opens late.

        `serves` tells a device of our own radios, for which it is certain what was transmitted.
        """
        steps: list[Downlink] = []
        for one in self._tracker.open():
            behind = one.changed_s > now_s + CLOCK_SLACK_S
            if one.held_for == "turn" and one.effect in {"open", "start"}:
                steps += self._tracker.expired(one.id, now_s, say(_RESTARTED))
            elif one.held_for == "schedule" and one.state is DownlinkState.HELD and behind:
                # The clock is behind what it was: when it was to close cannot be told, so now.
                steps += self._tracker.released(one.id, now_s, say("The clock was set back."))
            elif one.state is not DownlinkState.ACCEPTED:
                continue
            elif one.offered and not serves(one.dev_eui):
                steps += self._tracker.amend(replace(one, handed_s=one.created_s))
                steps += self._tracker.failed(one.id, now_s, say(_RESTARTED_UNSURE))
            elif one.effect in {"open", "start"}:
                steps += self._tracker.expired(one.id, now_s, say(_RESTARTED))
        return steps + self.follow(steps, now_s)

    # --- what people order ------------------------------------------------------------------

    def end_all(self, now_s: float, said: str) -> list[Downlink]:
        """Take back opens that wait, and end at once whatever may be open or running."""
        steps: list[Downlink] = []
        for one in self._tracker.open():
            if one.effect in {"open", "start"} and one.state in _PENDING:
                superseded = self._tracker.supersede(one.id, now_s, said)
                steps += superseded + self.follow(superseded, now_s)
        for one in self._tracker.open():
            if one.held_for == "schedule" and one.state is DownlinkState.HELD:
                released = self._tracker.released(one.id, now_s, said)
                steps += released + self.follow(released, now_s)
        for dev_eui in self._safety.running(now_s):
            steps += self.end(dev_eui, now_s, said)
        return steps

    def end(self, dev_eui: DevEui, now_s: float, said: str) -> list[Downlink]:
        """Close or stop a device that may be running, by the close that waits or a new one."""
        steps: list[Downlink] = []
        for one in self._tracker.open_for(dev_eui):
            if one.held_for == "schedule" and one.state is DownlinkState.HELD:
                steps += self._tracker.released(one.id, now_s, said)
        names = [
            name
            for name, spec in self._catalogue.of(dev_eui).items()
            if spec.ends and not any(key.required for key in spec.keys.values())
        ]
        if not steps and names:
            with suppress(CommandRefused):  # nobody knows the device any more
                close = self._made(dev_eui, names[0], now_s, f"{said}|{dev_eui}|{now_s!r}")
                steps = [replace(close, detail=said)]
                self._tracker.add(steps[0])
        return steps + self.follow(steps, now_s)

    def confirmed(self, one: Downlink, by: str, now_s: float) -> tuple[list[Downlink], str]:
        """Let a command go that has waited for a second person; return its steps.

        With them comes why it must not go any more, "" when it goes.
        """
        if why := self._safety.objection(one, now_s):
            steps = self._turn_down(one, now_s, why)
        else:
            self._tracker.amend(replace(one, confirmed_by=by, held_for="", held_until_s=None))
            said = say("Confirmed by {name}.", name=by)
            steps = self._tracker.released(one.id, now_s, said)
        return steps + self.follow(steps, now_s), why

    # --- what follows from what -------------------------------------------------------------

    def _after_begin(self, step: Downlink, now_s: float) -> list[Downlink]:
        close = self._pending_close(step)
        if close is None:
            return []
        if step.state in _UNDER_WAY:
            due_s = (step.sent_s or now_s) + (step.duration_s or 0.0)
            if close.held_until_s is not None and close.held_until_s <= due_s:
                return []  # it was brought forward
            kept_s = due_s + self._config.max_expiry_s
            return self._tracker.amend(replace(close, held_until_s=due_s, expires_s=kept_s))
        if step.state not in FINAL:
            return []
        if step.handed_s is None:
            said = say("What it was to end was never sent.")
            return self._tracker.supersede(close.id, now_s, said)
        said = say("What it ends is {state}: it may have been carried out all the same.",
                   state=word_of(step.state))  # fmt: skip
        return self._tracker.released(close.id, now_s, said)

    def _after_end(self, step: Downlink, now_s: float) -> list[Downlink]:
        if step.state in NOT_ARRIVED:
            lately = self._safety.lately(step.dev_eui)
            return self._given_again(self._retries.close(step, lately, now_s))
        found: list[Downlink] = []
        if step.effect == "close" and step.state in _GIVEN:
            found += self._stop_starved(now_s)
        for one in self._tracker.open_for(step.dev_eui):
            if one.id == step.id or one.created_s > step.created_s:
                continue
            if one.effect in {"open", "start"}:
                if one.state in _PENDING and step.state in _GIVEN:
                    found += self._tracker.supersede(one.id, now_s, say("A close was given since."))
            elif one.held_for == "schedule" and step.state in _UNDER_WAY:
                found += self._tracker.supersede(one.id, now_s, say("It was closed before."))
        return found

    def _stop_starved(self, now_s: float) -> list[Downlink]:
        """Stop the pumps that have no valve open any more, or will have none in a moment."""
        said = say("The last valve it needs is closing.")
        return [
            step
            for dev_eui in self._safety.starved(now_s)
            for step in self.end(dev_eui, now_s, said)
        ]

    def _given_again(self, again: Downlink | None) -> list[Downlink]:
        if again is None:
            return []
        self._tracker.add(again)
        return [again]

    def _released(self, one: Downlink, now_s: float) -> list[Downlink]:
        if one.retry_of and self._retries.is_outdated(one):
            said = say("A newer command was given since.")
            return self._tracker.supersede(one.id, now_s, said)
        return self._tracker.released(one.id, now_s, say("Its time has come."))

    def _pending_close(self, begun: Downlink) -> Downlink | None:
        closes = (
            one
            for one in self._tracker.open_for(begun.dev_eui)
            if one.ends == begun.id and one.state is DownlinkState.HELD
        )
        return next(closes, None)

    def _turn_down(self, one: Downlink, now_s: float, why: str) -> list[Downlink]:
        if now_s > one.expires_s:
            return self._tracker.expired(one.id, now_s, why)
        return self._tracker.failed(one.id, now_s, why)

    # --- making commands ------------------------------------------------------------------

    def _held_for_people(self, downlink: Downlink, now_s: float) -> Downlink:
        others = [
            name
            for name, one in self._authority.operators.items()
            if name != downlink.by
            and one.role != "viewer"
            and (not one.devices or downlink.dev_eui in one.devices)
        ]
        if not others:
            said = say("{command} needs a second person; the settings name no other operator for "
                       "the device.", command=downlink.command)  # fmt: skip
            raise CommandRefused("two_persons", said)
        until_s = min(now_s + self._config.confirm_within_s, downlink.expires_s)
        return replace(
            downlink,
            state=DownlinkState.HELD,
            held_for="confirmation",
            held_until_s=until_s,
            detail=say("Waits for a second person."),
        )

    def _close_of(self, begun: Downlink, spec: CommandConfig, now_s: float) -> Downlink | None:
        if not (spec.begins and spec.close_with):
            return None
        made = self._made(begun.dev_eui, spec.close_with, now_s, f"{begun.id}|close")
        due_s = begun.expires_s + (begun.duration_s or 0.0)
        return replace(
            made,
            created_s=begun.created_s,
            state=DownlinkState.HELD,
            held_for="schedule",
            held_until_s=due_s,
            expires_s=due_s + self._config.max_expiry_s,
            ends=begun.id,
            confirmed=True,
            detail=say("Ends {command}, at the latest.", command=begun.command),
        )

    def _made(self, dev_eui: DevEui, name: str, now_s: float, seed: str) -> Downlink:
        made = make_command(dev_eui, name, now_s, self.target_of(dev_eui), self._config)
        return replace(made, id=identity(seed), by=GATEWAY, state=DownlinkState.ACCEPTED)

    def _mind_the_clock(self, now_s: float) -> list[Downlink]:
        """Bring closes forward by as much as the clock was set back."""
        before_s, self._now_s = self._now_s, now_s
        if before_s is None or now_s >= before_s - CLOCK_SLACK_S:
            return []
        back_s = before_s - now_s
        moved: list[Downlink] = []
        for one in self._tracker.open():
            if one.held_until_s is not None:
                moved += self._tracker.amend(replace(one, held_until_s=one.held_until_s - back_s))
        return moved
