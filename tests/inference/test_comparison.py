"""Two packs on the same samples: better or worse forecasts, more or fewer alarms."""

from __future__ import annotations

import math

import pytest

from gateway.inference.comparison import Comparison, pinball
from gateway.types import Channel, DevEui, Status, Verdict


def verdict(observed: float, expected: float, *, bad: bool = False, channel: str = "t") -> Verdict:
    band = (expected - 1.0, expected, expected + 1.0)
    status = Status.ANOMALOUS if bad else Status.OK
    return Verdict(DevEui("0" * 16), Channel(channel), 0.0, observed, status, band)


def compared(off_new: float, off_old: float, samples: int = 200, channel: str = "t") -> Comparison:
    made = Comparison()
    for at in range(samples):
        observed = math.sin(at)
        made.take(
            verdict(observed, observed + off_new, channel=channel),
            verdict(observed, observed + off_old, channel=channel),
        )
    return made


def test_equal_forecasts_compare_as_one() -> None:
    assert compared(0.3, 0.3).ratio() == pytest.approx(1.0)
    assert compared(0.3, 0.3).complaint() == ""


def test_forecasts_that_err_more_are_complained_of_in_figures() -> None:
    worse = compared(3.0, 0.3)
    assert "samples of 1 channel(s)" in worse.complaint()
    assert compared(0.3, 3.0).complaint() == ""
    assert worse.figures()["samples"] == 200


def test_no_number_is_the_worst_of_forecasts() -> None:
    assert compared(math.nan, 0.3).complaint()
    assert compared(math.inf, 0.3).complaint()


def test_a_few_samples_say_nothing() -> None:
    assert compared(3.0, 0.3, samples=50).ratio() is None
    assert compared(3.0, 0.3, samples=50).complaint() == ""


def test_a_channel_that_rests_says_nothing() -> None:
    made = Comparison()
    for _ in range(300):
        made.take(verdict(5.0, 5.9), verdict(5.0, 5.0))
    assert made.ratio() is None


def test_many_more_alarms_are_complained_of_and_a_long_one_counts_once() -> None:
    made = Comparison()
    for at in range(60):
        made.take(verdict(1.0, 1.0, bad=at % 6 < 3), verdict(1.0, 1.0, bad=at >= 30))
    assert made.episodes == (10, 1)
    assert made.complaint().startswith("It raises 10 alarms where the pack before it raises 1")
    assert Comparison(episodes=(7, 1)).complaint() == ""


def test_it_is_kept_in_a_file_and_comes_back() -> None:
    made = compared(3.0, 0.3)
    assert Comparison.model_validate_json(made.model_dump_json()) == made


def test_the_pinball_loss_weighs_both_sides() -> None:
    assert pinball((0.0, 0.0, 0.0), 3.0) == pytest.approx((0.03 + 1.5 + 2.97) / 3)
    assert pinball((0.0, 0.0, 0.0), -3.0) == pytest.approx((2.97 + 1.5 + 0.03) / 3)
