"""One rule at work: which readings it takes, what it answers for a device or for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import tzinfo
from fnmatch import fnmatchcase

from gateway.alerts.written.calendar import Calendar
from gateway.alerts.written.conditions import HEARING, Leaf, Mark, Node, Outage
from gateway.alerts.written.pools import Pool
from gateway.alerts.written.scope import Place, is_called
from gateway.config import RuleConfig
from gateway.types import Alert, Channel, DevEui, DeviceInfo, Reading

GROUP = ""
"""The subject of an alert of several devices."""


@dataclass(slots=True)
class Watch:
    """Since when a rule holds for a subject, and the alert that came of it."""

    since_s: float
    alert: Alert | None = None
    worst: float = 0.0
    published_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """What a channel of a device is to one leaf: a value to compare, or what is taken off one.

    `key` is under which subject the leaf keeps it; `plain`: nothing is taken off, and no mean.
    """

    leaf: Leaf
    key: str
    is_value: bool
    is_reference: bool
    plain: bool


@dataclass(slots=True)
class WrittenRule:
    """A compiled rule. `watches` and `ended_s` are by subject: a DevEUI, or `GROUP`.

    `is_fixed`: every condition names its device, so there is one subject only. `is_counted`: it
    is asked of each device, and the answers are counted. `watches_time`: time alone can begin it.
    `always`: it counts at any time.
    """

    config: RuleConfig
    tree: Node
    calendar: Calendar
    leaves: tuple[Leaf, ...]
    is_fixed: bool
    is_counted: bool
    watches_time: bool
    always: bool
    pools: dict[int, Pool] = field(default_factory=dict)
    means: dict[int, Pool] = field(default_factory=dict)
    infos: dict[DevEui, DeviceInfo] = field(default_factory=dict)
    answers: dict[DevEui, tuple[bool | None, float]] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)
    ended_s: dict[str, float] = field(default_factory=dict)
    was_open: bool = False
    look_s: float = 0.0
    covered: tuple[int, bool] = (-1, False)

    @classmethod
    def of(cls, config: RuleConfig, zone: tzinfo | None) -> WrittenRule:
        """Compile a rule."""
        tree = Node.of(config, config.fresh_s)
        leaves = tuple(tree.leaves())
        fixed = all(leaf.config.device for leaf in leaves)
        calendar = Calendar.of(config, zone)
        made = cls(
            config, tree, calendar, leaves,
            always=calendar.is_always,
            is_fixed=fixed,
            is_counted=config.is_grouped and config.quantifier != "mean" and not fixed,
            watches_time=any(leaf.watches_time for leaf in leaves),
        )  # fmt: skip
        for at, leaf in enumerate(leaves):
            if leaf.config.minus is not None:
                made.pools[at] = Pool(config.fresh_s)
            if config.quantifier == "mean" and not leaf.config.device:
                made.means[at] = Pool(config.fresh_s)
        return made

    @property
    def name(self) -> str:
        """What it is called."""
        return self.config.name

    def lookback_s(self) -> float:
        """Return how far back a new start must look to know what a running rule would know."""
        spans = [self.config.fresh_s + self.config.for_s]
        for leaf in self.leaves:
            one = leaf.config
            spans += [one.over_s if one.rises_per_h or one.falls_per_h else 0.0]
            spans += [(one.unchanged_s or 0.0) * 1.1, (one.silent_s or 0.0) * 1.1]
            spans += [86400.0 if one.test == "equals" else 0.0]
        return max(spans)

    def parts(self, device: DeviceInfo, channel: Channel, place: Place) -> list[tuple[int, Part]]:
        """Return what a channel of a device is to each leaf, by the leaf's place."""
        found = []
        for at, leaf in enumerate(self.leaves):
            one, minus = leaf.config, leaf.config.minus
            value = fnmatchcase(channel, one.channel)
            reference = minus is not None and channel == (minus.channel or one.channel)
            if not value and not reference:
                continue
            fits = place.fits(self.config, device)
            mine = is_called(device, one.device) if one.device else fits
            value = mine and value
            if minus is not None and reference:
                named = is_called(device, minus.device) if minus.device else False
                reference = named or (not minus.device and (fits if minus.others else mine))
            if value or reference:
                key = GROUP if one.device else device.dev_eui
                plain = minus is None and at not in self.means
                found.append((at, Part(leaf, key, value, reference, plain)))
        return found

    def feed(self, at: int, part: Part, reading: Reading) -> None:
        """Keep what a later comparison takes off."""
        pool = self.pools.get(at)
        if part.is_reference and pool is not None and not isinstance(reading.value, str):
            pool.put(reading.dev_eui, reading.time_s, reading.value)

    def take(self, at: int, part: Part, reading: Reading) -> tuple[bool, bool]:
        """Compare a reading; return whether the answer changed, and whether it had been stale."""
        leaf = part.leaf
        mean = self.means.get(at)
        if mean is None:
            return leaf.take(part.key, reading, self._off(at, leaf, reading))
        if not isinstance(reading.value, str):
            mean.put(reading.dev_eui, reading.time_s, reading.value)
        value = mean.mean(reading.time_s)
        if value is None:
            return False, False
        joint = Reading(
            reading.dev_eui, Channel(leaf.config.channel), value, reading.unit, reading.kind,
            reading.time_s, reading.key,
        )  # fmt: skip
        return leaf.take(GROUP, joint, self._off(at, leaf, reading))

    def _off(self, at: int, leaf: Leaf, reading: Reading) -> float | None:
        """Return what is taken off a value: 0 for nothing, None when it is not known."""
        minus = leaf.config.minus
        if minus is None:
            return 0.0
        pool = self.pools[at]
        if minus.others:
            return pool.mean(reading.time_s, but=reading.dev_eui)
        if minus.device:
            return pool.mean(reading.time_s)
        return pool.newest(reading.dev_eui, reading.time_s)

    @property
    def is_grouped(self) -> bool:
        """Whether it has one alert for all devices."""
        return self.is_fixed or self.config.is_grouped

    def subject_of(self, dev_eui: DevEui) -> str:
        """Return whose alert a device's reading is about."""
        return GROUP if self.is_grouped else dev_eui

    def answer(self, subject: str, now_s: float, deaf: Outage = HEARING) -> bool | None:
        """Say whether the rule holds for a subject now, its calendar included."""
        if not self.always and not self.covers(now_s):
            return False
        if self.is_counted:
            return self._counted(now_s)
        return self.tree.answer(subject, now_s, deaf)

    def covers(self, now_s: float) -> bool:
        """Tell whether the rule counts now; asked once a minute, for windows end on minutes."""
        minute = int(now_s // 60)
        if self.covered[0] != minute:
            self.covered = minute, self.calendar.covers(now_s)
        return self.covered[1]

    def ask(self, dev_eui: DevEui, now_s: float, deaf: Outage = HEARING) -> None:
        """Note what one of several devices answers."""
        self.answers[dev_eui] = self.tree.answer(dev_eui, now_s, deaf), now_s

    def ask_all(self, now_s: float, deaf: Outage = HEARING) -> None:
        """Ask every one of several devices anew."""
        for dev_eui in self.infos:
            found = self.tree.answer(dev_eui, now_s, deaf)
            if found is not None:
                self.answers[dev_eui] = found, now_s

    def holding(self, now_s: float) -> list[DevEui]:
        """Return the devices of a group for which it holds, in their order."""
        if not self.is_counted:
            pools = self.means.values()
            return sorted({eui for pool in pools for eui in pool.values} or self.infos)
        since_s = now_s - self._believed_s()
        return sorted(eui for eui, (yes, at) in self.answers.items() if yes and at >= since_s)

    def worst(self, subject: str) -> tuple[Leaf, Mark] | None:
        """Return the first condition that holds with its series; of a group that of any device."""
        for leaf in self.leaves:
            keys: Iterable[str] = [GROUP] if leaf.config.device else [subject]
            if self.is_counted and not leaf.config.device:
                keys = [eui for eui, (yes, _) in self.answers.items() if yes]
            marks = [mark for key in keys if (mark := leaf.worst(key)) is not None]
            if marks:
                return leaf, max(marks, key=lambda mark: (mark.past, mark.time_s, mark.channel))
        return None

    def latch(self, subject: str, *, on: bool) -> None:
        """Let the series of an alert hold on through their hysteresis, or end that."""
        for leaf in self.leaves:
            keys: Iterable[str] = [GROUP] if leaf.config.device else [subject]
            if self.is_counted and not leaf.config.device:
                keys = leaf.marks
            for key in keys:
                leaf.latch(key, on=on)

    def since_s(self, subject: str, now_s: float) -> float:
        """Return since when what time alone brought about has held."""
        keys: Iterable[str] = self.holding(now_s) if self.is_counted else [subject]
        found = [leaf.since_s(GROUP if leaf.config.device else key)
                 for leaf in self.leaves for key in keys]  # fmt: skip
        return min(max([self.calendar.opened_s(now_s), *found]), now_s)

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device."""
        for leaf in self.leaves:
            leaf.marks.pop(dev_eui, None)
        for pool in (*self.pools.values(), *self.means.values()):
            pool.forget(dev_eui)
        self.infos.pop(dev_eui, None)
        self.answers.pop(dev_eui, None)
        self.ended_s.pop(dev_eui, None)

    def _believed_s(self) -> float:
        return max(leaf.lasts_s for leaf in self.leaves)

    def _counted(self, now_s: float) -> bool | None:
        since_s = now_s - self._believed_s()
        fresh = [yes for yes, at in self.answers.values() if yes is not None and at >= since_s]
        if not fresh:
            return None
        if self.config.quantifier == "all":
            return all(fresh)
        return sum(fresh) >= (self.config.at_least or 1)
