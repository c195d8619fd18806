"""Rules tried on the past: the same rules, windows, model and derivation, in the order of time.

A row's result uses only rows up to it, as in the daemon; a forecast is made from what was known
then. Nothing is published, and nothing moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import islice

from gateway.agronomy import Derivation
from gateway.alerts.book import AlertBook
from gateway.alerts.written import RULE_PREFIX, Place, WrittenRules
from gateway.alerts.written.calendar import zone_of
from gateway.codecs import format_rfc3339
from gateway.config import Config, RuleConfig
from gateway.inference import Detector
from gateway.recollection import is_judged
from gateway.rulebook import DAY_S, InfoOf
from gateway.speech import duration, say
from gateway.store import Reader
from gateway.types import (
    Alert,
    AlertEvent,
    DeviceInfo,
    EventType,
    Json,
    Reading,
    Verdict,
    Warming,
    Window,
)
from gateway.windows import WindowBank

CHUNK = 256
"""Rows whose windows go through the model together."""

TICK_S = 30.0
"""How often the daemon looks at what time alone brings."""

MOST_TICKS = 20_000
"""Over a long past it is looked less often, and a firing's moment is told that much later."""

MOST_TRIED = 200_000
"""The most uplinks of a store that one trial reads: the newest."""

FIRINGS_SHOWN = 100
SHORT_S = 900.0
MANY_SHORT = 3
"""So many alerts that end so soon are a rule that wavers at its limit."""

WEEK_S = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class Heard:
    """One row of the past: what a device said, and when it was heard."""

    info: DeviceInfo
    readings: tuple[Reading, ...]
    received_s: float


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that would have been. `fired_s` is when it would have been told."""

    alert: Alert
    fired_s: float

    @property
    def rule(self) -> str:
        """The rule's name."""
        return self.alert.rule.removeprefix(RULE_PREFIX)


@dataclass(slots=True)
class Tried:
    """What a trial came to: firings in the order of their beginning, and what was looked at."""

    firings: list[Firing]
    first_s: float = 0.0
    last_s: float = 0.0
    rows: int = 0
    devices: int = 0

    def lasted_s(self, firing: Firing) -> float:
        """Return how long an alert lasted; one that never ended, to the end of the data."""
        end_s = firing.alert.end_s
        return (self.last_s if end_s is None else end_s) - firing.fired_s

    def per_week(self, name: str) -> float:
        """Return how often a rule fired in a week."""
        count = sum(one.rule == name for one in self.firings)
        return count * WEEK_S / max(self.last_s - self.first_s, DAY_S)


class Rehearsal:
    """Rules over a past that is given row by row, oldest first.

    `detector` is asked only where a rule asks forecasts. `derive`: rows hold raw channels alone.
    """

    def __init__(
        self,
        config: Config,
        rules: Iterable[RuleConfig],
        detector: Detector | None,
        *,
        derive: bool,
        span_s: float = 0.0,
    ) -> None:
        self._written = WrittenRules(AlertBook(), Place.of(config), zone_of(config))
        self._written.add(rule.model_copy(update={"enabled": True}) for rule in rules)
        self._detector = detector if self._written.asks_forecasts else None
        self._bank = WindowBank(warm_samples=config.inference.warm_samples)
        self._derivation = Derivation(config.agronomy) if derive else None
        self._step_s = max(TICK_S, span_s / MOST_TICKS)
        self._ticked_s = 0.0
        self._open: dict[str, Firing] = {}
        self._tried = Tried([])
        self._seen: set[str] = set()

    def run(self, rows: Iterable[Heard]) -> Tried:
        """Take every row; return what would have fired."""
        waiting = iter(rows)
        while chunk := list(islice(waiting, CHUNK)):
            for row, verdicts in zip(chunk, self._judged(chunk), strict=True):
                self._take(row, verdicts)
        tried = self._tried
        tried.firings += self._open.values()
        tried.firings.sort(key=lambda one: (one.fired_s, one.alert.id))
        tried.devices = len(self._seen)
        return tried

    def _take(self, row: Heard, verdicts: Sequence[Verdict]) -> None:
        tried, now_s = self._tried, row.received_s
        tried.first_s = tried.first_s or now_s
        tried.last_s, tried.rows = max(tried.last_s, now_s), tried.rows + 1
        self._seen.add(row.info.dev_eui)
        self._tick(now_s)
        readings = list(row.readings)
        if self._derivation is not None:
            readings += self._derivation.readings(row.info, readings, verdicts)
        self._note(self._written.consider(row.info, verdicts, readings), now_s)

    def _tick(self, now_s: float) -> None:
        if not self._ticked_s or not self._written.watch_time:
            self._ticked_s = now_s
            self._note(self._written.tick(now_s), now_s)
            return
        while self._ticked_s + self._step_s <= now_s:
            self._ticked_s += self._step_s
            self._note(self._written.tick(self._ticked_s), self._ticked_s)

    def _note(self, events: Iterable[AlertEvent], now_s: float) -> None:
        for event in events:
            alert = event.alert
            if event.event_type is EventType.NEW:
                self._open[alert.id] = Firing(alert, now_s)
            elif event.event_type is EventType.END:
                self._tried.firings.append(replace(self._open.pop(alert.id), alert=alert))

    def _judged(self, chunk: Sequence[Heard]) -> Iterator[list[Verdict]]:
        """Yield the verdicts on each row's channels whose forecasts are asked for."""
        if self._detector is None:
            yield from ([] for _ in chunk)
            return
        samples: list[list[Window | Warming]] = [list(self._samples(row)) for row in chunk]
        verdicts = iter(self._detector.judge([one for row in samples for one in row]))
        for row in samples:
            yield list(islice(verdicts, len(row)))

    def _samples(self, row: Heard) -> Iterator[Window | Warming]:
        for one in row.readings:
            if not is_judged(one) or not self._is_asked(one.channel):
                continue
            sample = self._bank.add(one.time_s, float(one.value), one.dev_eui, one.channel)
            if sample is not None:
                yield sample

    def _is_asked(self, channel: str) -> bool:
        return any(fnmatchcase(channel, wanted) for wanted in self._written.asks_forecasts)


def stored(store: Reader, info_of: InfoOf, since_s: float) -> Iterator[Heard]:
    """Yield what the store has heard since a time, in its order; late rows judge nothing."""
    seq = max(store.seq_before(since_s), store.head_seq() - MOST_TRIED)
    while rows := store.after(seq, CHUNK):
        for row in rows:
            record = row.record
            if not record.late and record.readings:
                info = info_of(record.dev_eui) or DeviceInfo(record.dev_eui)
                yield Heard(info, record.readings, record.received_s)
        seq = rows[-1].seq


def summary(tried: Tried, name: str) -> dict[str, Json]:
    """Return what a rule's trial came to, for people and programs."""
    mine = [one for one in tried.firings if one.rule == name]
    return {
        "name": name,
        "from": _time(tried.first_s) if tried.rows else None,
        "to": _time(tried.last_s) if tried.rows else None,
        "uplinks": tried.rows,
        "devices": tried.devices,
        "fired": len(mine),
        "per_week": round(tried.per_week(name), 2),
        "firings": [
            {
                "device": one.alert.dev_eui,
                "title": one.alert.title,
                "began": _time(one.alert.first_seen_s),
                "fired": _time(one.fired_s),
                "ended": _time(one.alert.end_s) if one.alert.end_s is not None else None,
                "lasted_s": round(tried.lasted_s(one)),
            }
            for one in mine[:FIRINGS_SHOWN]
        ],
        "more": max(len(mine) - FIRINGS_SHOWN, 0),
        "hint": _hint(tried, mine),
    }


def _time(time_s: float) -> str:
    return format_rfc3339(round(time_s))


def _hint(tried: Tried, firings: Sequence[Firing]) -> str:
    """Say what would calm a rule that comes and goes at its limit; "" for a calm one."""
    short = sum(one.alert.end_s is not None and tried.lasted_s(one) < SHORT_S for one in firings)
    if short < MANY_SHORT:
        return ""
    return say(
        "{count} of these ended within {span}: a `hysteresis` or `for_s` would calm it.",
        count=short, span=duration(SHORT_S),
    )  # fmt: skip
