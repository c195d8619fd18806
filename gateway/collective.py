"""Commands to groups on their way through the middle: given to each member, followed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.control import (
    Authority,
    GroupCommand,
    Groups,
    group_identity,
    refused_view,
)
from gateway.errors import CommandRefused
from gateway.outcome import Outcome, Reply
from gateway.requests import Command, GroupAsked, GroupRead, Question, Requests
from gateway.store import AuditRecord
from gateway.types import DevEui, DeviceInfo, Downlink, DownlinkState, GroupCommandView

TakeCommand = Callable[[Command, Outcome], Downlink]
"""Takes up a checked command; returns it as it stands then."""


class Collective:
    """Works commands to groups, one batch at a time. `heard` lists every device that is known."""

    def __init__(
        self,
        groups: Groups,
        requests: Requests,
        *,
        authority: Authority,
        heard: Callable[[], list[DeviceInfo]],
        info_of: Callable[[DevEui], DeviceInfo | None],
        take_command: TakeCommand,
    ) -> None:
        self._groups = groups
        self._requests = requests
        self._authority = authority
        self._heard = heard
        self._info_of = info_of
        self._take_command = take_command
        self._multicasts: list[tuple[str, str, str]] = []

    def take(self, asked: GroupAsked, outcome: Outcome) -> None:
        """Give a command to every member of a group, or refuse it as a whole."""
        now_s = outcome.now_s
        try:
            members = self._groups.members(asked.group, self._heard())
            read = self._requests.read_group(asked, now_s)
            view = self._groups.known(read.id) or self._give(asked, read, members, outcome)
        except CommandRefused as refusal:
            by = _claimed(asked)
            identity = group_identity(asked.group, asked.payload, now_s)
            view = refused_view(asked.group, identity, refusal, by, now_s)
            facts = {"group": asked.group[:64], "by": by, "detail": view.detail}
            outcome.audit.append(AuditRecord(now_s, "group_refused", facts))
        # A name from a request's body may be anything: only what came as a topic becomes one.
        if asked.question is None or self._groups.is_group(asked.group):
            outcome.groups.append(view)
        if asked.question is not None:
            outcome.replies.append(_reply(asked.question, view))

    def note_multicast(self, identity: str, state: str, detail: str) -> None:
        """Take the network server's answer to a multicast frame into the next batch."""
        self._multicasts.append((identity, state, detail))

    def follow(self, outcome: Outcome) -> None:
        """Tell how far the groups' commands have come, each once for a batch."""
        ended, self._multicasts = self._multicasts, []
        views = list(outcome.groups)
        for identity, state, detail in ended:
            told = self._groups.multicast_ended(identity, state, detail, outcome.now_s)
            views += told.views
            outcome.control.update(told.kept)
            facts = {"id": identity, "state": state, "detail": detail}
            outcome.audit.append(AuditRecord(outcome.now_s, "multicast", facts))
        told = self._groups.note([*outcome.downlinks, *outcome.answers], outcome.now_s)
        outcome.control.update(told.kept)
        outcome.groups[:] = {view.id: view for view in [*views, *told.views]}.values()

    def _give(
        self, asked: GroupAsked, read: GroupRead, members: Sequence[DevEui], outcome: Outcome
    ) -> GroupCommandView:
        now_s, authority = outcome.now_s, self._authority.admitted(read.by)
        checked = [
            self._requests.member(asked, read, self._info_of(one), one, now_s, authority=authority)
            for one in members
        ]
        refused = [one.downlink for one in checked if _is_refused(one)]
        taken = [one for one in checked if not _is_refused(one)]
        command = GroupCommand(
            id=read.id,
            group=asked.group,
            by=read.by,
            command=read.command,
            created_s=now_s,
            ids={str(one.downlink.dev_eui): one.downlink.id for one in taken},
            refusals={str(one.dev_eui): one.detail for one in refused},
        )
        outcome.answers.extend(one.downlink for one in checked if not one.is_new)
        frame = self._groups.as_multicast(
            asked.group, read.id, [one.downlink for one in taken], len(refused)
        )
        standing = [one.downlink for one in taken if not one.is_new]
        if frame is not None:
            command = replace(command, multicast="accepted")
            outcome.multicasts.append(frame)
        else:
            fresh = [one.downlink for one in taken if one.is_new]
            standing += [
                self._take_command(Command(one, is_new=True), outcome)
                for one in self._groups.in_turn(asked.group, fresh, now_s)
            ]
        told = self._groups.begin(command, standing, now_s)
        outcome.control.update(told.kept)
        detail = {**command.to_json(), "signed": read.signed}
        outcome.audit.append(AuditRecord(now_s, "group", detail))
        return told.views[0]


def _claimed(asked: GroupAsked) -> str:
    """Return who says they ask, as far as a message can hold it."""
    tree = asked.question.body if asked.question is not None else {}
    return str(tree.get("by", ""))[:64].encode("utf-8", "replace").decode()


def _is_refused(command: Command) -> bool:
    return command.downlink.state is DownlinkState.REFUSED


def _reply(question: Question, view: GroupCommandView) -> Reply:
    if view.state == "refused":
        return Reply(question, error=view.detail)
    told = {"id": view.id, "state": view.state, "counts": dict(view.counts)}
    return Reply(question, data=told)
