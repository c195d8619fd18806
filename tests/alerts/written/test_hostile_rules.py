"""Whatever a stranger writes as a rule is a rule, or is refused with a reason."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.book import AlertBook
from gateway.alerts.written import Place, WrittenRules, describe
from gateway.config import RuleConfig, as_rule
from gateway.errors import ConfigError
from gateway.types import Channel, DevEui, DeviceInfo, Reading, ReadingKind

DEVICE = DeviceInfo(DevEui("a84041000181c061"), "North")
PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["a", "*", "[", "22:00-06:00", "mon", "01-01..12-31", "any", "{value}"])
    | st.floats(-1e6, 1e6) | st.integers(1, 10_000)
)  # fmt: skip
JSON = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*RuleConfig.model_fields, "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
TREES = st.dictionaries(st.sampled_from([*RuleConfig.model_fields, "x", ""]), JSON, max_size=5)
TESTS = st.fixed_dictionaries(
    {"channel": st.sampled_from(["a", "*", "[a]", "a.*"])},
    optional={
        "name": st.sampled_from(["a", "b-c"]), "above": PLAIN, "below": PLAIN, "equals": PLAIN,
        "silent_s": PLAIN, "unchanged_s": PLAIN, "rises_per_h": PLAIN, "hours": PLAIN,
        "season": PLAIN, "days": JSON, "minus": JSON, "message": PLAIN, "quantifier": PLAIN,
    },
)  # fmt: skip
VALUES = st.floats() | st.booleans() | st.text(max_size=3) | st.integers(-(10**400), 10**400)


def compiled(tree: dict[str, Any]) -> WrittenRules | None:
    try:
        rule = as_rule(tree)
    except ConfigError:
        return None
    assert describe(rule).isprintable()
    written = WrittenRules(AlertBook(), Place(), None)
    written.add([rule])
    return written


@given(TREES | TESTS, st.lists(VALUES, max_size=4), st.floats(0, 4e9))
def test_a_rule_is_taken_or_refused_and_nothing_else(
    tree: dict[str, Any], values: list[Any], start_s: float
) -> None:
    written = compiled(tree)
    if written is None:
        return
    for at, value in enumerate(values):
        time_s = start_s + 600 * at
        kind = ReadingKind.ENUM if isinstance(value, str) else ReadingKind.NUMERIC
        one = Reading(DEVICE.dev_eui, Channel("a"), value, "", kind, time_s, "a")
        written.consider(DEVICE, (), [one])
        written.tick(time_s + 60)


@given(
    st.sampled_from(
        [{"above": 1}, {"unchanged_s": 600}, {"rises_per_h": 1}, {"above": 1, "minus": "b"},
         {"above": 1, "quantifier": "mean"}, {"outside": [0, 1], "minus": {"others": True}}]
    ),
    st.lists(VALUES | st.sampled_from([10**400, 1e308, -1e308]), max_size=5),
)  # fmt: skip
def test_no_value_upsets_a_rule(test: dict[str, Any], values: list[Any]) -> None:
    written = compiled({"channel": "a", **test})
    assert written is not None
    for at, value in enumerate(values):
        kind = ReadingKind.ENUM if isinstance(value, str) else ReadingKind.NUMERIC
        told = [Reading(DEVICE.dev_eui, Channel(name), value, "", kind, 600.0 * at, name)
                for name in ("a", "b")]  # fmt: skip
        written.consider(DEVICE, (), told)


@given(st.text(max_size=40), st.text(max_size=20))
def test_a_message_shows_a_name_as_it_is(text: str, name: str) -> None:
    tree = {"name": "r", "channel": "a", "above": 0, "message": "{device}" + text}
    written = compiled(tree)
    if written is None:
        return
    device = DeviceInfo(DEVICE.dev_eui, name)
    one = Reading(DEVICE.dev_eui, Channel("a"), 1.0, "", ReadingKind.NUMERIC, 0.0, "a")
    (event,) = written.consider(device, (), [one])
    assert event.alert.title.startswith(name or DEVICE.dev_eui)
