"""Mild odds for a fault add up over half a day; a single sample's do not."""

from __future__ import annotations

from gateway.inference.heads import MISSING
from gateway.inference.suspicion import Suspicion

BOUND = 2e-4


def heard(odds: list[int]) -> float:
    suspicion = Suspicion()
    return [suspicion.take(each) for each in odds][-1]


def test_one_suspicious_sample_is_not_enough() -> None:
    assert heard([-3000] * 50 + [4000]) > BOUND


def test_mildly_suspicious_for_long_is_enough() -> None:
    assert heard([-3000] * 50 + [1500] * 10) > BOUND
    assert heard([-3000] * 50 + [1500] * 40) < BOUND


def test_a_model_without_odds_is_never_suspicious() -> None:
    assert heard([MISSING] * 100) == 1.0


def test_a_replayed_channel_goes_on_as_it_was() -> None:
    first, second = Suspicion(), Suspicion()
    for odds in (-2000, 500, 2500, 1500):
        first.take(odds)
        second.replay(odds, first.mean)
    assert second.likely
    assert first.take(900) == second.take(900)
    assert first == second
