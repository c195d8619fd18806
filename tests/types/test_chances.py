"""The chance of a value below a limit, from quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.types import LEAST_CHANCE, QUANTILES, chances_below, probability_below

ROW = np.arange(len(QUANTILES), dtype=np.float64)  # 0 at 0.01, 5 at the median, 10 at 0.99


@pytest.mark.parametrize(
    ("limit", "chance"),
    [(-0.1, LEAST_CHANCE), (0, 0.01), (0.5, 0.055), (5, 0.5), (5.5, 0.55), (10, 0.99),
     (10.1, 1 - LEAST_CHANCE)],
)  # fmt: skip
def test_between_levels_it_is_linear_and_beyond_them_half_of_what_is_left(
    limit: float, chance: float
) -> None:
    assert probability_below(ROW, limit) == pytest.approx(chance)


def test_quantiles_that_fall_together_are_one_step() -> None:
    flat = np.zeros(len(QUANTILES))
    assert probability_below(flat, 0.0) == pytest.approx(QUANTILES[-1])
    assert probability_below(flat, -1e-9) == LEAST_CHANCE


@given(
    st.lists(
        st.lists(st.floats(-50, 50), min_size=11, max_size=11).map(sorted), min_size=1, max_size=5
    ),
    st.floats(-60, 60),
    st.floats(0, 10),
)
def test_a_higher_limit_is_never_less_likely(
    rows: list[list[float]], limit: float, more: float
) -> None:
    table = np.array(rows)
    low, high = chances_below(table, limit), chances_below(table, limit + more)
    assert (low <= high + 1e-12).all()
    assert ((low >= LEAST_CHANCE) & (high <= 1 - LEAST_CHANCE)).all()
