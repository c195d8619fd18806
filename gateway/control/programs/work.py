"""One turn of a run: what is to be given now, and what has become of what was given before.

Nothing is remembered here but the run itself: what became of a command is asked of `Safety`, which
has every command with an effect of the last two days, also after a restart.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gateway.config import ProgramConfig
from gateway.control.programs.amounts import Amount, body_of
from gateway.control.programs.runs import Leg, LegState, Run, Stage
from gateway.control.safety import Safety
from gateway.control.schema import Catalogue
from gateway.speech import say
from gateway.types import DevEui, Downlink, DownlinkState, Json

GIVE_UP_S = 6 * 3600.0
"""A valve that is not known to be closed for so long ends the run; its close is given on."""

SHORTEST_S = 1.0
_BEGUN = frozenset({DownlinkState.ACKED, DownlinkState.VERIFIED})
_NOT_BEGUN = frozenset(
    {
        DownlinkState.NACKED,
        DownlinkState.EXPIRED,
        DownlinkState.FAILED,
        DownlinkState.SUPERSEDED,
        DownlinkState.REFUSED,
    }
)
_SHUT = frozenset({LegState.WAITING, LegState.OPENING, LegState.OPEN})

Give = Callable[[DevEui, Mapping[str, Json]], Downlink]
"""Puts a command on the one path of all commands; returns it as taken, REFUSED or REHEARSED."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of one program's run works with."""

    name: str
    config: ProgramConfig
    catalogue: Catalogue
    safety: Safety
    give: Give
    now_s: float

    def run(self, run: Run) -> Run:
        """Return the run a turn further; its stages are over when nothing is left to do."""
        if not run.stopping and self.safety.stop is not None:
            run = replace(run, stopping=say("An emergency stop was given."))
        if run.stopping:
            run = replace(run, stages=tuple(map(self._without_waiting, run.stages)))
        number = run.current
        if number is None or (self.now_s < run.pause_until_s and not run.stopping):
            return run
        before = run.stages[number]
        stage = self._stage(run, number, before)
        if stage == before:
            return run
        stages = (*run.stages[:number], stage, *run.stages[number + 1 :])
        pause_s = self.config.pause_s if stage.is_over else 0.0
        run = replace(run, stages=stages, changed_s=self.now_s, pause_until_s=self.now_s + pause_s)
        return self._after(run, stage)

    def _after(self, run: Run, stage: Stage) -> Run:
        """End the run after a valve that is not known to be closed."""
        if run.stopping or not any(_is_stuck(leg) for leg in stage.legs):
            return run
        said = say("A valve is not known to be closed.")
        stages = tuple(map(self._without_waiting, run.stages))
        return replace(run, stopping=said, stages=stages)

    def _without_waiting(self, stage: Stage) -> Stage:
        pump = self._unless_waiting(stage.pump) if stage.pump else None
        return Stage(tuple(map(self._unless_waiting, stage.legs)), pump)

    def _unless_waiting(self, leg: Leg) -> Leg:
        if leg.state is not LegState.WAITING:
            return leg
        return replace(leg, state=LegState.SKIPPED, detail=say("The run was ended before."))

    def _stage(self, run: Run, number: int, stage: Stage) -> Stage:
        legs = tuple(
            self._leg(leg, self._identity(run, number, place, "open"))
            for place, leg in enumerate(stage.legs)
        )
        pump = stage.pump
        if pump is not None:
            pump = self._pump(pump, legs, self._identity(run, number, len(legs), "start"))
        if run.stopping or (pump is not None and _brings_nothing(pump)):
            pump, legs = self._ended(run, number, pump, legs)
        return Stage(legs, pump)

    def _leg(self, leg: Leg, identity: str) -> Leg:
        if leg.state is LegState.WAITING:
            return self._begin(leg, identity)
        return leg if leg.is_over else self._watched(leg)

    def _begin(self, leg: Leg, identity: str) -> Leg:
        spec = self.catalogue.of(leg.dev_eui).get(leg.begin)
        body = body_of(leg.begin, spec, Amount(leg.duration_s, "", leg.litres))
        body |= {"id": identity, "expires_in_s": self.config.expiry_s}
        given = self.give(leg.dev_eui, body)
        if given.state is DownlinkState.REFUSED:
            return replace(leg, state=LegState.REFUSED, detail=given.detail)
        if given.state is DownlinkState.REHEARSED:
            return replace(leg, state=LegState.SKIPPED, detail=given.detail)
        duration_s = given.duration_s or leg.duration_s
        return replace(
            leg, state=LegState.OPENING, command_id=given.id, duration_s=duration_s, detail=""
        )

    # --- what became of it ------------------------------------------------------------------

    def _watched(self, leg: Leg) -> Leg:
        begun = self._command(leg)
        if begun is None:
            return replace(leg, state=LegState.FAILED, detail=say("Its command is not known."))
        if leg.state is LegState.OPENING:
            leg = self._opening(leg, begun)
        # A clock that was set back must not keep it waiting for longer than it was to last.
        until_s = min(leg.until_s, self.now_s + leg.duration_s)
        leg = replace(leg, until_s=until_s, closing_s=min(leg.closing_s, self.now_s))
        over = self.now_s >= until_s or self._is_shut(leg, begun)
        if leg.state is LegState.OPEN and over:
            leg = replace(leg, state=LegState.CLOSING)
        return self._closing(leg, begun) if leg.state is LegState.CLOSING else leg

    def _opening(self, leg: Leg, begun: Downlink) -> Leg:
        sent_s = self.now_s if begun.sent_s is None else begun.sent_s
        until_s = sent_s + leg.duration_s
        sent = begun.state is DownlinkState.SENT
        if begun.state in _BEGUN or (sent and not begun.confirmed):
            return replace(leg, state=LegState.OPEN, until_s=until_s)
        if sent and (self.now_s >= until_s or self._is_shut(leg, begun)):
            said = say("It did not confirm that it opened.")
            return replace(leg, state=LegState.CLOSING, until_s=until_s, in_doubt=True, detail=said)
        if begun.state not in _NOT_BEGUN:
            return leg
        if begun.handed_s is None:
            return replace(leg, state=LegState.FAILED, detail=begun.detail)
        return replace(
            leg, state=LegState.CLOSING, until_s=until_s, in_doubt=True, detail=begun.detail
        )

    def _closing(self, leg: Leg, begun: Downlink) -> Leg:
        spec = self.catalogue.of(leg.dev_eui).get(leg.begin)
        by_itself = spec is None or not spec.close_with
        over = self.now_s >= min(leg.until_s, begun.changed_s + leg.duration_s)
        if self._is_shut(leg, begun) or (by_itself and over and not leg.closing_s):
            state = LegState.FAILED if leg.in_doubt else LegState.DONE
            return replace(leg, state=state, in_doubt=False)
        if self.now_s < max(leg.until_s, leg.closing_s) + GIVE_UP_S:
            return leg
        said = say("It is not known to be closed.")
        return replace(leg, state=LegState.FAILED, in_doubt=True, detail=said)

    def _is_shut(self, leg: Leg, begun: Downlink) -> bool:
        """Tell whether a close that came after this open has arrived."""
        return any(
            one.effect in {"close", "stop"}
            and (one.ends == begun.id or one.created_s > begun.created_s)
            and (one.state in _BEGUN or (one.state is DownlinkState.SENT and not one.confirmed))
            for one in self.safety.lately(leg.dev_eui)
        )

    def _command(self, leg: Leg) -> Downlink | None:
        lately = self.safety.lately(leg.dev_eui)
        return next((one for one in lately if one.id == leg.command_id), None)

    # --- the pump ---------------------------------------------------------------------------

    def _pump(self, pump: Leg, legs: tuple[Leg, ...], identity: str) -> Leg:
        """Start it when every valve that opens is open; for no longer than one of them is."""
        if pump.state is not LegState.WAITING:
            return pump if pump.is_over else self._watched(pump)
        if any(leg.state in {LegState.WAITING, LegState.OPENING} for leg in legs):
            return pump
        before_s = self.config.pump.stop_before_s if self.config.pump is not None else 0.0
        until_s = max((leg.until_s for leg in legs if leg.state is LegState.OPEN), default=0.0)
        duration_s = until_s - self.now_s - before_s
        if not until_s:
            said = say("No valve is open.")
            return replace(pump, state=LegState.SKIPPED, detail=said)
        if duration_s < SHORTEST_S:
            said = say("The valves close too soon for the pump.")
            return replace(pump, state=LegState.SKIPPED, detail=said)
        return self._begin(replace(pump, duration_s=duration_s), identity)

    # --- ending early -----------------------------------------------------------------------

    def _ended(
        self, run: Run, number: int, pump: Leg | None, legs: tuple[Leg, ...]
    ) -> tuple[Leg | None, tuple[Leg, ...]]:
        """Stop the pump, and then close the valves."""
        if pump is not None:
            pump = self._end(pump, self._identity(run, number, len(legs), "stop"))
            wait_s = self.config.pump.stop_before_s if self.config.pump is not None else 0.0
            if not pump.is_over and self.now_s < pump.closing_s + wait_s:
                return pump, legs
        return pump, tuple(
            self._end(leg, self._identity(run, number, place, "close"))
            for place, leg in enumerate(legs)
        )

    def _end(self, leg: Leg, identity: str) -> Leg:
        if leg.state not in _SHUT or leg.closing_s:
            return leg
        if leg.state is LegState.WAITING or not leg.end:
            return self._unless_waiting(leg)
        if self.safety.stop is not None:  # the stop itself has closed everything
            return replace(leg, state=LegState.CLOSING, closing_s=self.now_s, until_s=self.now_s)
        given = self.give(leg.dev_eui, {"command": leg.end, "id": identity})
        if given.state is DownlinkState.REFUSED:  # the close that waits for its time comes still
            return replace(leg, closing_s=self.now_s, detail=given.detail)
        return replace(leg, state=LegState.CLOSING, closing_s=self.now_s, until_s=self.now_s)

    def _identity(self, run: Run, stage: int, place: int, what: str) -> str:
        """Return an id that this step of this run has for ever: it cannot be given twice."""
        seed = (
            f"lora-gateway:program:{self.name}|{run.key}|{run.started_s!r}|{stage}|{place}|{what}"
        )
        return str(uuid.uuid5(uuid.NAMESPACE_URL, seed))


def _is_stuck(leg: Leg) -> bool:
    return leg.state is LegState.FAILED and leg.in_doubt


def _brings_nothing(pump: Leg) -> bool:
    return pump.state in {LegState.REFUSED, LegState.FAILED}
