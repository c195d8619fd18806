"""When programs start: days, windows, sunrise, and what clocks do twice or leave out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import ProgramConfig
from gateway.control.programs.calendar import Calendar

BERLIN = "Europe/Berlin"
DAY_S = 86400.0


def calendar(sunrise: float | None = None, zone: str = BERLIN, **fields: Any) -> Calendar:  # noqa: ANN401
    program = {"valve": [{"device": "a"}], "minutes": 5, **fields}
    return Calendar(ProgramConfig.model_validate(program), zone, lambda _: sunrise)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def starts(made: Calendar, begin: str, days: float) -> list[str]:
    found = made.occurrences(at(begin), at(begin) + days * DAY_S)
    return [datetime.fromtimestamp(one.at_s, UTC).strftime("%m-%d %H:%M") for one in found]


@pytest.mark.parametrize(
    ("fields", "begin", "days", "expected"),
    [
        ({"start": ["05:30", "20:00"]}, "2026-01-10", 1, ["01-10 04:30", "01-10 19:00"]),
        ({"start": ["05:30"], "days": ["mon", "sat"]}, "2026-01-05", 7,
         ["01-05 04:30", "01-10 04:30"]),
        ({"start": ["05:30"], "dates": "odd"}, "2026-01-30", 3, ["01-31 04:30", "02-01 04:30"]),
        ({"start": ["05:30"], "dates": "even"}, "2026-01-30", 3, ["01-30 04:30"]),
        ({"start": ["05:30"], "every_days": 3, "from_day": "2026-01-01"}, "2026-01-01", 8,
         ["01-01 04:30", "01-04 04:30", "01-07 04:30"]),
        ({"start": ["05:30"], "every_days": 2, "from_day": "2026-01-10"}, "2026-01-05", 5,
         ["01-06 04:30", "01-08 04:30"]),
        ({"start": ["05:30"], "season_begin": "04-15", "season_end": "04-16"}, "2026-04-01", 30,
         ["04-15 03:30", "04-16 03:30"]),
        ({"start": ["05:30"], "season_begin": "12-31", "season_end": "01-01"}, "2025-12-20", 20,
         ["12-31 04:30", "01-01 04:30"]),
        ({"start": ["05:30"], "season_begin": "02-29", "season_end": "02-29"}, "2028-02-25", 10,
         ["02-29 04:30"]),
        ({"start": ["05:30"], "season_begin": "02-29", "season_end": "03-01"}, "2026-02-25", 10,
         ["03-01 04:30"]),
        ({"start": ["03:00", "05:00", "09:00"], "earliest": "04:00", "latest": "08:00"},
         "2026-01-10", 1, ["01-10 04:00"]),
        ({"start": ["23:00", "03:00", "12:00"], "earliest": "22:00", "latest": "04:00"},
         "2026-01-10 12:00", 1, ["01-10 22:00", "01-11 02:00"]),
    ],
)  # fmt: skip
def test_the_days_and_times_of_starts(
    fields: dict[str, Any], begin: str, days: float, expected: list[str]
) -> None:
    assert starts(calendar(**fields), begin, days) == expected


def test_a_time_that_spring_leaves_out_comes_as_much_later() -> None:
    # 29 March 2026, 02:00 to 03:00 CET do not exist in Berlin: 02:30 is 03:30 CEST.
    found = starts(calendar(start=["02:30"]), "2026-03-28 12:00", 2)
    assert found == [
        "03-29 01:30",
        "03-30 00:30",
    ]


def test_a_time_that_autumn_has_twice_comes_once_the_first_time() -> None:
    # 25 October 2026, 02:30 is 00:30 UTC (CEST) and 01:30 UTC (CET).
    found = starts(calendar(start=["02:30"]), "2026-10-24 12:00", 2)
    assert found == [
        "10-25 00:30",
        "10-26 01:30",
    ]


def test_it_is_counted_from_sunrise() -> None:
    rises = at("2026-06-01 02:50")
    made = calendar(sunrise=rises, sunrise_min=-60)
    assert [one.at_s for one in made.occurrences(rises - DAY_S, rises)][:1] == [rises - 3600]
    assert calendar(sunrise=None, sunrise_min=-60).next_after(rises) is None


def test_a_span_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    dry = {"kind": "dry", "device": "a"}
    made = calendar(start_when=[dry], earliest="22:00", latest="06:00", days=["sat"])
    saturday = made.span_at(at("2026-01-10 23:00"))
    sunday = made.span_at(at("2026-01-11 04:00"))
    assert saturday is not None
    assert saturday == sunday
    assert made.span_at(at("2026-01-11 05:00")) is None  # 06:00 local
    assert made.span_at(at("2026-01-11 23:00")) is None


def test_what_never_comes_is_not_looked_for_for_ever() -> None:
    made = calendar(start=["05:00"], days=["mon"], every_days=7, from_day="2026-01-06")
    assert made.next_after(at("2026-01-01")) is None


@pytest.mark.parametrize("now_s", [0.0, -1e9, 1e13])
def test_a_clock_that_is_far_off_starts_nothing_and_breaks_nothing(now_s: float) -> None:
    made = calendar(start=["05:00"])
    assert made.occurrences(now_s - 10, now_s) == []
    assert made.span_at(now_s) is None


@given(
    st.floats(at("2024-01-01"), at("2030-01-01")),
    st.lists(st.floats(0.1, 3 * DAY_S), min_size=1, max_size=8),
    st.sampled_from([BERLIN, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
)
def test_however_time_is_cut_every_start_comes_once(
    begin_s: float, steps: list[float], zone: str
) -> None:
    made = calendar(zone=zone, start=["02:30", "05:00"])
    end_s = begin_s + sum(steps)
    cut, at_s = [], begin_s
    for number, step_s in enumerate(steps):
        until_s = end_s if number == len(steps) - 1 else at_s + step_s
        cut += made.occurrences(at_s, until_s)
        at_s = until_s
    whole = made.occurrences(begin_s, end_s)
    assert cut == whole
    assert len({one.key for one in whole}) == len(whole)
