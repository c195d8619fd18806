"""`lora-gateway forecast`: what each column of a table will probably do next."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gateway.commands.models_adapters import model_for
from gateway.commands.series import Table, Warn, read_table, to_stderr
from gateway.config import InferenceConfig
from gateway.errors import ConfigError, GatewayError
from gateway.inference import LONGEST_PAST, Model, forecast
from gateway.types import QUANTILES, Channel, DevEui, Forecast, Window
from gateway.windows import WindowBank

HEADER = ("time", "channel", *(f"q{level:g}" for level in QUANTILES))
FEWEST_SAMPLES = 16
LONGEST = 100_000
_DEVICE = DevEui("0" * 16)

Floats = npt.NDArray[np.float64]


def run(
    file: Path,
    horizon: int,
    out: Path,
    *,
    time: str | None = None,
    columns: Sequence[str] = (),
    config: InferenceConfig | None = None,
    model: Model | None = None,
    adapter: str = "",
    warn: Warn = to_stderr,
) -> int:
    """Forecast `horizon` steps of every column on its own learned step; return the exit status 0.

    `adapter` names an installed adapter or a file to judge with.

    Raises
    ------
    GatewayError
        The table, a column, the model or the output file cannot be used.

    """
    if not 1 <= horizon <= LONGEST:
        raise ConfigError(f"--horizon = {horizon}: allowed is 1 to {LONGEST}.")
    settings = config if config is not None else InferenceConfig()
    table = read_table(file, time, columns, warn)
    known = _known(table, columns, warn)
    loaded = model or model_for(adapter, settings, threads=2)
    write([forecast(loaded, window, horizon, past) for window, past in known], out)
    return 0


def _known(table: Table, wanted: Sequence[str], warn: Warn) -> list[tuple[Window, Floats]]:
    """Return what is known of every column: its newest window, and its past on the same step."""
    found = []
    for name in table.columns:
        times_s, values = _samples(table, name)
        window = WindowBank(warm_samples=FEWEST_SAMPLES).restore(
            _DEVICE, Channel(name), times_s, values
        )
        if window is not None:
            found.append((window, _past(window, times_s, values)))
            continue
        samples = int(np.unique(times_s).size)
        text = f"column {name!r} has {samples} samples; a forecast needs {FEWEST_SAMPLES}"
        if name in wanted or len(table.columns) == 1:
            raise GatewayError(f"{table.path}: {text}.")
        warn(f"{text}; it is left out.")
    if not found:
        raise GatewayError(f"{table.path}: no column has {FEWEST_SAMPLES} samples.")
    return found


def _samples(table: Table, name: str) -> tuple[Floats, Floats]:
    """Return the times and values of what a column holds, oldest first."""
    order = table.order()
    values = table.columns[name][order]
    known = np.isfinite(values)
    return table.times_s[order][known], values[known]


def _past(window: Window, times_s: Floats, values: Floats) -> Floats:
    """Put the newest samples on the window's step, as far back as is of use; NaN = missing."""
    age = np.rint((window.end_s - times_s) / window.step_s)
    inside = age < LONGEST_PAST
    past = np.full(int(age[inside].max()) + 1, np.nan)
    past[len(past) - 1 - age[inside].astype(np.intp)] = values[inside]
    return past


def write(forecasts: Sequence[Forecast], out: Path) -> None:
    """Write one line per channel and step.

    Raises
    ------
    GatewayError
        The file cannot be written.

    """
    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            for made in forecasts:
                for step, quantiles in enumerate(made.quantiles.tolist()):
                    time_s = made.start_s + step * made.step_s
                    cells = (f"{quantile:.7g}" for quantile in quantiles)
                    writer.writerow((_rfc3339(time_s), made.channel, *cells))
    except OSError as error:
        raise GatewayError(f"{out} cannot be written: {error.strerror}.") from error


def _rfc3339(time_s: float) -> str:
    time = datetime.fromtimestamp(round(time_s, 3), UTC)
    text = time.isoformat(timespec="milliseconds" if time.microsecond else "seconds")
    return text.replace("+00:00", "Z")
