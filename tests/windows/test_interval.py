from collections.abc import Sequence

import numpy as np
import pytest

from gateway.windows import learn_step

RNG = np.random.default_rng(7)


@pytest.mark.parametrize(
    ("what", "intervals", "step_s"),
    [
        ("one sample", [], 900.0),
        ("a steady quarter of an hour", [900.0] * 40, 900.0),
        ("jitter", 900.0 + RNG.uniform(-20, 20, 60), 900.0),
        ("a clock that runs slow", [612.0] * 50, 600.0),
        ("seven minutes", [420.0] * 50, 420.0),
        ("a third of the messages lost", 600.0 * RNG.geometric(0.67, 100), 600.0),
        ("every third message repeated", [600.0, 600.0, 2.0] * 20, 600.0),
        ("a new interval, not yet believed", [900.0] * 40 + [3600.0] * 10, 900.0),
        ("a new interval", [900.0] * 40 + [3600.0] * 25, 3600.0),
        ("a shorter interval", [3600.0] * 40 + [900.0] * 25, 900.0),
        ("five seconds", [5.0] * 40, 5.0),
    ],
)
def test_the_step_is_the_interval_that_the_device_means(
    what: str, intervals: Sequence[float], step_s: float
) -> None:
    times_s = 1.7e9 + np.cumsum([0.0, *intervals])
    assert learn_step(times_s.tolist()) == step_s, what


def test_a_channel_that_speaks_on_events_gets_a_coarse_step() -> None:
    times_s = np.cumsum(RNG.exponential(1800.0, 200))
    steps = {learn_step(times_s[:end].tolist()) for end in range(50, 200)}
    assert len(steps) <= 4
    assert max(steps) <= 1800.0
