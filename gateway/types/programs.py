"""What is told of irrigation programs and of commands to groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.types.names import DevEui


@dataclass(frozen=True, slots=True)
class LegView:
    """One valve or pump of a run: what it is called, how far it is, for how long."""

    dev_eui: DevEui
    name: str
    state: str
    duration_s: float
    command_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class ProgramView:
    """One program as it stands.

    `state` is `off`, `idle`, `running` or `stopping`. `next_s` is its next start by the calendar,
    None where there is none or a condition starts it; `skip` says that it is to be left out.
    `last_outcome` is `done`, `partial`, `failed`, `stopped`, `skipped`, `missed`, or "" before the
    first.
    """

    name: str
    enabled: bool
    state: str
    why: str
    next_s: float | None = None
    skip: bool = False
    run_started_s: float | None = None
    legs: tuple[LegView, ...] = ()
    last_key: str = ""
    last_started_s: float | None = None
    last_ended_s: float | None = None
    last_outcome: str = ""
    last_why: str = ""
    last_legs: tuple[LegView, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupCommandView:
    """One command to a group: how far its members have come.

    `state` is `under_way` until all are at their end; then `done` (all arrived), `partial` or
    `failed`. `counts` is how many are in which state; `members` says each one's state, `refused`
    with the reason in `details`. `multicast`: one frame for all, which no device acknowledges.
    """

    id: str
    group: str
    state: str
    by: str
    command: str
    created_s: float
    changed_s: float
    detail: str = ""
    multicast: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    members: Mapping[DevEui, str] = field(default_factory=dict)
    ids: Mapping[DevEui, str] = field(default_factory=dict)
    details: Mapping[DevEui, str] = field(default_factory=dict)
