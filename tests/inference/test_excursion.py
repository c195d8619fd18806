"""What went away and came back, against what the channel has done before."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.inference.heads import Floats, shapes
from gateway.inference.model import stack
from gateway.inference.opinions import Course


def excursion(values: Floats) -> float:
    return float(shapes(stack([Course(values, 9e5, 900.0).window(512)])).excursion[0])


def calm() -> Floats:
    return 20.0 + 0.1 * np.random.default_rng(2).normal(size=512)


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("size", [3.0, -3.0])
def test_an_excursion_is_seen_when_it_is_over(length: int, size: float) -> None:
    values = calm()
    values[-1 - length : -1] += size
    assert excursion(values) > 5
    assert excursion(np.roll(values, 1)) < 1  # a sample later it is past


def test_a_rise_that_stays_is_none() -> None:
    values = calm()
    values[-4:] += 3.0
    assert excursion(values) < 2


def test_what_the_channel_has_done_before_is_nothing_new() -> None:
    values = calm()
    values[200] += 3.0
    values[-2] += 3.0
    assert excursion(values) < 2


def test_gaps_do_not_hide_it_and_a_short_past_proves_nothing() -> None:
    values = calm()
    values[-4] += 3.0
    values[-3:-1] = np.nan
    values[100:150] = np.nan
    assert excursion(values) > 5
    values[:-80] = np.nan
    assert excursion(values) == 0.0
