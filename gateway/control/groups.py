"""One command to many devices: each member's goes the way of all commands; their states together.

::

    {base}/group/<name>/set ──> admitted once ──> each member: schema, safety, rate, encode
         ├── the same bytes for all, nothing opens or closes ──> one multicast frame, unconfirmed
         └── else: one command each, `spacing_s` apart; what closes or stops does not wait its turn
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gateway.config import Config, GroupConfig
from gateway.control.forms import identity_of, read_form
from gateway.control.states import FINAL
from gateway.errors import CommandRefused
from gateway.speech import say
from gateway.types import DevEui, DeviceInfo, Downlink, DownlinkState, GroupCommandView, Json

KEPT = "group:"
"""How the names begin under which commands to groups are kept until they are at their end."""

GIVEN = "multicasts"
"""Name under which the ids of the last multicast frames are kept: none is given twice."""

ARRIVED = frozenset({"sent", "acked", "verified", "rehearsed"})
"""States of members at their end that count as arrived; an unconfirmed command ends at `sent`."""

TOGETHER = 256
"""Commands to groups that are followed at the same time."""


@dataclass(frozen=True, slots=True)
class Multicast:
    """One frame for all members, for the network server: which group of its own, which bytes."""

    command_id: str
    multicast_group_id: str
    f_port: int
    data: bytes
    expires_s: float


@dataclass(frozen=True, slots=True)
class GroupCommand:
    """A command to a group: `ids` is each member's own command, `refusals` why one got none.

    `multicast` is "" where every member is told alone; else `accepted`, `queued` or `failed`.
    """

    id: str
    group: str
    by: str
    command: str
    created_s: float
    ids: Mapping[str, str]
    refusals: Mapping[str, str] = field(default_factory=dict)
    multicast: str = ""
    detail: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return it as it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> GroupCommand:
        """Undo `to_json`."""
        return cls(**tree)


@dataclass(slots=True)
class Told:
    """What has changed: views to publish, and what to store under which name (None: nothing)."""

    views: list[GroupCommandView] = field(default_factory=list)
    kept: dict[str, Json] = field(default_factory=dict)


class Groups:
    """Knows who is in which group, and how far each group's commands have come.

    `lookup` finds a command by its id in any state; `is_open` tells one that is still followed.
    """

    def __init__(
        self,
        config: Config,
        lookup: Callable[[str], Downlink | None],
        is_open: Callable[[str], bool],
    ) -> None:
        self._config = config
        self._lookup = lookup
        self._is_open = is_open
        self._commands: dict[str, GroupCommand] = {}
        self._states: dict[str, Downlink] = {}
        self._owners: dict[str, tuple[str, str]] = {}
        self._lost: list[str] = []
        self._given: list[str] = []

    def restore(self, kept: Mapping[str, Json]) -> None:
        """Take up what was not at its end. Whether a multicast frame went is not known any more."""
        self._given = list(kept.get(GIVEN) or [])
        for name, tree in kept.items():
            if name.startswith(KEPT) and tree:
                command = GroupCommand.from_json(tree)
                self._follow(command)
                if command.multicast == "accepted":
                    self._lost.append(command.id)

    def known(self, identity: str) -> GroupCommandView | None:
        """Return a group's command that is under way by its id.

        Raises
        ------
        CommandRefused
            `id_in_use`: it is a multicast frame's that was given before, and is not given again.

        """
        command = self._commands.get(identity)
        if command is None and identity in self._given:
            said = say("A multicast frame of this id was given before.")
            raise CommandRefused("id_in_use", said)
        return self._view(command, command.created_s) if command is not None else None

    def is_group(self, name: str) -> bool:
        """Whether the settings have a group of this name."""
        return name in self._config.groups

    def settings(self, name: str) -> GroupConfig:
        """Return a group's settings.

        Raises
        ------
        CommandRefused
            `unknown_group`.

        """
        group = self._config.groups.get(name)
        if group is None:
            known = ", ".join(sorted(self._config.groups)) or say("none")
            said = say("{name} is no group; there are: {known}.",
                       name=repr(name[:32]), known=known)  # fmt: skip
            raise CommandRefused("unknown_group", said)
        return group

    def members(self, name: str, heard: Iterable[DeviceInfo]) -> list[DevEui]:
        """Return who is in a group: those it names, and of those heard who fit, each once.

        Raises
        ------
        CommandRefused
            `unknown_group`, or `no_members`.

        """
        group = self.settings(name)
        named = [DevEui(self._config.eui_of(one)) for one in group.devices]
        fitting = sorted(info.dev_eui for info in heard if _fits(group, info))
        found = list(dict.fromkeys((*named, *fitting)))
        if not found:
            said = say("No device of {name} has been heard yet.", name=name)
            raise CommandRefused("no_members", said)
        return found

    def in_turn(self, name: str, downlinks: Sequence[Downlink], now_s: float) -> list[Downlink]:
        """Return a group's commands with their turns: what closes at once, then one by one."""
        spacing_s = self.settings(name).spacing_s
        closing = [one for one in downlinks if one.effect in {"close", "stop"}]
        others = [one for one in downlinks if one.effect not in {"close", "stop"}]
        waiting = [
            replace(
                one,
                state=DownlinkState.HELD,
                held_for="turn",
                held_until_s=now_s + place * spacing_s,
                detail=say("Waits for its turn among its group."),
            )
            if place and spacing_s
            else one
            for place, one in enumerate(others)
        ]
        return [*closing, *waiting]

    def as_multicast(
        self, name: str, identity: str, downlinks: Sequence[Downlink], refused: int
    ) -> Multicast | None:
        """Return the one frame that says the same to every member, None where there can be none.

        It reaches all of the server's group, and nobody acknowledges it: so nobody may have
        refused it, and what opens, starts, closes or stops is told to each alone.
        """
        group_id = self.settings(name).multicast_group_id
        frames = {(one.f_port, one.data) for one in downlinks}
        if not group_id or refused or len(frames) != 1:
            return None
        first = downlinks[0]
        if not first.data or any(one.effect or one.confirmed for one in downlinks):
            return None
        if any(one.state is not DownlinkState.ACCEPTED for one in downlinks):
            return None
        return Multicast(identity, group_id, first.f_port, first.data, first.expires_s)

    # --- following --------------------------------------------------------------------------

    def begin(self, command: GroupCommand, downlinks: Iterable[Downlink], now_s: float) -> Told:
        """Begin to follow a command to a group; `downlinks` are its members' as they stand."""
        if len(self._commands) >= TOGETHER:
            raise CommandRefused("busy", say("Too many commands to groups are under way."))
        self._follow(command)
        self._states.update({one.id: one for one in downlinks})
        told = self._told([command.id], now_s, keep=True)
        if command.multicast:
            self._given = [*self._given, command.id][-TOGETHER:]
            told.kept[GIVEN] = self._given
        return told

    def note(self, steps: Iterable[Downlink], now_s: float) -> Told:
        """Take what became of commands, in order; return which groups' commands that changes."""
        changed: dict[str, None] = dict.fromkeys(self._lost)
        for identity in self._lost:
            said = say("The gateway was restarted: whether the network server has it is not known.")
            self._commands[identity] = replace(
                self._commands[identity], multicast="failed", detail=said
            )
        self._lost = []
        renamed = False
        for step in steps:
            owner = self._owners.get(step.id) or self._owners.get(step.retry_of)
            if owner is None:
                continue
            identity, dev_eui = owner
            if step.retry_of:
                renamed |= self._rename(identity, dev_eui, step.id)
            self._states[step.id] = step
            changed[identity] = None
        return self._told(changed, now_s, keep=renamed)

    def multicast_ended(self, identity: str, state: str, detail: str, now_s: float) -> Told:
        """Take the network server's answer to a multicast frame: `queued` or `failed`."""
        command = self._commands.get(identity)
        if command is None:
            return Told()
        self._commands[identity] = replace(command, multicast=state, detail=detail)
        return self._told([identity], now_s, keep=False)

    def open(self, now_s: float) -> list[GroupCommandView]:
        """Return what is under way."""
        return [self._view(one, now_s) for one in self._commands.values()]

    def _follow(self, command: GroupCommand) -> None:
        self._commands[command.id] = command
        for dev_eui, identity in command.ids.items():
            self._owners[identity] = (command.id, dev_eui)

    def _rename(self, identity: str, dev_eui: str, downlink_id: str) -> bool:
        """Follow a member's retry in the place of what it gives again."""
        command = self._commands[identity]
        if command.ids.get(dev_eui) == downlink_id:
            return False
        ids = {**command.ids, dev_eui: downlink_id}
        self._commands[identity] = replace(command, ids=ids)
        self._owners[downlink_id] = (identity, dev_eui)
        return True

    def _told(self, identities: Iterable[str], now_s: float, *, keep: bool) -> Told:
        told = Told()
        for identity in identities:
            command = self._commands[identity]
            view = self._view(command, now_s)
            told.views.append(view)
            name = f"{KEPT}{command.group}/{command.id}"
            if view.state != "under_way":
                told.kept[name] = None
                self._forget(command)
            elif keep:
                told.kept[name] = command.to_json()
        return told

    def _forget(self, command: GroupCommand) -> None:
        del self._commands[command.id]
        for downlink_id in [key for key, one in self._owners.items() if one[0] == command.id]:
            del self._owners[downlink_id]
            self._states.pop(downlink_id, None)

    def _view(self, command: GroupCommand, now_s: float) -> GroupCommandView:
        members = {DevEui(one): "refused" for one in command.refusals}
        details = {DevEui(one): said for one, said in command.refusals.items()}
        at_end = True
        for dev_eui, identity in command.ids.items():
            if command.multicast:
                members[DevEui(dev_eui)] = command.multicast
                continue
            one = self._states.get(identity) or self._lookup(identity)
            state = one.state if one is not None else DownlinkState.FAILED
            at_end &= _is_over(state) and not self._is_open(identity)
            members[DevEui(dev_eui)] = state.value
            details[DevEui(dev_eui)] = one.detail if one is not None else ""
        if command.multicast == "accepted":
            at_end = False
        counts: dict[str, int] = {}
        for state_name in members.values():
            counts[state_name] = counts.get(state_name, 0) + 1
        return GroupCommandView(
            id=command.id,
            group=command.group,
            state=_combined(command, members) if at_end else "under_way",
            by=command.by,
            command=command.command,
            created_s=command.created_s,
            changed_s=now_s,
            detail=command.detail,
            multicast=bool(command.multicast),
            counts=counts,
            members=dict(sorted(members.items())),
            ids={DevEui(one): identity for one, identity in command.ids.items()},
            details=details,
        )


def group_identity(group: str, payload: bytes, now_s: float) -> str:
    """Return the id under which a refused command is answered, where it had none of its own."""
    seed = f"{group!a}|{payload.hex()}|{now_s!r}"
    with suppress(CommandRefused):
        return identity_of(read_form(None, payload), seed)
    return identity_of(None, seed)


def member_id(identity: str, dev_eui: DevEui) -> str:
    """Return the id of one member's command: the same again for the same command to its group."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"lora-gateway:{identity}|{dev_eui}"))


def refused_view(group: str, identity: str, refusal: CommandRefused, by: str,
                 now_s: float) -> GroupCommandView:  # fmt: skip
    """Return the answer to a command to a group that was refused as a whole."""
    said = f"{refusal.reason}: {refusal.detail}"
    return GroupCommandView(
        id=identity, group=group, state="refused", by=by, command="", created_s=now_s,
        changed_s=now_s, detail=said,
    )  # fmt: skip


def _is_over(state: DownlinkState) -> bool:
    return state in FINAL or state is DownlinkState.SENT


def _combined(command: GroupCommand, members: Mapping[DevEui, str]) -> str:
    if command.multicast:
        return command.multicast  # `queued` is the most that is ever known of one
    arrived = sum(state in ARRIVED for state in members.values())
    if arrived == len(members):
        return "done"
    return "partial" if arrived else "failed"


def _fits(group: GroupConfig, info: DeviceInfo) -> bool:
    if group.profile and info.profile == group.profile:
        return True
    key, is_pair, value = group.tag.partition("=")
    if not key or key not in info.tags:
        return False
    return not is_pair or info.tags[key] == value
