"""Rules that people write: where each fires and ends, on series of which that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.book import AlertBook
from gateway.alerts.written import Place, WrittenRules
from gateway.config import RuleConfig, as_rule
from gateway.types import (
    QUANTILES,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    EventType,
    Forecast,
    Reading,
    ReadingKind,
    Scalar,
    Status,
    Verdict,
)

NORTH = DeviceInfo(DevEui("a84041000181c061"), "North", profile="probe", tags={"crop": "apple"})
SOUTH = DeviceInfo(DevEui("a84041000181c062"), "South", profile="probe")
EAST = DeviceInfo(DevEui("a84041000181c063"), "East", profile="station")
PLACE = Place({NORTH.dev_eui: "orchard"}, {"Field 1": frozenset({"North", SOUTH.dev_eui})})
START_S = datetime(2026, 4, 6, 12, tzinfo=UTC).timestamp()  # a Monday
STEP_S = 600.0
T = "air.temperature"

Said = tuple[int, DeviceInfo, str, Scalar]
"""The step, who speaks, and of which channel what value."""


def rules(*trees: Mapping[str, Any]) -> WrittenRules:
    made = WrittenRules(AlertBook(), PLACE, UTC)
    made.add(map(rule, trees))
    return made


def rule(tree: Mapping[str, Any]) -> RuleConfig:
    return as_rule({"name": "r", **tree})


def reading(device: DeviceInfo, channel: str, value: Scalar, time_s: float) -> Reading:
    if isinstance(value, bool):
        kind = ReadingKind.BOOLEAN
    else:
        kind = ReadingKind.ENUM if isinstance(value, str) else ReadingKind.NUMERIC
    return Reading(device.dev_eui, Channel(channel), value, "°C", kind, time_s, channel)


def play(
    written: WrittenRules, said: Sequence[Said], *, until: int = 0, start_s: float = START_S
) -> list[tuple[int, AlertEvent]]:
    """Say all in order, with a tick at every step before what is said then."""
    found: list[tuple[int, AlertEvent]] = []
    for step in range(max([until, *(at for at, *_ in said)]) + 1):
        now_s = start_s + step * STEP_S
        found += [(step, event) for event in written.tick(now_s)]
        for at, device, channel, value in said:
            if at == step:
                events = written.consider(device, (), [reading(device, channel, value, now_s)])
                found += [(step, event) for event in events]
    return found


def north(values: Sequence[Scalar | None], channel: str = T) -> list[Said]:
    return [(at, NORTH, channel, one) for at, one in enumerate(values) if one is not None]


def steps(found: Sequence[tuple[int, AlertEvent]]) -> list[str]:
    return [f"{step} {event.event_type}" for step, event in found]


SILENT = [(0, NORTH, T, 1.0), (1, NORTH, T, 1.0)]
CASES: list[tuple[str, dict[str, Any], list[Said], int, list[str]]] = [
    ("above", {"channel": T, "above": 30}, north([30, 30.1, 30]), 0, ["1 new", "2 end"]),
    ("below", {"channel": T, "below": 2}, north([2.0, 1.9, 2.0]), 0, ["1 new", "2 end"]),
    ("outside", {"channel": T, "outside": [0, 10]}, north([5, 11, 5, -1, 5]), 0,
     ["1 new", "2 end", "3 new", "4 end"]),
    ("hysteresis", {"channel": T, "below": 2, "hysteresis": 1}, north([1, 2.5, 2.9, 3.0, 2.5]), 0,
     ["0 new", "3 end"]),
    ("hysteresis does not begin", {"channel": T, "below": 2, "hysteresis": 1, "for_s": 1200},
     north([1, 2.5, 1, 1, 1]), 0, ["4 new"]),
    ("duration", {"channel": T, "below": 2, "for_s": 1200}, north([1, 1, 1, 3]), 0,
     ["2 new", "3 end"]),
    ("duration anew", {"channel": T, "below": 2, "for_s": 1200}, north([1, 1, 3, 1, 1, 3]), 0, []),
    ("duration over a gap counts from the news after it",
     {"channel": T, "below": 2, "for_s": 1200, "fresh_s": 1200},
     north([1, None, None, None, 1, 1, 1]), 0, ["6 new"]),
    ("a number never fires by time alone", {"channel": T, "below": 2, "for_s": 1200},
     north([1]), 9, []),
    ("a state does", {"channel": "valve", "equals": "open", "for_s": 1200},
     north(["closed", "open"], "valve"), 9, ["3 new"]),
    ("a state ends", {"channel": "valve", "equals": "open"},
     north(["open", "open", "closed"], "valve"), 0, ["0 new", "2 end"]),
    ("true is not 1", {"channel": "door", "equals": True}, north([1.0, True, False], "door"), 0,
     ["1 new", "2 end"]),
    ("rises", {"channel": T, "rises_per_h": 5}, north([0, 0, 0, 0, 3, 6, 6, 6, 6, 6, 6, 6]), 0,
     ["5 new", "10 end"]),
    ("falls", {"channel": T, "falls_per_h": 5, "over_s": 1800}, north([9, 9, 9, 9, 5, 5, 5, 5]), 0,
     ["4 new", "7 end"]),
    ("unchanged", {"channel": T, "unchanged_s": 1800, "tolerance": 0.1},
     north([1, 1, 1.05, 1, 1, 2]), 0, ["3 new", "5 end"]),
    ("silent", {"channel": T, "silent_s": 1800}, [*SILENT, (7, NORTH, T, 1.0)], 0,
     ["4 new", "7 end"]),
    ("silent of a channel, not of the device", {"channel": T, "silent_s": 1800},
     [*SILENT, *[(at, NORTH, "x", 1.0) for at in range(2, 7)]], 0, ["4 new"]),
    ("never heard is not silent", {"channel": T, "silent_s": 60}, [], 9, []),
    ("pattern", {"channel": "soil.*", "above": 5}, north([1, 6, 6], "soil.moisture"), 0, ["1 new"]),
    ("another channel", {"channel": "soil.*", "above": 5}, north([6]), 0, []),
    ("all", {"all": [{"channel": T, "below": 2}, {"channel": "h", "above": 90}]},
     [(0, NORTH, T, 1.0), (1, NORTH, "h", 95.0), (2, NORTH, T, 3.0)], 0, ["1 new", "2 end"]),
    ("any", {"any": [{"channel": T, "below": 2}, {"channel": "h", "above": 90}]},
     [(0, NORTH, T, 1.0), (1, NORTH, "h", 95.0), (2, NORTH, T, 3.0), (3, NORTH, "h", 1.0)], 0,
     ["0 new", "3 end"]),
    ("nested", {"all": [{"channel": "a", "above": 0},
                        {"any": [{"channel": "b", "above": 0}, {"channel": "c", "above": 0}]}]},
     [(0, NORTH, "a", 1.0), (1, NORTH, "b", 0.0), (2, NORTH, "c", 1.0), (3, NORTH, "a", 0.0)], 0,
     ["2 new", "3 end"]),
    ("what is too old is not known", {"fresh_s": 1200, "all": [
        {"channel": T, "below": 2}, {"channel": "h", "above": 90}]},
     [(0, NORTH, T, 1.0), (5, NORTH, "h", 95.0), (6, NORTH, T, 1.0)], 0, ["6 new"]),
    ("less another channel", {"channel": T, "below": 2, "minus": "air.dewPoint"},
     [(0, NORTH, T, 9.0), (0, NORTH, "air.dewPoint", 8.0), (1, NORTH, T, 9.0),
      (2, NORTH, "air.dewPoint", 5.0), (3, NORTH, T, 9.0)], 0, ["1 new", "3 end"]),
    ("less another device", {"devices": ["North"], "channel": T, "above": 3,
                             "minus": {"device": "East"}},
     [(0, EAST, T, 1.0), (1, NORTH, T, 5.0), (2, EAST, T, 9.0), (3, NORTH, T, 5.0)], 0,
     ["1 new", "3 end"]),
    ("against the mean of the others", {"channel": T, "outside": [-3, 3],
                                        "minus": {"others": True}},
     [(0, NORTH, T, 9.0), (1, SOUTH, T, 9.0), (2, EAST, T, 13.5), (3, EAST, T, 9.0)], 0,
     ["2 new", "3 end"]),
    ("of another device", {"devices": ["North"], "all": [
        {"channel": T, "below": 2}, {"channel": "rain", "device": "East", "above": 0}]},
     [(0, NORTH, T, 1.0), (1, EAST, "rain", 1.0), (2, EAST, "rain", 0.0)], 0, ["1 new", "2 end"]),
    ("each", {"channel": T, "below": 2}, [(0, NORTH, T, 1.0), (0, SOUTH, T, 1.0)], 0,
     ["0 new", "0 new"]),
    ("by name", {"devices": ["South"], "channel": T, "below": 2},
     [(0, NORTH, T, 1.0), (1, SOUTH, T, 1.0)], 0, ["1 new"]),
    ("by DevEUI", {"devices": [SOUTH.dev_eui], "channel": T, "below": 2},
     [(0, NORTH, T, 1.0), (1, SOUTH, T, 1.0)], 0, ["1 new"]),
    ("by profile", {"profiles": ["station"], "channel": T, "below": 2},
     [(0, NORTH, T, 1.0), (1, EAST, T, 1.0)], 0, ["1 new"]),
    ("by area", {"areas": ["orchard"], "channel": T, "below": 2},
     [(0, SOUTH, T, 1.0), (1, NORTH, T, 1.0)], 0, ["1 new"]),
    ("by field", {"fields": ["Field 1"], "channel": T, "below": 2},
     [(0, EAST, T, 1.0), (1, NORTH, T, 1.0), (2, SOUTH, T, 1.0)], 0, ["1 new", "2 new"]),
    ("by tag", {"tags": {"crop": "apple"}, "channel": T, "below": 2},
     [(0, EAST, T, 1.0), (1, NORTH, T, 1.0)], 0, ["1 new"]),
    ("any of", {"quantifier": "any", "channel": T, "below": 2},
     [(0, NORTH, T, 1.0), (1, SOUTH, T, 1.0), (2, NORTH, T, 3.0), (3, SOUTH, T, 3.0)], 0,
     ["0 new", "3 end"]),
    ("all of", {"quantifier": "all", "channel": T, "below": 2},
     [(0, NORTH, T, 3.0), (0, SOUTH, T, 1.0), (1, NORTH, T, 1.0), (2, SOUTH, T, 3.0)], 0,
     ["1 new", "2 end"]),
    ("at least two of", {"at_least": 2, "channel": T, "below": 2},
     [(0, NORTH, T, 1.0), (1, SOUTH, T, 1.0), (2, EAST, T, 1.0), (3, SOUTH, T, 9.0),
      (4, EAST, T, 9.0)], 0, ["1 new", "4 end"]),
    ("mean of", {"quantifier": "mean", "channel": T, "below": 2},
     [(0, NORTH, T, 4.0), (1, SOUTH, T, 1.0), (2, EAST, T, 0.5), (3, NORTH, T, 9.0)], 0,
     ["2 new", "3 end"]),
    ("hours open and close", {"channel": "valve", "equals": "open", "hours": "12:30-13:00"},
     north(["open"], "valve"), 9, ["3 new", "6 end"]),
    ("duration from the window's beginning",
     {"channel": "valve", "equals": "open", "hours": "12:30-14:00", "for_s": 600},
     north(["open"], "valve"), 5, ["4 new"]),
    ("cooldown", {"channel": T, "below": 2, "cooldown_s": 1800}, north([1, 3, 1, 3, 1, 1]), 0,
     ["0 new", "1 end", "4 new"]),
    ("worse is told every half hour", {"channel": T, "below": 2},
     north([1, 0, -1, -2, -3, -4, -5]), 0, ["0 new", "3 update", "6 update"]),
    ("nothing known for long ends", {"channel": T, "below": 2}, north([1]), 6 * 48 + 1,
     ["0 new", "288 end"]),
]  # fmt: skip


@pytest.mark.parametrize(("tree", "said", "until", "expected"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_a_rule_fires_and_ends_where_it_says(
    tree: dict[str, Any], said: list[Said], until: int, expected: list[str]
) -> None:
    assert steps(play(rules(tree), said, until=until)) == expected


@pytest.mark.parametrize(
    ("when", "moment", "covered"),
    [
        ({"hours": "22:00-06:00"}, "2026-04-06T23:00", True),
        ({"hours": "22:00-06:00"}, "2026-04-07T05:59", True),
        ({"hours": "22:00-06:00"}, "2026-04-07T06:00", False),
        ({"hours": "22:00-24:00"}, "2026-04-06T23:59", True),
        ({"hours": "22:00-24:00"}, "2026-04-07T00:00", False),
        ({"hours": "00:00-24:00"}, "2026-04-07T00:00", True),
        ({"days": ["mon"]}, "2026-04-06T00:00", True),
        ({"days": ["mon"]}, "2026-04-07T00:00", False),
        # Monday's night ends on Tuesday morning; Sunday's reaches into Monday.
        ({"days": ["mon"], "hours": "22:00-06:00"}, "2026-04-07T03:00", True),
        ({"days": ["mon"], "hours": "22:00-06:00"}, "2026-04-06T03:00", False),
        ({"months": ["apr"]}, "2026-04-30T23:59", True),
        ({"months": ["apr"]}, "2026-05-01T00:00", False),
        ({"season": "03-15..05-31"}, "2026-05-31T12:00", True),
        ({"season": "03-15..05-31"}, "2026-06-01T12:00", False),
        ({"season": "11-15..02-10"}, "2026-12-31T12:00", True),
        ({"season": "11-15..02-10"}, "2026-02-10T12:00", True),
        ({"season": "11-15..02-10"}, "2026-02-11T12:00", False),
        ({"season": "02-29..02-29"}, "2028-02-29T12:00", True),
    ],
)
def test_a_rule_counts_in_its_hours_days_months_and_season(
    when: dict[str, Any], moment: str, *, covered: bool
) -> None:
    at_s = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    found = play(rules({"channel": T, "below": 2, **when}), [(0, NORTH, T, 1.0)], start_s=at_s)
    assert bool(found) is covered


def verdict(low: Sequence[float], time_s: float = START_S) -> Verdict:
    """Return a verdict whose forecast's median is `low` per step of 1 h, 1 °C per ten percent."""
    rows = [[one + 10 * (level - 0.5) for level in QUANTILES] for one in low]
    made = Forecast(
        NORTH.dev_eui, Channel(T), time_s + 3600, 3600.0, np.array(rows, dtype=np.float32)
    )
    return Verdict(NORTH.dev_eui, Channel(T), time_s, 5.0, Status.OK, forecast=made)


@pytest.mark.parametrize(
    ("tree", "low", "fires"),
    [
        # The worst step of six hours: median -1, so below 2 °C with 0.8 (one °C a tenth).
        ({"below": 2, "probability": 0.79}, [9, 9, 4, -1, 4, 9], True),
        ({"below": 2, "probability": 0.81}, [9, 9, 4, -1, 4, 9], False),
        ({"below": 2, "probability": 0.79}, [9, 9, 9, 9, 9, 9, -1], False),  # after six hours
        ({"below": 2, "probability": 0.79}, [9, 9, -1], True),  # as far as the forecast reaches
        ({"above": 8, "probability": 0.79}, [0, 11, 0], True),
        ({"above": 8, "probability": 0.81}, [0, 11, 0], False),
        ({"below": -90, "probability": 0.01}, [0, 0, 0], False),
        ({"below": 90, "probability": 0.99}, [0, 0, 0], True),
    ],
)
def test_a_forecast_is_asked_at_its_worst_step_within_the_time(
    tree: dict[str, Any], low: list[float], *, fires: bool
) -> None:
    written = rules({"channel": T, "within_s": 21600, **tree})
    events = written.consider(NORTH, [verdict(low)], [reading(NORTH, T, 5.0, START_S)])
    assert [event.event_type for event in events] == ([EventType.NEW] if fires else [])
    if fires:
        (reason,) = events[0].alert.reason
        assert reason.expected is not None
        assert reason.observed == 5.0


def test_a_forecast_that_wavers_at_its_probability_does_not_flap() -> None:
    written = rules({"channel": T, "below": 2, "within_s": 21600, "probability": 0.8})
    told = []
    for at, low in enumerate([-1.1, -0.5, -1.1, 0.5, 0.9, 1.5, 4.0]):
        now_s = START_S + at * 3600
        one = reading(NORTH, T, 5.0, now_s)
        told += written.consider(NORTH, [verdict([low], now_s)], [one])
    assert [event.event_type for event in told] == [EventType.NEW, EventType.END]


def test_a_forecasts_alert_holds_on_through_a_restart() -> None:
    tree = {"channel": T, "below": 2, "within_s": 21600, "probability": 0.8}
    (event,) = rules(tree).consider(NORTH, [verdict([-1.5])], [reading(NORTH, T, 5.0, START_S)])
    again = rules(tree)
    again.settle(START_S, START_S)
    again._book.restore(event.alert)
    assert again.restore(event.alert)
    at_s = START_S + 600
    assert again.consider(NORTH, [verdict([0.5], at_s)], [reading(NORTH, T, 5.0, at_s)]) == []
    at_s += 600
    (end,) = again.consider(NORTH, [verdict([1.5], at_s)], [reading(NORTH, T, 5.0, at_s)])
    assert end.event_type is EventType.END


def test_an_outage_of_the_gateway_is_nobodys_silence() -> None:
    written = rules({"channel": T, "silent_s": 3600})
    written.recall(NORTH, [reading(NORTH, T, 1.0, START_S)], START_S)
    written.settle(START_S + 60, START_S + 86400)
    assert written.tick(START_S + 86400 + 3000) == []
    (event,) = written.tick(START_S + 86400 + 3600)
    assert event.event_type is EventType.NEW


def test_a_message_is_filled_in_once_and_is_never_a_format_string() -> None:
    sly = DeviceInfo(NORTH.dev_eui, "{value.__class__} {limit}")
    written = rules(
        {"channel": T, "below": 2, "message": "{device}: {channel} {value}, {limit}",
         "advice": "Look at {device}"}
    )  # fmt: skip
    (event,) = written.consider(sly, (), [reading(sly, T, 1.25, START_S)])
    said = "{value.__class__} {limit}: air temperature 1.25 °C, 2 °C"
    assert event.alert.title == said
    assert event.alert.advice == "Look at {value.__class__} {limit}"


def test_an_alert_of_several_devices_names_them_all() -> None:
    found = play(
        rules({"at_least": 2, "channel": T, "below": 2}), [(0, NORTH, T, 1.0), (1, SOUTH, T, 0.0)]
    )
    alert = found[0][1].alert
    assert alert.title == "North, South: air temperature is below 2 °C"
    assert (alert.dev_eui, alert.peers) == (NORTH.dev_eui, (SOUTH.dev_eui,))


def test_the_same_readings_make_the_same_ids() -> None:
    said = north([1, 3, 1, 3])
    tree = {"channel": T, "below": 2}
    first, second = ([event.alert.id for _, event in play(rules(tree), said)] for _ in range(2))
    assert first == second
    assert len(set(first)) == 2


def test_an_action_is_due_once_when_the_alert_begins() -> None:
    written = rules({"channel": T, "below": 2, "action": {"command": "close", "device": "Valve"}})
    play(written, north([1, 0, 1]))
    (due,) = written.due()
    assert (due.device, due.action.command, due.is_live) == ("Valve", "close", True)
    assert written.due() == []


def test_a_rule_taken_away_ends_its_alerts() -> None:
    written = rules({"channel": T, "below": 2})
    play(written, north([1]))
    (event,) = written.remove("r", START_S + 60)
    assert event.event_type is EventType.END
    assert play(written, north([1])) == []


VALUES = st.lists(st.floats(-5, 5) | st.none(), min_size=1, max_size=40)
RULES = st.sampled_from(
    [
        {"channel": T, "below": 0, "hysteresis": 1, "for_s": 1200},
        {"channel": T, "below": 0, "hysteresis": 1, "cooldown_s": 3600},
        {"channel": T, "outside": [-2, 2], "for_s": 600, "fresh_s": 1200},
        {"channel": T, "rises_per_h": 6},
        {"channel": T, "unchanged_s": 1800, "tolerance": 1.0},
        {"channel": T, "silent_s": 1500},
        {"channel": T, "above": 1, "hours": "13:00-15:00"},
        {"quantifier": "mean", "channel": T, "above": 1, "hysteresis": 1},
        {"all": [{"channel": T, "above": -1}, {"any": [{"channel": T, "below": 1},
                                                        {"channel": T, "above": 3}]}]},
        {"at_least": 2, "channel": T, "above": 1, "hysteresis": 0.5},
    ]
)  # fmt: skip


@given(VALUES, st.floats(0.1, 4))
def test_hysteresis_never_flaps(values: list[float | None], width: float) -> None:
    tree = {"channel": T, "below": 0, "hysteresis": width}
    heard = dict(enumerate(values))
    for step, event in play(rules(tree), north(values)):
        value = heard[step]
        assert value is not None
        if event.event_type is EventType.NEW:
            assert value < 0
        if event.event_type is EventType.END:
            assert value >= width


@given(RULES, VALUES, VALUES, st.data())
def test_a_restart_at_any_point_changes_nothing(
    tree: dict[str, Any],
    here: list[float | None],
    there: list[float | None],
    data: st.DataObject,
) -> None:
    said = sorted(
        north(here) + [(at, SOUTH, T, one) for at, one in enumerate(there) if one is not None],
        key=lambda one: one[0],
    )
    whole = play(rules(tree), said, until=45)
    cut = data.draw(st.integers(0, 44))
    before = [event for event in whole if event[0] <= cut]
    again = restarted(tree, [one for one in said if one[0] <= cut], before, cut)
    after = play_on(again, said, cut)
    assert [told(one) for one in after] == [told(one) for one in whole if one[0] > cut]


def restarted(
    tree: dict[str, Any], said: list[Said], before: list[tuple[int, AlertEvent]], cut: int
) -> WrittenRules:
    """Return a new run's rules, from what a store holds: uplinks, and each alert's last state."""
    again = rules(tree)
    for at, device, channel, value in said:
        now_s = START_S + at * STEP_S
        again.recall(device, [reading(device, channel, value, now_s)], now_s)
    again.settle(0.0, START_S + cut * STEP_S)
    stored = {event.alert.id: event.alert for _, event in before}
    again.cool(stored.values())
    for alert in stored.values():
        if alert.end_s is None:
            again._book.restore(alert)
            assert again.restore(alert)
    return again


def play_on(again: WrittenRules, said: list[Said], cut: int) -> list[tuple[int, AlertEvent]]:
    found: list[tuple[int, AlertEvent]] = []
    for step in range(cut + 1, 46):
        now_s = START_S + step * STEP_S
        found += [(step, event) for event in again.tick(now_s)]
        for at, device, channel, value in said:
            if at == step:
                events = again.consider(device, (), [reading(device, channel, value, now_s)])
                found += [(step, event) for event in events]
    return found


def told(event: tuple[int, AlertEvent]) -> tuple[object, ...]:
    """Return what must be the same; updates may be told anew after a restart."""
    step, one = event
    return step, one.alert.id, str(one.event_type)
