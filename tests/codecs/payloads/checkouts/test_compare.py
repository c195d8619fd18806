"""Two JSON values are exact, close, or differ, and what differs can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.payloads.compare import MAX_LINES, Outcome, compare
from gateway.types import Json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (1, 1.0),
        (0, -0.0),
        ([], []),
        (12345678901234567890, 1.2345678901234567e19),
        ({"a": (1, 2)}, {"a": [1, 2]}),
    ],
)
def test_the_same_in_json_is_exact(expected: Json, got: Json) -> None:
    assert compare(expected, got).outcome is Outcome.EXACT


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (0.3, 0.1 + 0.2),
        ([21.4], [21.400000000000002]),
        (1e12, 1e12 + 100.5),
        (0.0, 5e-7),
        (3, 3.0000001),
    ],
)
def test_the_last_digits_of_a_float_are_close(expected: Json, got: Json) -> None:
    verdict = compare(expected, got)
    assert verdict.outcome is Outcome.CLOSE
    assert len(verdict.diff) == 1


@pytest.mark.parametrize(
    ("expected", "got", "line"),
    [
        (1, True, "(all): 1 -> true"),
        ("1", 1, '(all): "1" -> 1'),
        ({"a": None}, {}, "a: null -> missing"),
        ({}, {"a": None}, "a: extra null"),
        ({"a": [1, 2]}, {"a": [1]}, "a[1]: 2 -> missing"),
        ({"a": {"b": 1.5}}, {"a": {"b": 1.6}}, "a.b: 1.5 -> 1.6"),
        ({"a": {}}, {"a": []}, "a: {} -> []"),
        (10_000_000_001, 10_000_000_002, "(all): 10000000001 -> 10000000002"),
        (1.5, 1e400, "(all): 1.5 -> Infinity"),
    ],
)
def test_anything_else_differs_and_says_where(expected: Json, got: Json, line: str) -> None:
    verdict = compare(expected, got)
    assert verdict.outcome is Outcome.DIFFER
    assert verdict.diff == (line,)


def test_one_close_and_one_other_number_differ_with_the_other_told_first() -> None:
    verdict = compare({"a": 0.3, "b": 1}, {"a": 0.1 + 0.2, "b": 2})
    assert verdict.outcome is Outcome.DIFFER
    assert verdict.diff[0] == "b: 1 -> 2"


def test_a_long_diff_is_cut_and_counts_the_rest() -> None:
    verdict = compare(list(range(40)), list(range(1, 41)))
    assert len(verdict.diff) == MAX_LINES
    assert verdict.diff[-1] == "and 31 more"


def test_a_null_that_the_codec_gave_as_no_number_is_exact() -> None:
    assert compare({"a": None}, {}, nulls=frozenset({"a"})).outcome is Outcome.EXACT


@given(JSON)
def test_everything_is_exactly_itself(value: Json) -> None:
    assert compare(value, value).outcome is Outcome.EXACT


@given(JSON, JSON)
def test_it_does_not_matter_which_is_expected(one: Json, other: Json) -> None:
    assert compare(one, other).outcome is compare(other, one).outcome
