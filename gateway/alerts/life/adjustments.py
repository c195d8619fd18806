"""What false alarms have changed: how much more it takes before the same is said again.

Each false alarm of a device's channel goes one step further, up to `STEPS`; nothing is changed for
good. After some days, or when somebody takes it back, all is as it was.

::

    step                              1      2      3
    model: bound of the p-value     1/4   1/16   1/64   and one wild sample alone is not enough
    silence: patience               1.5    2.2    3.4   times the learned limit, up to `max_s`
    bad link: must last               2      4      8   times `for_s`
    built-in limits                   further out by a share, and as many more readings in a row
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from gateway.alerts.families import words_of
from gateway.alerts.rules.link import RULE as LINK_RULE
from gateway.alerts.rules.model import RULE as MODEL_RULE
from gateway.alerts.rules.silence import RULE as SILENCE_RULE
from gateway.speech import say
from gateway.types import Alert, Channel, DevEui, Json

STEPS = 3
PREFIX = "adjustment|"
_DAY_S = 86400.0
_BOUND = 0.25
_PATIENCE = 1.5
_LASTING = 2.0
_SHARE = 0.25
"""A channel with a smaller share in an alert is not what it was about."""

Key = tuple[DevEui, str, Channel]
WHOLE = Channel("")
"""In the place of a channel: the rule looks at the device as a whole."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One channel of one device under one rule, less sensitive by `step`; `alert` was the last."""

    dev_eui: DevEui
    rule: str
    channel: Channel
    step: int
    by: str
    alert: str
    since_s: float
    changed_s: float
    expires_s: float

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.dev_eui, self.rule, self.channel

    @property
    def sensitivity(self) -> float:
        """How sensitive the rule is left: 1 is untouched."""
        if self.rule == MODEL_RULE:
            return _BOUND**self.step
        if self.rule == SILENCE_RULE:
            return _PATIENCE**-self.step
        if self.rule == LINK_RULE:
            return _LASTING**-self.step
        return 1.0 / (1.0 + self.step)

    def effect(self) -> str:
        """Say what it does, in one sentence."""
        times = f"{1 / self.sensitivity:.3g}"
        if self.rule == MODEL_RULE:
            return say(
                "An alert on {channel} now needs readings {times} times as unlikely.",
                channel=words_of(self.channel), times=times,
            )  # fmt: skip
        if self.rule == SILENCE_RULE:
            return say("It is reported silent only after {times} times as long.", times=times)
        if self.rule == LINK_RULE:
            return say("A bad link is reported only once it lasts {times} times as long.",
                       times=times)  # fmt: skip
        return say(
            "The built-in limit on {channel} is wider, and takes {times} times as many readings.",
            channel=words_of(self.channel), times=times,
        )  # fmt: skip


class Adjustments:
    """All of them. `factors` is for the detector: what to multiply a channel's bound by."""

    def __init__(self, days: float, built_in: Collection[str]) -> None:
        self.factors: dict[tuple[DevEui, Channel], float] = {}
        self.changes: dict[str, Json] = {}
        self._lasts_s = days * _DAY_S
        self._built_in = frozenset(built_in)
        self._all: dict[Key, Adjustment] = {}

    def step(self, dev_eui: DevEui, rule: str, channel: Channel = WHOLE) -> int:
        """Return how many steps less sensitive a rule is here; 0 is untouched."""
        found = self._all.get((dev_eui, rule, channel))
        return found.step if found else 0

    def patience(self, dev_eui: DevEui) -> float:
        """Return what to multiply a device's limit of silence by."""
        return _PATIENCE ** self.step(dev_eui, SILENCE_RULE)

    def lasting(self, dev_eui: DevEui) -> float:
        """Return what to multiply the time by for which a device's link must be bad."""
        return _LASTING ** self.step(dev_eui, LINK_RULE)

    def all(self) -> list[Adjustment]:
        """Return every one that holds, by device."""
        return sorted(self._all.values(), key=lambda one: one.key)

    def after_false_alarm(self, alert: Alert, by: str, now_s: float) -> list[Adjustment]:
        """Go a step further with what raised a false alarm; nothing for rules that are not ours."""
        changed = []
        for channel in self._channels(alert):
            key = (alert.dev_eui, alert.rule, channel)
            before = self._all.get(key)
            now = Adjustment(
                *key,
                step=min((before.step if before else 0) + 1, STEPS),
                by=by,
                alert=alert.id,
                since_s=before.since_s if before else now_s,
                changed_s=now_s,
                expires_s=now_s + self._lasts_s,
            )
            self._put(now)
            changed.append(now)
        return changed

    def take_back(self, dev_eui: DevEui, channel: str, alert: str) -> list[Adjustment]:
        """Undo those of a device, of a channel, or of one alert; return what they were.

        An empty argument matches all; a rule's name does in the place of a channel.
        """
        gone = self.matching(dev_eui, channel, alert)
        for one in gone:
            self._drop(one)
        return gone

    def matching(self, dev_eui: DevEui, channel: str, alert: str) -> list[Adjustment]:
        """Return what `take_back` would undo."""
        return [
            one
            for one in self.all()
            if (not dev_eui or one.dev_eui == dev_eui)
            and (not channel or channel in (one.channel, one.rule))
            and (not alert or one.alert.startswith(alert))
        ]

    def expire(self, now_s: float) -> None:
        """Take back what has stood for its time."""
        for one in [one for one in self._all.values() if now_s >= one.expires_s]:
            self._drop(one)

    def restore(self, memory: Mapping[str, Json]) -> None:
        """Take back what was kept of the last run."""
        for name, body in sorted(memory.items()):
            if name.startswith(PREFIX) and body is not None:
                self._put(Adjustment(**body))
        self.changes.clear()

    def _channels(self, alert: Alert) -> list[Channel]:
        if alert.rule in (SILENCE_RULE, LINK_RULE):
            return [WHOLE]
        if alert.rule == MODEL_RULE:
            parts = [one.channel for one in alert.reason if one.share >= _SHARE]
            return parts or [one.channel for one in alert.reason[:1]]
        if alert.rule in self._built_in:
            return [one.channel for one in alert.reason[:1]]
        return []

    def _put(self, one: Adjustment) -> None:
        self._all[one.key] = one
        self.changes[_name(one)] = asdict(one)
        if one.rule == MODEL_RULE:
            self.factors[one.dev_eui, one.channel] = one.sensitivity

    def _drop(self, one: Adjustment) -> None:
        del self._all[one.key]
        self.changes[_name(one)] = None
        if one.rule == MODEL_RULE:
            del self.factors[one.dev_eui, one.channel]


def restored(memory: Mapping[str, Json]) -> list[Adjustment]:
    """Return the adjustments in what was kept, for whoever only looks."""
    found = Adjustments(1.0, ())
    found.restore(memory)
    return found.all()


def _name(one: Adjustment) -> str:
    return f"{PREFIX}{one.dev_eui}|{one.rule}|{one.channel}"
