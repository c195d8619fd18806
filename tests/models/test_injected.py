"""Injected faults lie where they are said to lie, and everything else is as recorded."""

from __future__ import annotations

import numpy as np
import pytest

from models import injected
from models.data import Series

pytestmark = pytest.mark.train


def series(part: str = "confirm") -> Series:
    rng = np.random.default_rng(1)
    values = np.sin(np.arange(4000) / 15) * 5 + rng.normal(0, 0.3, 4000)
    return Series("greenhouse", "greenhouse/a", "t", 0.0, 3600.0, values, part)


def test_a_fault_changes_its_own_samples_alone() -> None:
    case = injected.damaged(series())
    inside = np.zeros(injected.SAMPLES, dtype=bool)
    for kind, start, stop in case.put:
        assert kind in injected.KINDS
        assert 0 < stop - start <= injected.LASTING
        assert (case.clean[start:stop] != case.faulty[start:stop]).any()
        inside[start:stop] = True
    np.testing.assert_array_equal(case.clean[~inside], case.faulty[~inside])
    assert len(case.put) == 6


def test_the_same_series_gets_the_same_faults() -> None:
    np.testing.assert_array_equal(
        injected.damaged(series()).faulty, injected.damaged(series()).faulty
    )


def test_only_series_of_the_part_are_damaged() -> None:
    assert len(injected.trials([series()], "report")) == 1
    assert injected.trials([series()], "tune") == []
    assert injected.trials([series("train")], "report") == []


def test_watered_fields_rise_and_dry_and_are_the_same_every_time() -> None:
    one, other = injected.irrigated(1, 10), injected.irrigated(1, 10)
    np.testing.assert_array_equal(one[0], other[0])
    assert (np.diff(one[0]) > 0.35).sum() >= 4
    assert np.diff(one[0]).min() > -1.0
