"""`[[rule]]`: what people want to be told of, in the settings, a rules folder, or over MQTT."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gateway.config.commands import Plain
from gateway.config.section import Probability, Section

NAME = r"^[a-z0-9][a-z0-9_-]{0,47}$"
DEEPEST = 4
"""Levels of `all` and `any` within each other."""

MOST_CONDITIONS = 16
PLACEHOLDERS = ("value", "device", "channel", "limit")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun",
          "jul", "aug", "sep", "oct", "nov", "dec")  # fmt: skip
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TESTS = (
    "above", "below", "outside", "equals", "rises_per_h", "falls_per_h", "unchanged_s", "silent_s",
)  # fmt: skip
_LEAF = (
    "channel", "device", "hysteresis", "tolerance", "over_s", "within_s", "probability", "minus",
)  # fmt: skip
_BRACED = re.compile(r"\{([^{}]*)\}")
_WORDS = re.compile(r"[^a-z0-9]+")

Text = Annotated[str, Field(max_length=200)]
Finite = Annotated[float, Field(ge=-1e12, le=1e12)]
Period = Annotated[float, Field(gt=0, le=2_592_000)]


def _as_table(given: Any) -> Any:  # noqa: ANN401 - whatever a stranger wrote
    return {"channel": given} if isinstance(given, str) else given


class MinusConfig(Section):
    """`minus`: what is taken off the value before it is compared.

    Another `channel` of the same device, the same or another channel of one `device`, or with
    `others` the mean of the other devices of the rule.
    """

    channel: Annotated[str, Field(max_length=64)] = ""
    device: Annotated[str, Field(max_length=64)] = ""
    others: bool = False

    @model_validator(mode="after")
    def _something(self) -> MinusConfig:
        if self.others and self.device:
            raise ValueError("give `device` or `others`, not both")
        if not (self.channel or self.device or self.others):
            raise ValueError("say what is taken off: a `channel`, a `device`, or `others = true`")
        return self


class ConditionConfig(Section):
    """One condition: a `channel` and exactly one test of it, or `all` or `any` of further ones.

    `within_s` and `probability` make `above` and `below` a question to the forecast. `hysteresis`
    is how far the value must come back before the condition is over.
    """

    channel: Annotated[str, Field(max_length=64)] = ""
    device: Annotated[str, Field(max_length=64)] = ""
    above: Finite | None = None
    below: Finite | None = None
    outside: tuple[Finite, Finite] | None = None
    equals: Plain | None = None
    rises_per_h: Annotated[float, Field(gt=0, le=1e9)] | None = None
    falls_per_h: Annotated[float, Field(gt=0, le=1e9)] | None = None
    unchanged_s: Period | None = None
    silent_s: Period | None = None
    hysteresis: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    tolerance: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    over_s: Annotated[float, Field(ge=60, le=604_800)] = 3600.0
    within_s: Annotated[float, Field(gt=0, le=604_800)] | None = None
    probability: Probability | None = None
    minus: Annotated[MinusConfig, BeforeValidator(_as_table)] | None = None
    all: tuple[ConditionConfig, ...] = ()
    any: tuple[ConditionConfig, ...] = ()

    @property
    def test(self) -> str:
        """Which test a leaf makes, "" for one that is made of others."""
        return next((name for name in TESTS if getattr(self, name) is not None), "")

    def leaves(self) -> Iterator[ConditionConfig]:
        """Yield every condition that looks at a channel, in the order they are written."""
        if self.test:
            yield self
        for inner in (*self.all, *self.any):
            yield from inner.leaves()

    @model_validator(mode="after")
    def _whole(self) -> ConditionConfig:
        tests = [name for name in TESTS if getattr(self, name) is not None]
        inner = [name for name in ("all", "any") if getattr(self, name)]
        if len(inner) > 1:
            raise ValueError("give `all` or `any`, not both; one may hold the other")
        if inner and tests:
            raise ValueError(f"move `{tests[0]}` with its `channel` into `{inner[0]}`")
        if inner:
            used = [name for name in _LEAF if name in self.model_fields_set]
            if used:
                raise ValueError(f"`{used[0]}` belongs to a condition inside `{inner[0]}`")
            return self
        if len(tests) != 1:
            listed = ", ".join(f"`{name}`" for name in TESTS)
            raise ValueError(
                f"give exactly one test of {listed}"
                + (f"; here are {' and '.join(f'`{name}`' for name in tests)}: put each in a "
                   "condition of its own inside `all` or `any`" if tests else "")
            )  # fmt: skip
        if not self.channel:
            raise ValueError(f'`{tests[0]}` needs its `channel`, such as "air.temperature"')
        self._fits(tests[0])
        return self

    def _fits(self, test: str) -> None:
        if (self.within_s is None) != (self.probability is None):
            raise ValueError(
                "a forecast needs both `within_s` and `probability`: within 6 h with 0.8 is "
                "`within_s = 21600` and `probability = 0.8`"
            )
        if self.within_s is not None and test not in {"above", "below"}:
            raise ValueError("the forecast is asked with `above` or `below`")
        if self.minus is not None and (
            test not in {"above", "below", "outside"} or self.within_s is not None
        ):
            raise ValueError("`minus` goes with `above`, `below` or `outside`, not with a forecast")
        if self.outside is not None and self.outside[0] >= self.outside[1]:
            raise ValueError("`outside` is [low, high], the low one first")
        if self.hysteresis and test not in {
            "above", "below", "outside", "rises_per_h", "falls_per_h",
        }:  # fmt: skip
            raise ValueError(f"`{test}` has no `hysteresis`")


class ActionConfig(Section):
    """`[rule.action]`: a command of a device's schema, sent once when the alert begins.

    `device` is a DevEUI or a name, "" for the device of the alert. `dry_run` checks it and sends
    nothing.
    """

    command: Annotated[str, Field(min_length=1, max_length=64)]
    device: Annotated[str, Field(max_length=64)] = ""
    keys: dict[Annotated[str, Field(max_length=64)], Plain] = {}
    duration_s: Annotated[float, Field(gt=0, le=604_800)] | None = None
    dry_run: bool = False


class RuleConfig(ConditionConfig):
    """`[[rule]]`: a condition, whom it is about, when it counts, and what is said and done then.

    `devices`, `profiles`, `areas`, `fields` and `tags` narrow the rule; empty means all, several
    kinds must all fit. `quantifier` says what several devices come to: `each` is an alert for
    each, the others one for all of them; `at_least` is how many.
    """

    name: Annotated[str, Field(pattern=NAME)]
    enabled: bool = True
    devices: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    profiles: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    areas: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    fields: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    tags: Annotated[dict[Text, Text], Field(max_length=32)] = {}
    quantifier: Literal["each", "any", "all", "mean"] = "each"
    at_least: Annotated[int, Field(ge=1, le=10_000)] | None = None
    for_s: Annotated[float, Field(ge=0, le=2_592_000)] = 0.0
    fresh_s: Annotated[float, Field(ge=60, le=2_592_000)] = 21600.0
    cooldown_s: Annotated[float, Field(ge=0, le=31_536_000)] = 0.0
    hours: Annotated[
        str, Field(pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")
    ] = ""
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    months: tuple[
        Literal["jan", "feb", "mar", "apr", "may", "jun",
                "jul", "aug", "sep", "oct", "nov", "dec"], ...
    ] = ()  # fmt: skip
    season: str = ""
    severity: Literal["info", "warning", "critical"] = "warning"
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z_-]{0,31}$")] = "rule"
    message: Text = ""
    advice: Text = ""
    action: ActionConfig | None = None

    @property
    def is_grouped(self) -> bool:
        """Whether several devices make one alert."""
        return self.quantifier != "each" or self.at_least is not None

    @model_validator(mode="before")
    @classmethod
    def _shallow(cls, tree: Any) -> Any:  # noqa: ANN401 - whatever a stranger wrote
        _measure(tree)
        if isinstance(tree, Mapping) and "name" not in tree and (name := _name_of(tree)):
            return {**tree, "name": name}
        return tree

    @field_validator("message", "advice")
    @classmethod
    def _known_placeholders(cls, text: str) -> str:
        if any(not char.isprintable() for char in text):
            raise ValueError("must be one line of printable text")
        for found in _BRACED.findall(text):
            if found not in PLACEHOLDERS:
                known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
                raise ValueError(f"{{{found[:32]}}} is not filled in; known are {known}")
        return text

    @field_validator("season")
    @classmethod
    def _two_days(cls, text: str) -> str:
        if text and season_of(text) is None:
            raise ValueError('is two days of the year, "MM-DD..MM-DD", such as "03-15..10-31"')
        return text

    @model_validator(mode="after")
    def _fitting(self) -> RuleConfig:
        if len(list(self.leaves())) > MOST_CONDITIONS:
            raise ValueError(f"a rule has at most {MOST_CONDITIONS} conditions")
        if self.at_least is not None and self.quantifier != "each":
            raise ValueError("give `quantifier` or `at_least`, not both")
        hours = self.hours.split("-")
        if self.hours and hours[0] == hours[1]:
            raise ValueError("`hours` begins and ends at once; leave it out for the whole day")
        if self.quantifier == "mean" and any(
            leaf.test in {"equals", "silent_s"} or leaf.within_s for leaf in self.leaves()
        ):
            raise ValueError(
                '`quantifier = "mean"` goes with numbers: not with `equals`, `silent_s` or a '
                "forecast"
            )
        if self.action is not None and self.is_grouped and not self.action.device:
            raise ValueError("an alert of several devices needs `device` in its `action`")
        return self


def season_of(text: str) -> tuple[int, int] | None:
    """Return `MM-DD..MM-DD` as two days, each 100 * month + day; None when it is none."""
    found = re.fullmatch(r"(\d\d)-(\d\d)\.\.(\d\d)-(\d\d)", text)
    if found is None:
        return None
    months, days = (int(found[1]), int(found[3])), (int(found[2]), int(found[4]))
    if not all(1 <= one <= 12 for one in months) or not all(1 <= one <= 31 for one in days):  # noqa: PLR2004 - the calendar
        return None
    return 100 * months[0] + days[0], 100 * months[1] + days[1]


def _name_of(tree: Mapping[str, Any]) -> str:
    """Return a name for a rule of one condition that has none: its channel, test and limit."""
    test = next((name for name in TESTS if name in tree), None)
    if test is None or not isinstance(tree.get("channel"), str):
        return ""
    said = f"{tree['channel']} {test} {tree[test]}".lower().replace("-", " minus ")
    return _WORDS.sub("-", said).strip("-")[:48].strip("-")


def _measure(tree: Any) -> None:  # noqa: ANN401 - likewise
    """Refuse what nests too deep or too wide, before anything walks through it."""
    level, count = [tree], 0
    for depth in range(DEEPEST + 2):
        if not level:
            return
        if depth > DEEPEST:
            raise ValueError(f"`all` and `any` nest at most {DEEPEST} deep")
        count += len(level) if depth else 0
        if count > MOST_CONDITIONS * DEEPEST:
            raise ValueError(f"a rule has at most {MOST_CONDITIONS} conditions")
        level = [
            inner
            for one in level
            if isinstance(one, Mapping)
            for key in ("all", "any")
            if isinstance(one.get(key), list | tuple)
            for inner in one[key]
        ]


def unique(rules: tuple[RuleConfig, ...]) -> tuple[RuleConfig, ...]:
    """Return the rules, or raise ValueError when two have one name."""
    names = [rule.name for rule in rules]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(
            f"rule names must be unique; twice: {', '.join(sorted(twice))}. Give each a `name`"
        )
    return rules
