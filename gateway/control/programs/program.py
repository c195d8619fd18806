"""One program at work, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.config import ProgramConfig
from gateway.control.programs.calendar import Calendar, Occurrence
from gateway.control.programs.runs import Leg, Memory
from gateway.types import DevEui, LegView, ProgramView

NameOf = Callable[[DevEui], str]
"""What a device is called."""


@dataclass(slots=True)
class Program:
    """One program at work. `looked` is what its start's conditions last showed."""

    name: str
    config: ProgramConfig
    calendar: Calendar
    memory: Memory
    cursor_s: float = 0.0
    behind_s: float | None = None
    looked_s: float = 0.0
    looked: str = ""

    @property
    def enabled(self) -> bool:
        """Whether it may start."""
        wished = self.memory.enabled
        return self.config.enabled if wished is None else wished


def view_of(program: Program, following: Occurrence | None, name_of: NameOf) -> ProgramView:
    """Return a program as it stands; `following` is its next start by the calendar."""
    memory = program.memory
    run, last = memory.run, memory.last
    state = "idle" if program.enabled else "off"
    if run is not None:
        state = "stopping" if run.stopping else "running"
    return ProgramView(
        name=program.name,
        enabled=program.enabled,
        state=state,
        why=(run.stopping or run.why) if run is not None else program.looked,
        next_s=following.at_s if following is not None and program.enabled else None,
        skip=following is not None and memory.skip == following.key,
        run_started_s=run.started_s if run is not None else None,
        legs=_shown(run.parts(), name_of) if run is not None else (),
        last_key=last.key if last is not None else "",
        last_started_s=last.started_s if last is not None else None,
        last_ended_s=last.ended_s if last is not None else None,
        last_outcome=last.outcome if last is not None else "",
        last_why=last.why if last is not None else "",
        last_legs=_shown(last.legs, name_of) if last is not None else (),
    )


def _shown(legs: tuple[Leg, ...], name_of: NameOf) -> tuple[LegView, ...]:
    return tuple(
        LegView(
            leg.dev_eui, name_of(leg.dev_eui), leg.state.value, leg.duration_s,
            leg.command_id, leg.detail,
        )
        for leg in legs
    )  # fmt: skip
