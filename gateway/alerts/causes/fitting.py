"""Which open group a rule's new alert belongs to.

| it joins | when |
|---|---|
| what is open of its own device | they share a way |
| a group of neighbours | they share a natural way, a rule or a spike, lately enough (`_is_near`) |
| a group of its profile | the unit or scale jumps alike, within `PROFILE_S` |
| what many show at once | more than `MANY` devices share a way within `STORM_S` of each other |

An alert whose kind changes goes other ways than it began with, and may then fit others' group.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from gateway.alerts.causes.group import Group
from gateway.alerts.causes.likeness import (
    ABOUT_DEVICE,
    SCALE,
    SPIKE,
    WEATHER,
    Way,
    is_natural,
    is_outside,
    theme_of,
)
from gateway.alerts.causes.neighbours import Neighbours
from gateway.types import Alert, Channel, DevEui

MANY = 3
STORM_S = 120.0
RULE_S = 2 * 3600.0
SPIKE_S = 2700.0
JOIN_S = 6 * 3600.0
PROFILE_S = 24 * 3600.0
_ASKED = 8
"""Members of a group that are compared with a device before it counts as no neighbour."""


class Fitting:
    """The open groups by the ways they go."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._going: dict[Way, dict[str, Group]] = {}

    def add(self, group: Group) -> None:
        """Take in a group, or its newer ways."""
        for way in group.ways:
            self._going.setdefault(way, {})[group.alert.id] = group

    def remove(self, group: Group) -> None:
        """Let go of a group."""
        for way in group.ways:
            groups = self._going[way]
            del groups[group.alert.id]
            if not groups:
                del self._going[way]

    def going(self, way: Way) -> list[Group]:
        """Return the groups that go one way."""
        return list(self._going.get(way, {}).values())

    def of_device(self, alert: Alert, ways: frozenset[Way]) -> Iterator[Group]:
        """Yield the groups that the alert's own device is in already, the oldest first."""
        return (group for group in self._open(ways) if alert.dev_eui in group.devices())

    def find(self, alert: Alert, ways: frozenset[Way], now_s: float) -> list[Group]:
        """Return the group that a new alert joins, then those which that group takes up too."""
        if own := next(self.of_device(alert, ways), None):
            return in_order([own, *self.beside(own, alert, ways, now_s)])
        groups = self._open(ways)
        storm = [group for group in groups if abs(now_s - group.joined_s) <= STORM_S]
        if sum(len(group.devices()) for group in storm) >= MANY:
            return storm
        near = (group for group in groups if self._is_near(alert, ways, group, now_s))
        return list(islice(near, 1))

    def beside(self, own: Group, alert: Alert, ways: frozenset[Way], now_s: float) -> list[Group]:
        """Return the neighbours' group that a single device's group goes into by its new ways."""
        about_device = any(way[0] == ABOUT_DEVICE for way in own.ways)
        if len(own.devices()) > 1 or about_device or ways <= own.ways:
            return []
        others = (group for group in self._open(ways - own.ways) if group is not own)
        return list(islice((one for one in others if self._is_near(alert, ways, one, now_s)), 1))

    def _open(self, ways: frozenset[Way]) -> list[Group]:
        found = {
            identity: group
            for way in ways
            for identity, group in self._going.get(way, {}).items()
        }  # fmt: skip
        return sorted(found.values(), key=lambda one: (one.alert.first_seen_s, one.alert.id))

    def _is_near(self, alert: Alert, ways: frozenset[Way], group: Group, now_s: float) -> bool:
        shared = ways & group.ways
        quiet_s = abs(now_s - group.joined_s)
        if any(way[0] == SCALE for way in shared):
            profile = self._neighbours.profile(alert.dev_eui)
            same = profile and profile == self._neighbours.profile(group.alert.dev_eui)
            return bool(same) and quiet_s <= PROFILE_S
        natural = any(is_natural(way) for way in shared)
        ruled = any(way[0].startswith("rule:") for way in shared)
        spiked = any(way[1] == SPIKE for way in shared)
        if not (
            (natural and quiet_s <= JOIN_S)
            or (ruled and quiet_s <= RULE_S)
            or (spiked and quiet_s <= SPIKE_S)
        ):
            return False
        channel = alert.reason[0].channel
        outside = WEATHER in shared or is_outside(
            shared if natural else frozenset({(theme_of(channel), "")})
        )
        return self._knows(alert.dev_eui, group, channel, alert.first_seen_s, outside=outside)

    def _knows(
        self, dev_eui: DevEui, group: Group, channel: Channel, time_s: float, *, outside: bool
    ) -> bool:
        """Say whether any member is a neighbour; of nobody knows what, the weather decides."""
        answers = [
            self._neighbours.together(dev_eui, other, channel, time_s)
            for other in islice(sorted(group.devices()), _ASKED)
        ]
        if any(answers):
            return True
        return outside and None in answers and False not in answers


def in_order(groups: list[Group]) -> list[Group]:
    """Return groups that become one, the one that stays first: of most devices, then the oldest."""
    return sorted(groups, key=lambda one: (
        -len(one.devices()), one.alert.first_seen_s, one.alert.id,
    ))  # fmt: skip
