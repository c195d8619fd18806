"""A new pack at work is watched, and the one before it takes over in the middle of a batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_models import SeasonalNaive

from gateway.config import InferenceConfig
from gateway.inference import Detector, Outputs
from gateway.inference.probation import WATCHED, OnTrial, WatchedModel
from gateway.inference.trial import Trial
from gateway.types import Channel, DevEui, FloatArray, Verdict, Window

EUI = DevEui("a" * 16)
NOISE = np.random.default_rng(5).normal(0, 0.2, 4000)


class Off(SeasonalNaive):
    """As good as the other, plus so much; from a call on it fails in a way of its own."""

    name = "off"

    def __init__(self, off: float = 0.0, fails_at: int = 10**9, how: str = "") -> None:
        super().__init__()
        self.off, self.fails_at, self.how = off, fails_at, how

    def run(self, values: FloatArray, mask: FloatArray, clock: FloatArray) -> Outputs:
        made = super().run(values, mask, clock)
        if len(self.calls) > self.fails_at:
            if self.how == "raises":
                raise RuntimeError("no kernel")
            made.quantiles[:] = np.nan
        return Outputs(made.quantiles + self.off, made.reconstruction, made.embedding)


def window(at: int, channel: str = "t") -> Window:
    rows = np.arange(at, at + 512)
    values = 20 + 5 * np.sin(rows * 2 * np.pi / 96) + NOISE[rows]
    ones = np.ones(512, np.float32)
    end_s = rows[-1] * 900.0
    return Window(EUI, Channel(channel), end_s, 900.0, values, ones, float(values[-1]), 512, 1)


def on_trial(new: SeasonalNaive) -> OnTrial:
    model = WatchedModel(new, SeasonalNaive(), Trial(pack="new.zip"))
    return OnTrial(model, InferenceConfig())


def judged(detector: Detector, samples: int) -> list[Verdict]:
    return [detector.judge([window(at)])[0] for at in range(samples)]


@pytest.mark.parametrize(("how", "reason"), [("raises", "error"), ("nan", "nan_output")])
def test_a_pack_that_fails_at_work_is_replaced_and_no_sample_goes_unjudged(
    how: str, reason: str
) -> None:
    detector = on_trial(Off(fails_at=20, how=how))
    verdicts = judged(detector, 40)
    assert detector.watched_model.reason == reason
    assert detector.model.name == "seasonal-naive"
    assert len(verdicts) == 40
    assert all(v.expected is not None for v in verdicts[1:])


def test_forecasts_that_are_worse_than_before_end_the_trial() -> None:
    detector = on_trial(Off(off=4.0))
    judged(detector, 130)
    assert detector.watched_model.reason == "worse"
    assert "times as much" in detector.watched_model.detail


def test_a_pack_as_good_as_the_one_before_stays_and_its_verdicts_are_its_own() -> None:
    detector, alone = on_trial(Off(off=0.01)), Detector(Off(off=0.01), InferenceConfig())
    for one, other in zip(judged(detector, 130), judged(alone, 130), strict=True):
        assert replace(one, forecast=None) == replace(other, forecast=None)
    assert detector.watched_model.reason == ""
    assert detector.watched_model.trial.compared.samples == 129
    assert detector.watched_model.trial.windows == 130


def test_only_so_many_channels_are_judged_twice_and_none_after_the_trial() -> None:
    detector = on_trial(Off())
    detector.judge([window(0, f"c{at}") for at in range(WATCHED + 8)])
    before = detector.watched_model.before
    assert isinstance(before, SeasonalNaive)
    assert sum(before.calls) == WATCHED
    detector.conclude()
    detector.judge([window(1, "c1")])
    assert sum(before.calls) == WATCHED


def test_a_slow_pack_is_replaced() -> None:
    detector = on_trial(Off())
    detector.watched_model.trial.windows, detector.watched_model.trial.spent_s = 300, 60.0
    detector.judge([window(0)])
    assert detector.watched_model.reason == "too_slow"
    assert "over 25 ms" in detector.watched_model.detail
