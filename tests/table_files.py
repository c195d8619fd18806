"""Tables as files, for the commands that read them."""

from datetime import UTC, datetime

import numpy as np

START_S = datetime(2024, 3, 1, tzinfo=UTC).timestamp()


def series(rows: int) -> list[tuple[float, float]]:
    """Return a temperature every quarter of an hour: (POSIX seconds, °C)."""
    rng = np.random.default_rng(3)
    day = np.arange(rows) / 96
    values = np.round(20 + 5 * np.sin(2 * np.pi * day) + rng.normal(0, 0.2, rows), 1)
    return [(START_S + at * 900.0, float(value)) for at, value in enumerate(values)]


def iso(time_s: float) -> str:
    """Write a time as loggers do."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def table(rows: list[tuple[float, float]]) -> str:
    """Write a CSV with the columns `time` and `temp`."""
    return "time,temp\n" + "".join(f"{iso(time_s)},{value}\n" for time_s, value in rows)
