from collections.abc import Sequence

import numpy as np
import pytest
from farm_series import Series
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.types import Channel, DevEui, Warming, Window
from gateway.windows import WindowBank

EUI, CHANNEL = DevEui("0011223344556677"), Channel("soil.moisture")


def feed(
    bank: WindowBank, times_s: Sequence[float] | Series, values: Sequence[float] | Series
) -> list[Window | Warming | None]:
    return [
        bank.add(float(t), float(v), EUI, CHANNEL) for t, v in zip(times_s, values, strict=True)
    ]


def same(one: object, other: object) -> bool:
    if not isinstance(one, Window) or not isinstance(other, Window):
        return one == other
    return (
        one.end_s == other.end_s
        and one.step_s == other.step_s
        and one.gap_steps == other.gap_steps
        and np.array_equal(one.values, other.values)
        and np.array_equal(one.mask, other.mask)
    )


def test_too_little_history_is_warming_and_never_a_window() -> None:
    bank = WindowBank(context=128, warm_samples=20)
    answers = feed(bank, np.arange(25) * 600.0, range(25))
    assert all(isinstance(answer, Warming) for answer in answers[:19])
    assert answers[3] == Warming(EUI, CHANNEL, 1800.0, 3.0, 4, 20)
    assert all(isinstance(answer, Window) for answer in answers[19:])


def test_the_newest_slot_is_last_and_missing_samples_are_masked() -> None:
    bank = WindowBank(context=8, warm_samples=4)
    times_s = np.array([0, 1, 2, 3, 4, 5, 7, 8, 9]) * 600.0
    window = feed(bank, times_s, np.arange(9.0) + 1)[-1]
    assert window.values.tolist() == [3, 4, 5, 6, 0, 7, 8, 9]
    assert window.mask.tolist() == [1, 1, 1, 1, 0, 1, 1, 1]
    assert (window.end_s, window.step_s, window.observed) == (5400.0, 600.0, 9.0)


def test_a_gap_is_counted_in_steps() -> None:
    bank = WindowBank(context=64, warm_samples=4)
    times_s = [*np.arange(40) * 600.0, 43 * 600.0 + 20]
    assert feed(bank, times_s, np.zeros(41))[-1].gap_steps == 4


@pytest.mark.parametrize("late_s", [600.0, 599.0, 5 * 600.0 + 7])
def test_a_late_sample_is_never_judged_but_seen_by_later_windows(late_s: float) -> None:
    bank = WindowBank(context=16, warm_samples=4)
    feed(bank, [0.0, 1200.0, 1800.0, 2400.0, 3600.0], [1, 1, 1, 1, 1])
    fresh = 3 * 600.0 + 300.0
    assert bank.add(fresh, 9.0, EUI, CHANNEL) is None
    window = bank.add(4200.0, 1.0, EUI, CHANNEL)
    assert isinstance(window, Window)
    assert 9.0 in window.values.tolist()
    assert bank.add(min(late_s, 4200.0), 2.0, EUI, CHANNEL) is None


def test_a_clock_set_back_makes_samples_late_until_it_has_caught_up() -> None:
    bank = WindowBank(context=64, warm_samples=4)
    feed(bank, np.arange(40) * 600.0, np.zeros(40))
    answers = feed(bank, np.arange(30, 45) * 600.0 + 7.0, np.zeros(15))
    assert [answer is None for answer in answers] == [True] * 9 + [False] * 6
    ends = [answer.end_s for answer in answers if answer is not None]
    assert ends == sorted(ends)


def test_a_device_can_be_forgotten() -> None:
    bank = WindowBank()
    feed(bank, [0.0, 600.0], [1.0, 2.0])
    bank.forget(EUI)
    assert len(bank) == 0


interval = st.sampled_from([0.5, 590.0, 600.0, 611.0, 1200.0, 3600.0, 40000.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(interval, min_size=30, max_size=160), st.integers(0, 25))
def test_a_restored_channel_gives_the_very_windows_it_gave_before(
    intervals: list[float], cut: int
) -> None:
    times_s = np.cumsum(intervals)
    values = np.sin(times_s / 9000.0) * 1e3
    whole = WindowBank(context=32, warm_samples=8)
    expected = feed(whole, times_s, values)
    at = len(times_s) - cut
    kept = slice(max(at - whole.history, 0), at)
    restored = WindowBank(context=32, warm_samples=8)
    newest = restored.restore(EUI, CHANNEL, times_s[kept], values[kept])
    assert same(newest, expected[at - 1])
    later = feed(restored, times_s[at:], values[at:])
    assert all(same(a, b) for a, b in zip(later, expected[at:], strict=True))
