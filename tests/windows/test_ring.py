import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.windows.ring import Place, Ring

samples = st.lists(st.tuples(st.integers(0, 400), st.integers(-5, 5)), max_size=120)


@given(samples, st.integers(1, 40))
def test_a_ring_holds_the_newest_samples_in_order_of_time_whatever_their_order(
    given_samples: list[tuple[int, int]], limit: int
) -> None:
    ring, model = Ring(limit), {}
    for time_s, value in given_samples:
        kept = sorted(model)[-limit:]
        if not (len(kept) == limit and time_s < kept[0]):
            model[time_s] = value
        ring.add(time_s, value)
    newest = sorted(model)[-limit:]
    assert ring.times_s.tolist() == newest
    assert ring.values.tolist() == [model[time_s] for time_s in newest]


@given(samples, st.integers(1, 40))
def test_filling_a_ring_is_the_same_as_adding_in_order_of_time(
    given_samples: list[tuple[int, int]], limit: int
) -> None:
    one, other = Ring(limit), Ring(limit)
    ordered = sorted(given_samples, key=lambda sample: sample[0])
    for time_s, value in ordered:
        one.add(time_s, value)
    table = np.array(given_samples, np.float64).reshape(-1, 2)
    order = np.argsort(table[:, 0], kind="stable")
    other.fill(table[order, 0], table[order, 1])
    assert one.times_s.tolist() == other.times_s.tolist()
    assert one.values.tolist() == other.values.tolist()


def test_a_ring_says_where_a_sample_went() -> None:
    ring = Ring(3)
    places = [ring.add(time_s, 0.0) for time_s in (10, 30, 20, 20, 40, 5)]
    expected = [Place.NEWEST, Place.NEWEST, Place.FILLED, Place.REPEATED, Place.NEWEST]
    assert places == [*expected, Place.TOO_OLD]


def test_a_ring_stays_bounded() -> None:
    ring = Ring(512)
    for time_s in range(5000):
        ring.add(time_s, 1.0)
    assert len(ring) == 512
    assert ring._times_s.size <= 576
