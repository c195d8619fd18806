"""The comparison of detectors: every one is judged on the same samples, by the same rule."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from fake_models import SeasonalNaive

from gateway.config import InferenceConfig
from models import detection, evaluate
from models.baselines import BASELINES
from models.detection import Judged, Ranked
from models.labels import labelled

pytestmark = pytest.mark.train


def test_a_detector_that_says_nothing_yet_is_given_its_least_score() -> None:
    np.testing.assert_array_equal(detection.complete(np.array([np.nan, 2.0, 1.0])), [1.0, 2.0, 1.0])


def test_the_wait_for_an_alarm_is_counted_from_the_start_of_what_is_labelled() -> None:
    wrong, alarms = np.zeros(100, dtype=bool), np.zeros(100, dtype=bool)
    wrong[10:20] = wrong[50:60] = wrong[80:90] = True
    alarms[5:9] = alarms[13:15] = alarms[51] = True
    assert detection.first_alarm(alarms, wrong) == 2.0  # 3 and 1; the third was not found
    assert np.isnan(detection.first_alarm(np.zeros(100, dtype=bool), wrong))


def test_every_baseline_is_ranked_beside_ours_on_known_samples_alone() -> None:
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(1500) * 2 * np.pi / 96) + 0.1 * rng.standard_normal(1500)
    values[700:720] = np.nan
    wrong = np.zeros(1500, dtype=bool)
    wrong[1200:1250] = True
    ours = Judged(wrong + 0.0, wrong)
    found, floor = detection.rank(values, wrong, 96, ours)
    assert set(found) == {detection.OURS, *BASELINES}
    assert found[detection.OURS] > 0.8 > floor


def test_the_gateway_is_judged_as_it_runs_and_gaps_are_not_judged() -> None:
    values = np.sin(np.arange(300) * 2 * np.pi / 96)
    values[200:210] = np.nan
    judged = detection.judge(SeasonalNaive(), values, 0.0, 900.0, InferenceConfig())
    known = np.flatnonzero(np.isfinite(judged.score))
    np.testing.assert_array_equal(known, [*range(63, 200), *range(210, 300)])


def test_a_sets_gain_is_over_its_best_baseline() -> None:
    rows = [
        Ranked("a", "nab", 0.1, {detection.OURS: 0.6, "AR": 0.2, "rolling z": 0.4}, 3.0),
        Ranked("b", "nab", 0.1, {detection.OURS: 0.4, "AR": 0.2, "rolling z": 0.4}, float("nan")),
    ]
    (row,) = detection.summary(rows).values()
    assert row["best_baseline"] == "rolling z"
    assert row["over_best_baseline"] == pytest.approx(0.25)
    assert row["median_delay_samples"] == 3.0


def nab(folder: Path, name: str) -> None:
    place = folder / "nab" / "data" / "real"
    place.mkdir(parents=True, exist_ok=True)
    day = np.datetime64("2020-01-01T00:00:00")
    rows = [f"{day + np.timedelta64(300 * i, 's')},{i % 7}".replace("T", " ") for i in range(500)]
    with gzip.open(place / f"{name}.csv.gz", "wt") as file:
        file.write("\n".join(["timestamp,value", *rows]))


def test_no_series_is_both_tuned_on_and_reported(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(12)]
    for name in names:
        nab(tmp_path, name)
    windows = {
        f"real/{name}.csv": [["2020-01-01 10:00:00.000", "2020-01-01 12:00:00.000"]]
        for name in names
    }
    (tmp_path / "nab" / "windows.json").write_text(json.dumps(windows))
    parts = {
        part: {case.series.name for case in labelled(tmp_path, part)} for part in ("tune", "report")
    }
    assert parts["tune"]
    assert parts["report"]
    assert not parts["tune"] & parts["report"]
    assert len(parts["tune"] | parts["report"]) == len(names)
    (case, *_) = labelled(tmp_path, "tune")
    assert case.wrong.sum() == 25


def test_the_headline_has_every_line_of_the_table() -> None:
    figures = {
        "quantization": {"relative_mae": 0.001},
        "speed": {"ms_batch_1": 0.4, "ms_per_window_batch_64": 0.3},
        "forecast": {"environmental": {"relative_mae": 0.8, "relative_pinball": 0.6}},
        "faults": {
            "found": 0.5,
            "false_episodes_per_channel_month": 0.4,
            "watering": {"called_anomalous": 0.03},
            "blame": {"hit_rate_at_1": None},
            "budget": {
                "realised_over_nominal": 1.0,
                "share_of_channels_within_half_and_double": 0.7,
            },
        },
        "adapters": {"change_mean": -0.03},
        "detection": {"sets": {"nab": {"over_best_baseline": 0.1}}},
    }
    made = evaluate.headline(figures)
    assert made["vus_pr_nab_over_best_baseline"] == 0.1
    assert made["vus_pr_logan_river_over_best_baseline"] is None
    assert made["hit_rate_at_1"] is None
    assert made["int8_against_fp32"] == 0.001
    assert made["adapter_against_base"] == -0.03
    assert made.keys() >= evaluate.MUST.keys() - {"vus_pr_nab", "vus_pr_logan_river"}
