"""Recordings come onto a fixed step, and what is kept back is never trained on."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from models import data

pytestmark = pytest.mark.train


def recording(part: str = "train", n: int = 4000, step_s: float = 900.0) -> data.Series:
    values = np.arange(n, dtype=np.float64)
    return data.Series("nab", "nab/a.csv.gz", "value", 0.0, step_s, values, part)


def test_samples_go_to_their_slot_and_gaps_stay_missing() -> None:
    time_s = np.array([30.0, 95.0, 100.0, 310.0])
    start_s, slots = data.gridded(time_s, np.array([1.0, 2.0, 3.0, 4.0]), 60.0)
    assert start_s == 0.0
    np.testing.assert_array_equal(slots, [1.0, 3.0, np.nan, np.nan, np.nan, 4.0])


def test_words_and_sentinels_are_missing() -> None:
    assert np.isnan([data.number(text) for text in ("NULL", "", "NA", "-9999")]).all()
    assert data.number("-3.5") == -3.5


def test_a_window_ends_where_asked_and_is_padded_with_missing() -> None:
    values, clock = data.cut(recording(), 100, 300, 1, mean=False)
    assert np.isnan(values[:200]).all()
    np.testing.assert_allclose(np.diff(values[200:]), 1.0)
    assert abs(np.nanmean(values)) < 1e-4
    assert clock == pytest.approx([99 * 900 / 86400 % 1, 900 / 86400])


def test_coarser_windows_hold_the_last_sample_or_the_mean() -> None:
    values = np.array([9.0, 1.0, 2.0, np.nan, 4.0])
    np.testing.assert_array_equal(data.coarser(values, 2, mean=False), [2.0, 4.0])
    np.testing.assert_array_equal(data.coarser(values, 2, mean=True), [1.5, 4.0])


def test_training_windows_never_reach_the_last_quarter() -> None:
    series = recording()
    marked = series.values.copy()
    marked[int(len(marked) * 0.75) :] = 1e9
    marked_series = data.Series("nab", "a", "v", 0.0, 900.0, marked)
    values, _ = data.windows(np.random.default_rng(0), [marked_series], 50, 700)
    assert np.nanmax(values) < 1e6


def test_series_kept_for_confirmation_are_never_drawn() -> None:
    kept = data.Series("nab", "b", "v", 0.0, 900.0, np.full(4000, 1e9), "confirm")
    values, _ = data.windows(np.random.default_rng(0), [recording(), kept], 50, 700)
    assert np.nanmin(values) < -10  # a kept, constant series would give zeros only
    assert np.isfinite(values).sum(1).min() >= 128
    assert (np.nanstd(values, axis=1) > 0).all()


def test_a_folder_is_read_and_its_files_identified(tmp_path: Path) -> None:
    place = tmp_path / "nab" / "data" / "real"
    place.mkdir(parents=True)
    day = np.datetime64("2020-01-01T00:00:00")
    rows = [f"{day + np.timedelta64(300 * i, 's')},{i % 7}".replace("T", " ") for i in range(500)]
    with gzip.open(place / "x.csv.gz", "wt") as file:
        file.write("\n".join(["timestamp,value", *rows]))
    (series,) = data.load(tmp_path)
    assert series.group == "nab"
    assert series.step_s == 300.0
    assert len(series.values) == 500
    assert list(data.identity(tmp_path)) == ["nab/data/real/x.csv.gz"]
