"""`lora-gateway forecast`: what each column of a table will probably do next."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gateway.commands.models_adapters import model_for
from gateway.commands.series import Table, Warn, read_table, to_stderr
from gateway.config import InferenceConfig
from gateway.errors import ConfigError, GatewayError
from gateway.inference import Model, forecast
from gateway.types import QUANTILES, Channel, DevEui, Forecast, Window
from gateway.windows import WindowBank

HEADER = ("time", "channel", *(f"q{level:g}" for level in QUANTILES))
FEWEST_SAMPLES = 16
LONGEST = 100_000
_DEVICE = DevEui("0" * 16)


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
    windows = _windows(table, columns, warn)
    loaded = model or model_for(adapter, settings, threads=2)
    write([forecast(loaded, window, horizon) for window in windows], out)
    return 0


def _windows(table: Table, wanted: Sequence[str], warn: Warn) -> list[Window]:
    windows = []
    for name in table.columns:
        window, samples = _window(table, name)
        if window is not None:
            windows.append(window)
            continue
        text = f"column {name!r} has {samples} samples; a forecast needs {FEWEST_SAMPLES}"
        if name in wanted or len(table.columns) == 1:
            raise GatewayError(f"{table.path}: {text}.")
        warn(f"{text}; it is left out.")
    if not windows:
        raise GatewayError(f"{table.path}: no column has {FEWEST_SAMPLES} samples.")
    return windows


def _window(table: Table, name: str) -> tuple[Window | None, int]:
    order = table.order()
    values = table.columns[name][order]
    known = np.isfinite(values)
    bank = WindowBank(warm_samples=FEWEST_SAMPLES)
    times_s = table.times_s[order][known]
    window = bank.restore(_DEVICE, Channel(name), times_s, values[known])
    return window, int(np.unique(times_s).size)


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
