import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.lorawan.counters import MAX_GAP, Standing, candidates

NEW, SAME, OLD, FAR = Standing.NEW, Standing.SAME, Standing.OLD, Standing.FAR
TOP = 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("newest", "on_air", "likeliest"),
    [
        (None, 0, (0, NEW)),
        (None, 65_535, (65_535, NEW)),
        (0, 1, (1, NEW)),
        (5, 5, (5, SAME)),
        (65_535, 0, (65_536, NEW)),
        (65_530, 4, (65_540, NEW)),
        (131_071, 3, (131_075, NEW)),
        (10, 10 + MAX_GAP, (10 + MAX_GAP, NEW)),
        (10, 11 + MAX_GAP, (11 + MAX_GAP, FAR)),
        (65_546, 9, (131_081, FAR)),
        (TOP - 1, 0xFFFF, (TOP, NEW)),
    ],
)
def test_sixteen_bits_become_the_likeliest_counter(
    newest: int | None, on_air: int, likeliest: tuple[int, Standing]
) -> None:
    assert candidates(newest, on_air, from_zero=False)[0] == likeliest


def test_a_device_that_has_just_joined_starts_within_the_gap() -> None:
    assert candidates(None, MAX_GAP, from_zero=True) == ((MAX_GAP, NEW),)
    assert candidates(None, MAX_GAP + 1, from_zero=True) == ((MAX_GAP + 1, FAR),)


def test_a_counter_that_would_leave_32_bits_is_no_candidate() -> None:
    assert (TOP + 1, NEW) not in candidates(TOP, 0, from_zero=False)


@given(st.integers(0, TOP), st.integers(0, TOP))
def test_the_true_counter_is_among_the_candidates_and_stands_where_it_should(
    newest: int, true: int
) -> None:
    found = dict(candidates(newest, true & 0xFFFF, from_zero=False))
    if newest < true <= newest + MAX_GAP:
        assert found[true] is NEW
    elif true == newest:
        assert found[true] is SAME
    elif newest - 65_536 < true < newest:
        assert found[true] is OLD
    elif newest + MAX_GAP < true < newest + 65_536:
        assert found[true] is FAR
    else:
        assert found.get(true) is not NEW
    assert all(f_cnt & 0xFFFF == true & 0xFFFF for f_cnt in found)
    assert all((place is NEW) <= (f_cnt > newest) for f_cnt, place in found.items())
