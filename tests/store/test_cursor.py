"""The history cursor: nothing is forgotten, live goes first, gaps stay few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.cursor import (
    MAX_GAPS,
    HistoryCursor,
    missed,
    next_gap,
    pending,
    published,
    without_pruned,
)


def due(cursor: HistoryCursor, head: int) -> set[int]:
    """Every seq up to `head` that the cursor would still publish."""
    in_gaps = {seq for first, last in cursor.gaps for seq in range(first, last + 1)}
    return in_gaps | set(range(cursor.live_from, head + 1))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.integers(1, 20), st.just(0)),
        st.tuples(st.just("reconnect"), st.just(0), st.just(0)),
        st.tuples(st.just("publish"), st.integers(1, 200), st.integers(0, 20)),
        st.tuples(st.just("fill"), st.integers(1, 10), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_what_was_not_published_is_always_due(steps: list[tuple[str, int, int]]) -> None:
    cursor, head, out = HistoryCursor(), 0, set[int]()
    for kind, a, b in steps:
        if kind == "arrive":
            head += a
        elif kind == "reconnect":
            cursor = missed(cursor, head)
        elif kind == "publish" and a <= head:
            last = min(a + b, head)
            cursor = published(cursor, a, last)
            out |= set(range(a, last + 1))
        elif kind == "fill" and (gap := next_gap(cursor)):
            last = min(gap[0] + a - 1, gap[1])
            cursor = published(cursor, gap[0], last)
            out |= set(range(gap[0], last + 1))
        assert due(cursor, head) == set(range(1, head + 1)) - out


@given(st.integers(0, 300), st.integers(1, 17))
def test_filling_gaps_from_the_oldest_publishes_everything_once(head: int, chunk: int) -> None:
    cursor = missed(HistoryCursor(), head)
    out: list[int] = []
    while gap := next_gap(cursor):
        last = min(gap[0] + chunk - 1, gap[1])
        out += range(gap[0], last + 1)
        cursor = published(cursor, gap[0], last)
    assert out == list(range(1, head + 1))
    assert cursor == HistoryCursor((), head + 1)


def test_live_uplinks_do_not_wait_for_a_gap() -> None:
    cursor = published(missed(HistoryCursor(), 10), 11, 11)
    assert cursor == HistoryCursor(((1, 10),), 12)
    assert pending(cursor) == 10


def test_very_many_outages_merge_their_gaps_and_lose_none() -> None:
    cursor = HistoryCursor()
    for seq in range(2, 1000, 2):
        cursor = published(cursor, seq, seq)
    assert len(cursor.gaps) == MAX_GAPS
    assert due(cursor, 998) >= set(range(1, 998, 2))


def test_gaps_that_retention_took_are_forgotten() -> None:
    cursor = HistoryCursor(((3, 5), (8, 12)), 20)
    assert without_pruned(cursor, 10) == HistoryCursor(((10, 12),), 20)


@pytest.mark.parametrize("gaps", [((5, 4),), ((1, 3), (4, 6)), ((1, 10),), ((4, 5), (1, 2))])
def test_a_cursor_of_overlapping_gaps_cannot_be_made(gaps: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="gaps must ascend"):
        HistoryCursor(gaps, 10)
