import csv
from pathlib import Path

import numpy as np
import pytest
from fake_models import LastValue
from table_files import series, table

from gateway.commands import forecast
from gateway.errors import ConfigError, GatewayError


def run(tmp_path: Path, content: str, horizon: int) -> list[dict[str, str]]:
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    file.write_text(content)
    assert forecast.run(file, horizon, out, model=LastValue()) == 0
    with out.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_forecast_has_one_row_per_step_on_the_learned_step(tmp_path: Path) -> None:
    rows = run(tmp_path, table(series(96)), 120)
    assert list(rows[0])[:4] == ["time", "channel", "q0.01", "q0.1"]
    assert list(rows[0])[-2:] == ["q0.9", "q0.99"]
    assert len(rows) == 120
    assert [row["time"] for row in rows[:2]] == ["2024-03-02T00:00:00Z", "2024-03-02T00:15:00Z"]
    levels = np.array([[float(row[key]) for key in list(row)[2:]] for row in rows])
    assert (np.diff(levels, axis=1) >= 0).all()


def test_the_built_in_model_forecasts_a_daily_rhythm(tmp_path: Path) -> None:
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    data = series(96 * 6)
    file.write_text(table(data[: 96 * 5]))
    forecast.run(file, 96, out)
    with out.open(newline="") as lines:
        middle = np.array([float(row["q0.5"]) for row in csv.DictReader(lines)])
    truth = np.array([value for _, value in data[96 * 5 :]])
    assert np.abs(middle - truth).mean() < 1.5


def test_fewer_than_sixteen_samples_are_refused_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="'temp' has 10 samples; a forecast needs 16"):
        run(tmp_path, table(series(10)), 5)


def test_a_horizon_out_of_range_is_a_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 to 100000"):
        run(tmp_path, table(series(40)), 0)
