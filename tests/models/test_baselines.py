"""The published detectors are causal, and each finds what it is made to find."""

from __future__ import annotations

import numpy as np
import pytest

from models.baselines import BASELINES, DELAY, filled
from models.vus import floor, vus_pr

pytestmark = pytest.mark.train
DAY = 96


def series(n: int = 2400) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.sin(np.arange(n) * 2 * np.pi / DAY) + 0.1 * rng.standard_normal(n)


@pytest.mark.parametrize("name", BASELINES)
def test_what_comes_later_changes_no_score(name: str) -> None:
    whole = series()
    cut = whole.copy()
    cut[1900:] += np.linspace(0, 30, 500)
    one, other = BASELINES[name](whole, DAY), BASELINES[name](cut, DAY)
    np.testing.assert_allclose(one[:1900], other[:1900], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", BASELINES)
def test_a_gross_fault_is_ranked_above_chance(name: str) -> None:
    values, wrong = series(), np.zeros(2400, dtype=bool)
    wrong[2000:2060] = True
    values[wrong] += np.random.default_rng(0).normal(3, 2, 60)
    score = BASELINES[name](values, DAY)[500:]
    assert vus_pr(np.nan_to_num(score, nan=np.nanmin(score)), wrong[500:]) > 3 * floor(wrong[500:])
    assert name in DELAY


def test_gaps_carry_the_newest_value() -> None:
    nan = np.nan
    np.testing.assert_array_equal(filled(np.array([nan, 1, nan, nan, 3])), [1, 1, 1, 1, 3])
