"""Delays between attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.links import Backoff


@given(st.floats(0.01, 10), st.floats(0.01, 100), st.integers(1, 50))
def test_every_delay_is_between_the_shortest_and_the_longest(
    least_s: float, most_s: float, tries: int
) -> None:
    backoff = Backoff(least_s, most_s)
    for _ in range(tries):
        assert least_s <= backoff.next_s() <= max(least_s, most_s)


def test_the_ceiling_doubles_until_the_cap_and_starts_again_when_reset() -> None:
    backoff = Backoff(0.5, 5, uniform=lambda _least_s, most_s: most_s)
    assert [backoff.next_s() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next_s() == 1
