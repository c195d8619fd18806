"""One run of a program, as it is kept: what was opened, by which command, and what became of it.

A run is a row of stages, worked one after another; the legs of a stage, one per valve, open
together. It is stored in the transaction of every command it gives, so after a crash each leg
knows whether its open was given: it is given once or never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from gateway.types import DevEui, Json


class LegState(StrEnum):
    """How far a valve, or the pump, has come; from DONE on it is over.

    WAITING has no command yet; OPENING has one that is not known to have arrived; OPEN is open by
    all that is known; CLOSING waits for its close to arrive.
    """

    WAITING = "waiting"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    SKIPPED = "skipped"


OVER = frozenset({LegState.DONE, LegState.FAILED, LegState.REFUSED, LegState.SKIPPED})
_WRONG = frozenset({LegState.FAILED, LegState.REFUSED})


@dataclass(frozen=True, slots=True)
class Leg:
    """One valve's or pump's part in a run. `command_id` is the command that opens or starts it.

    `until_s` is when it is to be shut again, by what is known; `closing_s` when that was asked for.
    `in_doubt`: its open did not arrive for certain, and may have been carried out all the same.
    """

    dev_eui: DevEui
    begin: str
    end: str
    state: LegState = LegState.WAITING
    command_id: str = ""
    duration_s: float = 0.0
    until_s: float = 0.0
    closing_s: float = 0.0
    litres: float | None = None
    in_doubt: bool = False
    detail: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be done or known of it."""
        return self.state in OVER


@dataclass(frozen=True, slots=True)
class Stage:
    """Valves that are open at the same time, and the pump while they are."""

    legs: tuple[Leg, ...]
    pump: Leg | None = None

    @property
    def is_over(self) -> bool:
        """Whether every part of it is over."""
        return all(leg.is_over for leg in self.parts())

    def parts(self) -> tuple[Leg, ...]:
        """Return the valves and the pump."""
        return self.legs if self.pump is None else (*self.legs, self.pump)


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way. `key` is the start it belongs to; `stopping` says why it is ended early."""

    key: str
    started_s: float
    changed_s: float
    why: str
    stages: tuple[Stage, ...]
    stopping: str = ""
    pause_until_s: float = 0.0

    @property
    def current(self) -> int | None:
        """The number of the stage under way or next, None when all are over."""
        return next((n for n, stage in enumerate(self.stages) if not stage.is_over), None)

    def legs(self) -> tuple[Leg, ...]:
        """Return all valves' legs."""
        return tuple(leg for stage in self.stages for leg in stage.legs)

    def parts(self) -> tuple[Leg, ...]:
        """Return the legs of all valves, each stage's pump after them."""
        return tuple(leg for stage in self.stages for leg in stage.parts())

    def outcome(self) -> tuple[str, str]:
        """Return how a run that is over ended, and why it is not `done`."""
        wrong = [one.detail for one in self.parts() if one.state in _WRONG]
        done = any(_brought_water(stage) for stage in self.stages)
        why = " ".join(dict.fromkeys(wrong)) or self.why
        if self.stopping:
            return "stopped", self.stopping
        if wrong:
            return ("partial" if done else "failed"), why
        return ("done" if done else "skipped"), why


def _brought_water(stage: Stage) -> bool:
    pumped = stage.pump is None or stage.pump.state is LegState.DONE
    return pumped and any(leg.state is LegState.DONE for leg in stage.legs)


@dataclass(frozen=True, slots=True)
class Last:
    """How the last start ended: `done`, `partial`, `failed`, `stopped`, `skipped` or `missed`."""

    key: str
    started_s: float
    ended_s: float
    outcome: str
    why: str
    legs: tuple[Leg, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept of one program.

    Starts up to `settled_s` are over and done with, whatever the clock says later; `keys` are the
    newest of them. `skip` is the start that somebody wants left out; `enabled` None is what the
    settings say.
    """

    settled_s: float
    keys: tuple[str, ...] = ()
    enabled: bool | None = None
    skip: str = ""
    run: Run | None = None
    last: Last | None = None

    def to_json(self) -> dict[str, Json]:
        """Return it as it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Memory:
        """Undo `to_json`."""
        run, last = tree["run"], tree["last"]
        fields = {**tree, "keys": tuple(tree["keys"])}
        fields["run"] = run and Run(**{**run, "stages": tuple(map(_stage, run["stages"]))})
        fields["last"] = last and Last(**{**last, "legs": tuple(map(_leg, last["legs"]))})
        return cls(**fields)


def _stage(tree: Mapping[str, Any]) -> Stage:
    pump = tree["pump"]
    return Stage(tuple(map(_leg, tree["legs"])), _leg(pump) if pump else None)


def _leg(tree: Mapping[str, Any]) -> Leg:
    return Leg(**{**tree, "state": LegState(tree["state"])})
