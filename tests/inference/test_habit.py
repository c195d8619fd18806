"""The score's memory: odd days stand out, what is stored gives it back exactly."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gateway.inference import HISTORY
from gateway.inference.habit import EVERY, FEATURES, PARTS, Habit, describe
from gateway.inference.model import stack
from gateway.types import Channel, DevEui, Window


def days(samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = np.empty((samples, FEATURES))
    for at in range(samples):
        phase = 2 * np.pi * (at / 96 + np.arange(PARTS) / PARTS)
        out[at, :PARTS] = 20 + 5 * np.sin(phase) + rng.normal(0, 0.2, PARTS)
        out[at, PARTS:] = 20 + rng.normal(0, 0.1), 3.5, 0.3
    return out


def scores(habit: Habit, rows: np.ndarray) -> list[float]:
    return [habit.take(row, 0, calm=True)[0] for row in rows]


def test_a_day_unlike_all_others_scores_far_above_usual_ones() -> None:
    habit = Habit()
    usual = scores(habit, days(2000))[1000:]
    odd = days(1)[0]
    odd[:PARTS] = 20 + 5 * (-1.0) ** np.arange(PARTS)
    assert habit.take(odd, 0, calm=False)[0] > 2 * max(usual)


def test_nothing_is_odd_before_a_day_is_known() -> None:
    assert not any(scores(Habit(), days(6 * EVERY - 1) * np.linspace(1, 5, 95)[:, None]))


@pytest.mark.parametrize("cut", [5, 16, 17, 100, 640, 1000, 1639, 2100])
def test_stored_lessons_give_the_memory_back_exactly(cut: int) -> None:
    rows, habit, stored = days(2300), Habit(), []
    for row in rows[:cut]:
        _, lesson = habit.take(row, 120, calm=True)
        stored.append(json.loads(json.dumps({k: float(f"{v:.7g}") for k, v in lesson.items()})))
    again = Habit()
    for lesson in stored[-HISTORY:]:
        again.replay(lesson)
    assert scores(again, rows[cut:]) == scores(habit, rows[cut:])


def test_what_is_called_anomalous_is_no_lesson() -> None:
    habit = Habit()
    scores(habit, days(400))
    before = habit.lessons
    for row in days(200) * 3:
        assert habit.take(row, 0, calm=False)[1] == {}
    assert habit.lessons == before


@pytest.mark.parametrize("value", [0.0, 7.5, 1e6, -1e-3])
def test_a_constant_channel_is_remembered_without_a_fault(value: float) -> None:
    habit, row = Habit(), np.concatenate([np.full(PARTS + 1, value), [0.0, 0.0]])
    made = scores(habit, np.tile(row, (400, 1)))
    assert np.isfinite(made).all()
    assert max(made) < 1.0


def test_a_day_is_described_in_channel_units_and_gaps_take_its_mean() -> None:
    values, mask = np.zeros(512), np.zeros(512, np.float32)
    values[-96:], mask[-96:] = np.repeat(np.arange(12.0), 8) + 100, 1.0
    mask[-96:-88] = 0.0
    window = Window(DevEui("0" * 16), Channel("x"), 0.0, 900.0, values, mask, 111.0, 88, 1)
    (day,) = describe(stack([window]))
    mean = 100 + np.arange(1, 12).mean()
    np.testing.assert_allclose(day[:PARTS], [mean, *(100 + np.arange(1.0, 12.0))], rtol=1e-6)
    assert day[PARTS] == pytest.approx(mean)
