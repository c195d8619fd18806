"""VUS-PR against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models import vus

pytestmark = pytest.mark.train


def flags(*wrong: int, size: int = 10) -> vus.Flags:
    out = np.zeros(size, dtype=bool)
    out[list(wrong)] = True
    return out


def test_edges_are_soft_out_to_half_the_buffer() -> None:
    soft = vus.softened(flags(4, 5), 4)
    near, far = np.sqrt(1 - 1 / 4), np.sqrt(1 - 2 / 4)
    np.testing.assert_allclose(soft, [0, 0, far, near, 1, 1, near, far, 0, 0])


def test_without_a_buffer_labels_are_as_they_are() -> None:
    np.testing.assert_array_equal(vus.softened(flags(4, 5), 0), flags(4, 5))


def test_a_perfect_score_without_a_buffer_has_all_the_area() -> None:
    wrong = flags(3, 4, 5)
    assert vus.vus_pr(wrong.astype(float), wrong, 0) == pytest.approx(1.0)


def test_ties_are_one_step_and_so_a_constant_score_is_worth_the_share_of_labels() -> None:
    assert vus.vus_pr(np.ones(10), flags(2, 3), 0) == pytest.approx(0.2)


def test_a_ranking_of_four_by_hand() -> None:
    # from the top: wrong, right, wrong, right; two anomalies, each one slot.
    # recall * existence: 1/2 * 1/2, 1/2 * 1/2, 1 * 1, 1; precision: 1, 1/2, 2/3, 1/2.
    score = np.array([4.0, 3.0, 2.0, 1.0])
    wrong = np.array([True, False, True, False])
    assert vus.vus_pr(score, wrong, 0) == pytest.approx(0.25 * 1 + 0.75 * 2 / 3)


def test_a_buffer_by_hand() -> None:
    # slot 2 is wrong, with buffer 2 slots 1 and 3 count sqrt(1/2); slot 1 ranks first, then 2
    score = np.array([1.0, 5.0, 4.0, 1.0, 1.0])
    wrong = flags(2, size=5)
    edge = np.sqrt(0.5)
    first = edge / (1 + edge / 2)  # recall of the first threshold; its precision is edge
    second = min((1 + edge) / (1 + edge / 2), 1.0)  # precision (1 + edge) / 2
    by_hand = first * edge + (second - first) * (1 + edge) / 2
    soft = by_hand  # everything else adds no recall
    plain = 1.0 * 0.5  # buffer 0: slot 1 is a false alarm, slot 2 then gives all
    one = plain  # buffer 1 reaches no further slot
    assert vus.vus_pr(score, wrong, 2) == pytest.approx((plain + one + soft) / 3)


def test_a_score_slots_late_is_worth_less_than_one_in_time() -> None:
    wrong = flags(*range(40, 60), size=200)
    late = np.roll(wrong, 30).astype(float)
    assert vus.vus_pr(late, wrong, 20) < 0.5 * vus.vus_pr(wrong.astype(float), wrong, 20)


def test_a_random_order_gives_about_the_share_of_labels() -> None:
    wrong = flags(*range(400, 800), size=4000)
    assert vus.floor(wrong, 0) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("score", [np.array([1.0, np.nan]), np.array([1.0, np.inf])])
def test_what_is_no_number_is_refused(score: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite"):
        vus.vus_pr(score, np.array([True, False]))


def test_nothing_labelled_is_refused() -> None:
    with pytest.raises(ValueError, match="labelled"):
        vus.vus_pr(np.ones(3), np.zeros(3, dtype=bool))
