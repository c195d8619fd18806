"""Invented channels and injected faults are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from models import faults, synthetic

pytestmark = pytest.mark.train


def field(rows: int = 6, length: int = 500, step_s: float = 900.0) -> synthetic.Field:
    step = np.full((rows, 1), step_s / 86400)
    return synthetic.Field(np.random.default_rng(3), np.arange(length) * step, step)


@pytest.mark.parametrize("name", synthetic.FAMILIES)
def test_every_family_fills_its_field_with_finite_numbers(name: str) -> None:
    made = synthetic.FAMILIES[name][1](field())
    assert made.shape == (6, 500)
    assert np.isfinite(made).all()


def test_a_seed_repeats_the_data() -> None:
    one = synthetic.generate(np.random.default_rng(7), 40, 300)
    other = synthetic.generate(np.random.default_rng(7), 40, 300)
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert one[2] == other[2]


def test_the_clock_is_a_fraction_of_the_day_and_a_step_in_days() -> None:
    _, clock, families = synthetic.generate(np.random.default_rng(1), 200, 64)
    assert clock.dtype == np.float32
    assert ((clock[:, 0] >= 0) & (clock[:, 0] <= 1)).all()
    allowed = [np.float32(step / 86400) for step in synthetic.STEPS_S]
    assert np.isclose(clock[:, 1:], allowed).any(axis=1).all()
    assert set(families) <= set(synthetic.FAMILIES)


def test_soil_dries_between_waterings() -> None:
    made = synthetic.soil(field(50))
    down = np.diff(made, axis=1) < 0
    assert down.mean() > 0.5
    assert np.diff(made, axis=1).max() > -np.diff(made, axis=1).min()


def test_a_tank_stays_between_empty_and_full() -> None:
    made = synthetic.tank(field(50))
    assert made.min() >= 0
    assert made.max() <= 1


def test_a_leaky_sum_forgets_at_its_own_rate() -> None:
    push = np.zeros((2, 10))
    push[:, 0] = 1.0
    made = synthetic.leaky(push, np.array([[0.5], [0.9]]))
    np.testing.assert_allclose(made[:, -1], [0.5**9, 0.9**9])


@pytest.mark.parametrize("seed", range(40))
def test_a_fault_changes_the_labelled_slots_and_no_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clean = np.sin(np.arange(256) / 9).astype(np.float32) + rng.normal(0, 0.1, 256)
    clean = clean.astype(np.float32)
    clean[rng.random(256) < 0.2] = np.nan
    damaged, label, kind = faults.inject(rng, clean)
    assert kind in faults.KINDS
    np.testing.assert_array_equal(damaged[~label], clean[~label])
    assert (damaged[label] != clean[label]).all()
    assert np.isfinite(damaged[label]).all()


def test_a_window_without_samples_gets_no_fault() -> None:
    clean = np.full(64, np.nan, dtype=np.float32)
    damaged, label, _ = faults.inject(np.random.default_rng(0), clean)
    assert np.isnan(damaged).all()
    assert not label.any()


@pytest.mark.parametrize("kind", faults.KINDS)
def test_every_kind_of_fault_returns_as_many_samples_as_it_damaged(kind: str) -> None:
    x = np.linspace(0, 1, 32, dtype=np.float32)
    made = faults.KINDS[kind](np.random.default_rng(5), x, 0.5)
    assert made.dtype == np.float32
    assert 1 <= len(made) <= len(x)


def test_faults_reach_the_newest_slot_at_any_age() -> None:
    rng = np.random.default_rng(0)
    ages = []
    for _ in range(400):
        begun, stop, length = faults.placed(rng, "drift", 512)
        assert 0 <= begun < stop <= 512
        assert stop - begun <= length
        ages += [512 - begun] if stop == 512 else []
    assert min(ages) < 5
    assert max(ages) > 100


def test_watering_lifts_and_never_lowers() -> None:
    rng = np.random.default_rng(4)
    dry = faults.float32(rng.normal(size=600))
    lifted = faults.water(rng, dry) - dry
    assert lifted.min() > -1e-3
    assert lifted.max() > 0.1
