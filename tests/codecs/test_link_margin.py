import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.link_margin import LossWindow, link_margin_db
from gateway.errors import BadInput


@pytest.mark.parametrize(
    ("snr_db", "spreading_factor", "margin_db"),
    [(-7.5, 7, 0.0), (-20.0, 12, 0.0), (5.0, 9, 17.5), (-22.0, 12, -2.0), (0.0, 6, 5.0)],
)
def test_the_margin_is_measured_from_the_datasheets_floor(
    snr_db: float, spreading_factor: int, margin_db: float
) -> None:
    assert link_margin_db(snr_db, spreading_factor) == margin_db


def test_a_spreading_factor_that_no_radio_has_is_refused() -> None:
    with pytest.raises(BadInput, match="out_of_range"):
        link_margin_db(0.0, 13)


def test_lost_frames_are_counted_from_the_counters_gaps() -> None:
    window = LossWindow()
    assert window.loss is None
    assert [window.add(n) for n in (10, 11, 14, 14, 12, 15)] == [0, 0, 2, 0, 0, 0]
    assert window.sent == 6
    assert window.loss == pytest.approx(1 / 6), "12 came late and fills its gap"
    window.restart()
    assert window.add(0) == 0
    assert window.loss is None


@given(st.lists(st.integers(0, 500), min_size=2, unique=True), st.integers(2, 100), st.booleans())
def test_loss_is_that_of_the_newest_frames_alone(
    heard: list[int],
    frames: int,
    in_order: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    window = LossWindow(frames)
    for f_cnt in sorted(heard) if in_order else heard:
        window.add(f_cnt)
    recent = [n for n in heard if n > max(heard) - frames]
    sent = max(recent) - min(recent) + 1
    assert window.sent == sent <= frames
    if sent >= 2:
        assert window.loss == pytest.approx(1 - len(recent) / sent)
