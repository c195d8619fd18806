"""The rules that people wrote: the files' and those told over MQTT, and what is asked of them.

::

    bridge/request/rule/list                     every rule: source, on or off, how often it fired
    bridge/request/rule/get     {"name"}         one rule in full
    bridge/request/rule/add     {"rule": {...}}  keep a rule in the store, and switch it on
    bridge/request/rule/remove  {"name"}
    bridge/request/rule/enable | disable {"name"}
    bridge/request/rule/test    {"rule"|"name", "days"}   how often it would have fired

Whoever changes something must be an operator where operators are named, an admin for a rule that
sends commands. A file's rule is changed in its file: here it can only be switched off and on again.
"""

from __future__ import annotations

import difflib
import json
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.alerts.written import RULE_PREFIX, WrittenRules, describe
from gateway.config import Config, RuleConfig, as_rule
from gateway.control import Authority
from gateway.control.forms import check_age, mistake_in, moment_s
from gateway.errors import CommandRefused, ConfigError
from gateway.speech import say
from gateway.store import Reader
from gateway.types import AlertEvent, DevEui, DeviceInfo, EventType, Json

TOPIC = "rule/"
"""How the verbs of `bridge/request/` begin that are about rules."""

KEPT = "rules"
"""Under what name the store keeps what was told over MQTT."""

MOST_RULES = 200
MOST_BYTES = 8192
MOST_RECALLED = 20_000
"""The most stored uplinks that are given again at a start."""

RECALLED_LIVE = 5_000
"""The most that a new rule is given, for meanwhile the pipeline waits."""

PAGE = 1000
DAY_S = 86400.0
DAYS_SHOWN = (7, 30)
MOST_DAYS = 90
_CHANGES = frozenset({"add", "remove", "enable", "disable"})
VERBS = ("list", "get", *sorted(_CHANGES), "test")

DERIVED_CHANNELS = (
    "air.dewPoint", "air.vpd", "air.wetBulb", "air.heatIndex", "air.aqi.epa", "air.aqi.europe",
    "air.aqi.china", "frost.probability", "frost.lowest", "frost.wetBulb", "radio.rssi",
    "radio.snr", "radio.link_margin", "radio.loss", "device.battery_v", "device.battery_percent",
)  # fmt: skip
"""Channels that no payload need hold."""

_NAMED_BY_SETTINGS = ("field.", "trend.")

InfoOf = Callable[[DevEui], DeviceInfo | None]


class Asked(BaseModel):
    """A request about rules, as strangers send it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    by: Annotated[str, Field(max_length=64)] = ""
    id: Annotated[str, Field(max_length=64)] | None = None
    time: str | None = None
    signature: str | None = None
    transaction: Json = None
    name: Annotated[str, Field(max_length=64)] = ""
    rule: dict[str, Any] | None = None
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = 7


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule to be tried on the last days of the store."""

    rule: RuleConfig
    days: int


@dataclass(slots=True)
class Ruled:
    """What a request came to. `kept` is to be stored, `facts` audited; `trial` still to be run."""

    answer: Json = None
    kept: Mapping[str, Json] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    events: list[AlertEvent] = field(default_factory=list)
    trial: Trial | None = None


class Rulebook:
    """Every rule with its source, and the ones that are on in `written`."""

    def __init__(
        self,
        config: Config,
        written: WrittenRules,
        store: Reader,
        authority: Authority,
        *,
        channels: Callable[[], Iterable[str]],
        info_of: InfoOf,
        now_s: float,
    ) -> None:
        self._written = written
        self._store = store
        self._authority = authority
        self._channels = channels
        self._info_of = info_of
        self._files = {rule.name: rule for rule in config.rule}
        self._told: dict[str, RuleConfig] = {}
        self._off: set[str] = set()
        self._fired: dict[str, deque[float]] = {}
        self.troubles: list[str] = []
        self._take_up(store.control().get(KEPT))
        for alert in store.alerts_of(RULE_PREFIX, now_s - max(DAYS_SHOWN) * DAY_S):
            self._count(alert.rule, alert.first_seen_s)

    def order(self, verb: str, body: Mapping[str, Json], now_s: float) -> Ruled:
        """Carry out what is asked of the rules; `verb` is what stands after `rule/`.

        Raises
        ------
        CommandRefused
            It is malformed, stale, or not this sender's to ask.
        ConfigError
            The rule is wrong; the text says what to do.

        """
        if verb not in VERBS:
            said = say("{verb} is none of {known}.",
                       verb=repr(verb[:32]), known=", ".join(VERBS))  # fmt: skip
            raise CommandRefused("malformed", said)
        asked = _read(body, now_s)
        if verb == "list":
            return Ruled(self.listed(now_s))
        if verb == "get":
            return Ruled(self._shown(self._named(asked), now_s))
        rule = self._rule_of(asked, body)
        signed = self._admit(verb, rule, asked, body)
        if verb == "test":
            return Ruled(trial=Trial(rule.model_copy(update={"enabled": True}), asked.days))
        events = self._change(verb, rule, now_s)
        facts = {
            "what": f"rule_{verb}", "by": asked.by, "signed": signed, "name": rule.name,
            **({"rule": written_form(rule)} if verb == "add" else {}),
        }  # fmt: skip
        there = rule.name in self._files or rule.name in self._told
        answer = self._shown(rule.name, now_s) if there else {"name": rule.name, "removed": True}
        if verb == "add":
            answer["warnings"] = warnings_of(rule, self._channels())
        return Ruled(answer, {KEPT: self._kept()}, facts, events)

    def listed(self, now_s: float) -> dict[str, Json]:
        """Return `bridge/rules`: every rule, by name."""
        names = sorted({*self._files, *self._told})
        return {"count": len(names), "rules": [self._entry(name, now_s) for name in names]}

    def note(self, events: Iterable[AlertEvent]) -> bool:
        """Count what rules have told; tell whether any of it was theirs."""
        mine = [event for event in events if event.alert.rule.startswith(RULE_PREFIX)]
        for event in mine:
            if event.event_type is EventType.NEW:
                self._count(event.alert.rule, event.alert.first_seen_s)
        return any(event.event_type is not EventType.UPDATE for event in mine)

    # --- changes --------------------------------------------------------------------------

    def _change(self, verb: str, rule: RuleConfig, now_s: float) -> list[AlertEvent]:
        name = rule.name
        if verb in {"add", "remove"} and name in self._files:
            said = say("{name} stands in a settings file: change it there. Over MQTT it can only "
                       "be switched off and on.", name=name)  # fmt: skip
            raise CommandRefused("file", said)
        if verb == "add":
            if len(self._told) >= MOST_RULES and name not in self._told:
                said = say("There are {count} rules: remove one first.", count=MOST_RULES)
                raise CommandRefused("limit", said)
            events = self._written.remove(name, now_s)
            self._told[name] = rule
            self._switch_on(rule, now_s)
            return events
        if verb == "remove":
            del self._told[name]
            self._fired.pop(name, None)
            return self._written.remove(name, now_s)
        on = verb == "enable"
        if name in self._told:
            self._told[name] = rule = rule.model_copy(update={"enabled": on})
        elif on and not rule.enabled:
            said = say("{name} is off in its file: switch it on there.", name=name)
            raise CommandRefused("file", said)
        elif on:
            self._off.discard(name)
        else:
            self._off.add(name)
        if not on:
            return self._written.remove(name, now_s)
        if name not in self._written.names:
            self._switch_on(rule, now_s)
        return []

    def _switch_on(self, rule: RuleConfig, now_s: float) -> None:
        """Switch a rule on with all that it would know, had it been on all the time."""
        fresh = self._written.separate()
        fresh.add([rule])
        recall(self._store, fresh, self._info_of, now_s, most=RECALLED_LIVE)
        self._written.adopt(fresh)

    def _take_up(self, kept: Json) -> None:
        """Take up what was told over MQTT in earlier runs; what is no rule any more is named."""
        if not isinstance(kept, Mapping):
            return
        for tree in kept.get("rules", ()):
            try:
                rule = as_rule(tree)
            except ConfigError as error:
                self.troubles.append(f"A rule that was told over MQTT cannot be used: {error}")
                continue
            if rule.name in self._files:
                self.troubles.append(
                    f"The rule {rule.name} of the settings goes before the one told over MQTT."
                )
                continue
            self._told[rule.name] = rule
        self._off = {name for name in kept.get("off", ()) if name in self._files}
        self._written.add(self._told.values())
        for name in self._off:
            self._written.remove(name, 0.0)

    def _kept(self) -> dict[str, Json]:
        return {
            "rules": [written_form(self._told[name]) for name in sorted(self._told)],
            "off": sorted(self._off),
        }

    # --- who may, and about what ------------------------------------------------------------

    def _admit(self, verb: str, rule: RuleConfig, asked: Asked, body: Mapping[str, Json]) -> bool:
        sends = rule.action is not None and verb != "disable"  # off is safe: any operator may
        role = "viewer" if verb == "test" else "admin" if sends else "operator"
        signed = {key: body[key] for key in body if key != "transaction"}
        return self._authority.admit(asked.by, "", signed | {"order": TOPIC + verb}, role)

    def _rule_of(self, asked: Asked, body: Mapping[str, Json]) -> RuleConfig:
        if asked.rule is None:
            return self._rule(self._named(asked))
        _check_size(body["rule"])
        if asked.name:
            raise CommandRefused("ambiguous", say("Give `name` or `rule`, not both."))
        return as_rule(asked.rule)

    def _named(self, asked: Asked) -> str:
        if not asked.name:
            raise CommandRefused("malformed", say("Give the rule's `name`."))
        if asked.name not in self._files and asked.name not in self._told:
            known = ", ".join(sorted({*self._files, *self._told})[:20]) or say("none")
            said = say("{name} is no rule; there are: {known}.",
                       name=repr(asked.name[:48]), known=known)  # fmt: skip
            raise CommandRefused("unknown_rule", said)
        return asked.name

    def _rule(self, name: str) -> RuleConfig:
        return self._files.get(name) or self._told[name]

    # --- what is shown --------------------------------------------------------------------

    def _entry(self, name: str, now_s: float) -> dict[str, Json]:
        rule, fired = self._rule(name), self._fired.get(name, ())
        return {
            "name": name,
            "source": "file" if name in self._files else "mqtt",
            "enabled": name in self._written.names,
            "said": describe(rule.model_copy(update={"enabled": True})),
            "severity": rule.severity,
            "sends": rule.action.command if rule.action is not None else None,
            "fired": {
                f"last_{days}_days": sum(at >= now_s - days * DAY_S for at in fired)
                for days in DAYS_SHOWN
            },
        }

    def _shown(self, name: str, now_s: float) -> dict[str, Json]:
        rule = self._rule(name)
        return self._entry(name, now_s) | {"rule": written_form(rule)}

    def _count(self, rule: str, time_s: float) -> None:
        name = rule.removeprefix(RULE_PREFIX)
        if name in self._files or name in self._told:
            self._fired.setdefault(name, deque(maxlen=10_000)).append(time_s)


def _check_size(tree: Json) -> None:
    try:
        length = len(json.dumps(tree))
    except RecursionError:
        length = MOST_BYTES + 1
    if length > MOST_BYTES:
        said = say("A rule may have {count} characters of JSON.", count=MOST_BYTES)
        raise CommandRefused("too_large", said)


def action_id(alert_id: str) -> str:
    """Return the id of an alert's command: one alert, one command, whatever happens between."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"lora-gateway:{alert_id}|action"))


def recall(
    store: Reader, written: WrittenRules, info_of: InfoOf, now_s: float, most: int = MOST_RECALLED
) -> None:
    """Give rules the stored uplinks that they would know, and what keeps them quiet."""
    back_s = written.lookback_s()
    if not back_s:
        return
    seq = max(store.seq_before(now_s - back_s), store.head_seq() - most)
    while rows := store.after(seq, PAGE):
        for row in rows:
            info = info_of(row.record.dev_eui)
            if info is not None and not row.record.late:
                written.recall(info, row.record.readings, row.record.received_s)
        seq = rows[-1].seq
    written.settle(store.newest_received_s(), now_s)
    written.cool(store.alerts_of(RULE_PREFIX, now_s - written.longest_cooldown_s))


def written_form(rule: RuleConfig) -> dict[str, Json]:
    """Return a rule as it was written: without what has its default."""
    tree: dict[str, Json] = rule.model_dump(mode="json", exclude_defaults=True)
    return {"name": rule.name, **tree}


def warnings_of(rule: RuleConfig, channels: Iterable[str]) -> list[str]:
    """Return what may be a mistake: channels that nobody has told of so far."""
    known = sorted({*channels, *DERIVED_CHANNELS})
    found = []
    for leaf in rule.leaves():
        for wanted in filter(None, (leaf.channel, leaf.minus.channel if leaf.minus else "")):
            if wanted.startswith(_NAMED_BY_SETTINGS) or any(
                fnmatchcase(one, wanted) for one in known
            ):
                continue
            near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.6)
            hint = f"; did you mean {near[0]}?" if near else "."
            found.append(f"rule {rule.name}: no device has told of {wanted} so far{hint}")
    return found


def _read(body: Mapping[str, Json], now_s: float) -> Asked:
    try:
        asked = Asked.model_validate(body)
    except ValidationError as error:
        raise CommandRefused("malformed", mistake_in(error)) from None
    if asked.time is not None:
        check_age(now_s - moment_s("time", asked.time))
    return asked
