"""Conditions compiled: leaves that remember each series, and the tree that puts them together.

A leaf knows three answers: it holds, it does not, or nobody knows (never heard, too long ago, no
forecast). `all` and `any` pass that on as people would (Kleene's logic), so what is not known
neither begins an alert nor ends one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.alerts.written.chance import Outlook, outlook
from gateway.config import ConditionConfig
from gateway.types import Channel, Forecast, Reading, ReadingKind, Scalar, Verdict

STATE_HELD_S = 604_800.0
"""A state such as a valve's is told when it changes: it is believed so long."""

CERTAINTY = 0.2
"""A forecast's condition is over when its probability has fallen by so much."""

MOST_SAMPLES = 256
MOST_CHANNELS = 64
"""Channels that one pattern follows of one device."""

MOST = 1e300
"""What no instrument shows; a computation with more may leave the numbers."""

_NUMBERS = frozenset({ReadingKind.NUMERIC, ReadingKind.COUNTER, ReadingKind.BOOLEAN})


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which nobody listened: it counts as no device's silence."""

    begin_s: float = 0.0
    end_s: float = 0.0

    def within(self, since_s: float, until_s: float) -> float:
        """Return how much of a time lies in it."""
        return max(0.0, min(until_s, self.end_s) - max(since_s, self.begin_s))


HEARING = Outage()


@dataclass(slots=True)
class Mark:
    """Where one series stands against one leaf; `past` is by how much it is beyond the limit.

    `since_s` is when `holds` became what it is, `told` the newest value compared, `known` whether
    it could be compared at all. `latched`: an alert rests on it, so it takes more to be over.
    """

    time_s: float
    value: Scalar
    unit: str
    channel: Channel
    holds: bool = False
    known: bool = True
    latched: bool = False
    since_s: float = 0.0
    past: float = -math.inf
    told: float = 0.0
    outlook: Outlook | None = None
    samples: deque[tuple[float, float]] | None = None


@dataclass(slots=True)
class Leaf:
    """One test of one channel. `marks` holds its series by subject and channel.

    A subject is a DevEUI, or "" where the leaf looks at one fixed device or at a mean. A value is
    believed for `lasts_s`; `watches_time`: time alone can make it hold (states that last, silence).
    `sign` is 1 above `bound`, -1 below it, 0 for every other test.
    """

    config: ConditionConfig
    lasts_s: float
    is_forecast: bool
    watches_time: bool
    sign: float
    bound: float
    marks: dict[str, dict[Channel, Mark]] = field(default_factory=dict)

    @classmethod
    def of(cls, config: ConditionConfig, fresh_s: float) -> Leaf:
        """Compile a condition of one channel."""
        return cls(
            config,
            max(fresh_s, STATE_HELD_S) if config.test == "equals" else fresh_s,
            config.within_s is not None,
            config.test in {"equals", "silent_s"},
            {"above": 1.0, "below": -1.0}.get(config.test, 0.0),
            _bound(config),
        )

    def passes(self, subject: str, reading: Reading) -> bool:
        """Take a reading that changes nothing, as nearly all do; False when it must be looked at.

        This is for many rules on many devices: it does what `take` would, and no more.
        """
        series = self.marks.get(subject)
        mark = series.get(reading.channel) if series is not None else None
        value = reading.value
        if mark is None or mark.holds or not mark.known or not isinstance(value, float):
            return False
        past = self.sign * (value - self.bound)
        time_s = reading.time_s
        plain = self.sign or self.config.silent_s is not None
        if not past <= 0.0 or not plain or not 0 <= time_s - mark.time_s <= self.lasts_s:
            return False
        mark.time_s, mark.value, mark.told, mark.past = time_s, value, value, past
        return True

    def take(self, subject: str, reading: Reading, off: float | None) -> tuple[bool, bool]:
        """Take a reading less `off` (None: what is taken off is not known).

        Return whether the answer has changed, and whether it was unknown before for want of news.
        """
        value = reading.value
        mark = self._mark(subject, reading)
        if mark is None:
            return False, False
        before, stale = mark.holds and mark.known, reading.time_s - mark.time_s > self.lasts_s
        knew = mark.known
        if self.config.test == "equals":
            mark.known, holds = True, _same(value, self.config.equals)
            mark.past = 0.0 if holds else -1.0
        elif off is None or isinstance(value, str) or reading.kind not in _NUMBERS:
            mark.known, holds = False, mark.holds
        else:
            mark.known, holds = True, self._compare(mark, float(value) - off, reading.time_s, stale)
        if holds != mark.holds:
            mark.holds, mark.since_s = holds, reading.time_s
        mark.time_s, mark.value, mark.unit = reading.time_s, value, reading.unit
        return (mark.holds and mark.known) != before or mark.known != knew, stale

    def foresee(self, subject: str, verdict: Verdict, forecast: Forecast) -> tuple[bool, bool]:
        """Take a forecast; return what `take` does."""
        rule = self.config
        series = self.marks.setdefault(subject, {})
        fresh = Mark(verdict.time_s, verdict.observed, "", verdict.channel, known=False)
        mark = series.setdefault(verdict.channel, fresh)
        if verdict.time_s < mark.time_s or len(series) > MOST_CHANNELS:
            return False, False
        before, knew = mark.holds and mark.known, mark.known
        stale = verdict.time_s - mark.time_s > self.lasts_s
        above = rule.above is not None
        limit, needed = _bound(rule), rule.probability or 1.0
        if mark.holds and mark.latched:  # it takes less to stay than to begin
            limit += -rule.hysteresis if above else rule.hysteresis
            needed -= min(CERTAINTY, needed / 2)
        seen = outlook(forecast, verdict.time_s, rule.within_s or 0.0, limit, above=above)
        mark.known = seen is not None
        if seen is not None:
            holds = seen.probability >= needed
            if holds != mark.holds:
                mark.holds, mark.since_s = holds, verdict.time_s
            mark.outlook, mark.past, mark.told = seen, seen.probability, seen.expected[1]
        mark.time_s, mark.value = verdict.time_s, verdict.observed
        return (mark.holds and mark.known) != before or mark.known != knew, stale

    def name_unit(self, subject: str, reading: Reading) -> None:
        """Learn the unit of a forecast's channel from its reading."""
        mark = self.marks.get(subject, {}).get(reading.channel)
        if mark is not None:
            mark.unit = reading.unit

    def latch(self, subject: str, *, on: bool) -> None:
        """Let what holds for a subject hold on through its hysteresis, or end that."""
        for mark in self.marks.get(subject, {}).values():
            mark.latched = on and mark.holds

    def answer(self, subject: str, now_s: float, deaf: Outage = HEARING) -> bool | None:
        """Say whether it holds for a subject, None when nobody knows."""
        series = self.marks.get(subject)
        if not series:
            return None
        if self.config.silent_s is not None:
            return _silence_s(series, now_s, deaf) >= self.config.silent_s
        known = False
        for mark in series.values():
            if mark.known and now_s - mark.time_s <= self.lasts_s:
                if mark.holds:
                    return True
                known = True
        return False if known else None

    def worst(self, subject: str) -> Mark | None:
        """Return the series that holds, the furthest beyond of several; None without any."""
        series = self.marks.get(subject, {})
        if self.config.silent_s is not None:
            return max(series.values(), key=lambda mark: mark.time_s, default=None)
        holding = [mark for mark in series.values() if mark.holds and mark.known]
        return max(holding, key=lambda mark: mark.past, default=None)

    def next_silence_s(self, now_s: float, deaf: Outage) -> float:
        """Return before when no series that is not silent yet can be."""
        if self.config.silent_s is None:
            return math.inf
        due_s = now_s + self.config.silent_s
        for series in self.marks.values():
            left_s = self.config.silent_s - _silence_s(series, now_s, deaf)
            if left_s > 0:
                due_s = min(due_s, now_s + left_s)
        return due_s

    def since_s(self, subject: str) -> float:
        """Return since when it holds."""
        mark = self.worst(subject)
        if mark is None:
            return 0.0
        return mark.since_s if self.config.silent_s is None else mark.time_s + self.config.silent_s

    def _mark(self, subject: str, reading: Reading) -> Mark | None:
        """Return the series' mark, a new one at first; None for what is older than that."""
        value = reading.value
        if not isinstance(value, str) and not -MOST < value < MOST:
            return None  # nor is what is no number at all
        series = self.marks.setdefault(subject, {})
        mark = series.get(reading.channel)
        if mark is None:
            if len(series) >= MOST_CHANNELS:
                return None
            mark = series[reading.channel] = Mark(
                reading.time_s, value, reading.unit, reading.channel, known=False,
                since_s=reading.time_s,
            )  # fmt: skip
        return mark if reading.time_s >= mark.time_s else None

    def _compare(self, mark: Mark, value: float, time_s: float, stale: bool) -> bool:  # noqa: FBT001 - a fact of the series
        rule = self.config
        mark.told = value
        if rule.unchanged_s is not None:
            return self._unchanged(mark, value, time_s, stale)
        if rule.rises_per_h is not None or rule.falls_per_h is not None:
            rate = self._rate(mark, value, time_s)
            if rate is None:
                mark.known = False
                return mark.holds
            mark.told = rate
            wanted = rule.rises_per_h or rule.falls_per_h or 0.0
            mark.past = (rate if rule.rises_per_h is not None else -rate) - wanted
        elif rule.outside is not None:
            mark.past = max(rule.outside[0] - value, value - rule.outside[1])
        elif rule.above is not None:
            mark.past = value - rule.above
        elif rule.below is not None:
            mark.past = rule.below - value
        else:  # silence: it has just spoken
            return False
        return mark.past > (-rule.hysteresis if mark.holds and mark.latched else 0.0)

    def _unchanged(self, mark: Mark, value: float, time_s: float, stale: bool) -> bool:  # noqa: FBT001
        """Compare with the value it had when it last moved, which `samples` keeps."""
        samples = mark.samples
        if stale or not samples or abs(value - samples[0][1]) > self.config.tolerance:
            samples = mark.samples = deque([(time_s, value)])
        lasted_s = time_s - samples[0][0]
        mark.past = lasted_s - (self.config.unchanged_s or 0.0)
        return mark.past >= 0

    def _rate(self, mark: Mark, value: float, time_s: float) -> float | None:
        """Return the change per hour since the oldest sample of `over_s`; None from too few."""
        samples, over_s = mark.samples, self.config.over_s
        if samples is None:
            samples = mark.samples = deque()
        if samples and samples[-1][0] == time_s:
            samples.pop()
        samples.append((time_s, value))
        while samples[0][0] < time_s - over_s or len(samples) > MOST_SAMPLES:
            samples.popleft()
        first_s, first = samples[0]
        span_s = time_s - first_s
        return (value - first) / span_s * 3600.0 if span_s >= over_s / 2 else None


@dataclass(frozen=True, slots=True)
class Node:
    """A leaf, or `all` or `any` of further nodes."""

    kind: str
    leaf: Leaf | None = None
    inner: tuple[Node, ...] = ()

    @classmethod
    def of(cls, config: ConditionConfig, fresh_s: float) -> Node:
        """Compile a condition; its depth was bounded when it was read."""
        if config.test:
            return cls("leaf", Leaf.of(config, fresh_s))
        kind = "all" if config.all else "any"
        return cls(kind, None, tuple(cls.of(one, fresh_s) for one in config.all or config.any))

    def leaves(self) -> list[Leaf]:
        """Return every leaf in the order they are written."""
        if self.leaf is not None:
            return [self.leaf]
        return [leaf for one in self.inner for leaf in one.leaves()]

    def answer(self, subject: str, now_s: float, deaf: Outage) -> bool | None:
        """Say whether the whole holds for a subject, None when nobody knows."""
        if self.leaf is not None:
            key = "" if self.leaf.config.device else subject
            return self.leaf.answer(key, now_s, deaf)
        decisive, known = self.kind == "any", True
        for one in self.inner:
            found = one.answer(subject, now_s, deaf)
            if found is decisive:
                return decisive
            known = known and found is not None
        return not decisive if known else None


def _silence_s(series: Mapping[Channel, Mark], now_s: float, deaf: Outage) -> float:
    """Return for how long none of a subject's series was heard, while somebody listened."""
    newest = max(mark.time_s for mark in series.values())
    return now_s - newest - deaf.within(newest, now_s)


def _bound(rule: ConditionConfig) -> float:
    return rule.above if rule.above is not None else rule.below or 0.0


def _same(value: Scalar, wanted: Scalar | None) -> bool:
    """Compare a state with what was written; true and 1 are not the same, 1 and 1.0 are."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == wanted
