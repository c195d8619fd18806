"""One published alert and the alerts of the rules that it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.alerts.causes.likeness import Way
from gateway.alerts.causes.witnesses import Testimony
from gateway.types import Alert, DevEui, Severity

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


@dataclass(slots=True)
class Group:
    """One published alert. `lead` is the rule's alert that began it, in its newest form.

    `members` are the rules' alerts that are open in it, by id; `spent` those ids that were
    published by themselves before. `waiting` are devices that were in it before a restart and have
    not spoken since, with how often they have been well. `told_s` and `told` say when it was last
    published and with how many devices. `heard` is the way about which the neighbours had something
    to say, and what they said.
    """

    lead: Alert
    alert: Alert
    ways: frozenset[Way]
    joined_s: float
    told_s: float
    told: int = 1
    members: dict[str, Alert] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    waiting: dict[DevEui, int] = field(default_factory=dict)
    most: int = 1
    over_s: float | None = None
    heard: tuple[Way, Testimony] | None = None

    def devices(self) -> set[DevEui]:
        """Return whom it is about now."""
        return {member.dev_eui for member in self.members.values()} | set(self.waiting)

    def take(self, member: Alert) -> None:
        """Put a rule's alert into it, or its newer form."""
        self.members[member.id] = member
        if member.id == self.lead.id:
            self.lead = member
        self.waiting.pop(member.dev_eui, None)
        self.most = max(self.most, len(self.devices()))

    def unnamed(self) -> set[DevEui]:
        """Return who is in it and was not published yet; nobody where a rule names them itself."""
        if not self.ways:
            return set()
        return self.devices() - {self.alert.dev_eui, *self.alert.peers}

    def empty(self) -> bool:
        """Say whether nothing is left of it."""
        return not self.members and not self.waiting

    def severity(self) -> Severity:
        """Return the highest severity that it ever had."""
        return max((self.alert.severity, *self._severities()), key=_RANK.__getitem__)

    def _severities(self) -> Iterable[Severity]:
        return (member.severity for member in self.members.values())


def worse(one: Severity, other: Severity) -> bool:
    """Say whether one severity is above another."""
    return _RANK[one] > _RANK[other]
