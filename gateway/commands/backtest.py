"""`lora-gateway backtest`: judge a table of the past as the daemon would have judged it live.

A row's result uses only rows up to it: the same windows, the same detector, in the same order.
"""

from __future__ import annotations

import csv
import math
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from gateway.commands.models_adapters import model_for
from gateway.commands.parallel import THREADS, ParallelModel
from gateway.commands.series import Judged, Table, Warn, read_table, to_stderr
from gateway.config import InferenceConfig
from gateway.errors import GatewayError
from gateway.inference import Detector, Model
from gateway.types import Channel, DevEui, Status, Verdict, Warming, Window
from gateway.windows import WindowBank

HEADER = (
    "time", "channel", "observed", "expected_low", "expected_mid", "expected_high",
    "score", "p_value", "status", "alert_id",
)  # fmt: skip
DEVICE = DevEui("0" * 16)
"""The device that every column of a table belongs to."""

CHUNK_ROWS = 256

AlertOf = Callable[[Sequence[Verdict], float], Mapping[tuple[DevEui, Channel], str]]
"""Told all verdicts of one time, says which channels are in an alert, by its id."""


@dataclass(slots=True)
class RunIds:
    """An `AlertOf` without an alert engine: each run of anomalous samples is one alert."""

    _open: dict[tuple[DevEui, Channel], str] = field(default_factory=dict)

    def __call__(
        self, verdicts: Sequence[Verdict], now_s: float
    ) -> Mapping[tuple[DevEui, Channel], str]:
        """Open and close runs; return the open ones."""
        for verdict in verdicts:
            key = (verdict.dev_eui, verdict.channel)
            if verdict.status is not Status.ANOMALOUS:
                self._open.pop(key, None)
            elif key not in self._open:
                self._open[key] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{key} {now_s}"))
        return self._open


def run(
    file: Path,
    out: Path,
    *,
    time: str | None = None,
    columns: Sequence[str] = (),
    plot: Path | None = None,
    config: InferenceConfig | None = None,
    model: Model | None = None,
    adapter: str = "",
    alert_of: AlertOf | None = None,
    warn: Warn = to_stderr,
) -> int:
    """Judge `file` and write `out`; return the exit status 0.

    `adapter` names an installed adapter or a file to judge with.

    Raises
    ------
    GatewayError
        The table, the model or the output file cannot be used.

    """
    settings = config if config is not None else InferenceConfig()
    table = read_table(file, time, columns, warn)
    with ThreadPoolExecutor(THREADS) as pool:
        detector = Detector(ParallelModel(model or model_for(adapter, settings), pool), settings)
        judged = judge(table, detector, settings, alert_of or RunIds())
    write(table, judged, out)
    if plot is not None:
        from gateway.commands.backtest_plot import draw  # noqa: PLC0415 - matplotlib is an extra

        draw(table, judged, plot)
    return 0


def judge(
    table: Table, detector: Detector, config: InferenceConfig, alert_of: AlertOf
) -> dict[str, Judged]:
    """Return every column's verdicts; the rows are taken in order of time, in chunks."""
    rows = len(table.times_s)
    run = _Run(
        table,
        detector,
        WindowBank(warm_samples=config.warm_samples),
        {name: Judged([None] * rows, [""] * rows) for name in table.columns},
    )
    order = table.order()
    for start in _shown(range(0, len(order), CHUNK_ROWS), "Judging"):
        chunk = order[start : start + CHUNK_ROWS].tolist()
        run.judge(chunk)
        run.tell(chunk, alert_of)
    return run.judged


@dataclass(slots=True)
class _Run:
    """A table on its way through windows and detector."""

    table: Table
    detector: Detector
    bank: WindowBank
    judged: dict[str, Judged]
    newest: dict[str, int] = field(default_factory=dict)

    def judge(self, chunk: list[int]) -> None:
        """Judge some rows; a repeated time takes the verdict of the first row of that time."""
        samples: list[Window | Warming] = []
        places: list[tuple[str, int]] = []
        again: list[tuple[str, int, int]] = []
        for row in chunk:
            for name, sample in self._samples(row):
                if sample is None:
                    again.append((name, row, self.newest[name]))
                    continue
                samples.append(sample)
                places.append((name, row))
                self.newest[name] = row
        for (name, row), verdict in zip(places, self.detector.judge(samples), strict=True):
            self.judged[name].verdicts[row] = verdict
        for name, row, first in again:
            self.judged[name].verdicts[row] = self.judged[name].verdicts[first]

    def _samples(self, row: int) -> Iterator[tuple[str, Window | Warming | None]]:
        time_s = float(self.table.times_s[row])
        for name, values in self.table.columns.items():
            value = float(values[row])
            if not math.isnan(value):
                yield name, self.bank.add(time_s, value, DEVICE, Channel(name))

    def tell(self, chunk: list[int], alert_of: AlertOf) -> None:
        """Tell of the rows' verdicts, and note which alert each channel is in."""
        for row in chunk:
            judged = self.judged.values()
            verdicts = [found for each in judged if (found := each.verdicts[row]) is not None]
            if not verdicts:
                continue
            ids = alert_of(verdicts, float(self.table.times_s[row]))
            for verdict in verdicts:
                alert = ids.get((verdict.dev_eui, verdict.channel), "")
                self.judged[verdict.channel].alerts[row] = alert


def _shown(steps: range, label: str) -> Iterator[int]:
    """Pass the steps through, with a bar when a person watches."""
    if not sys.stderr.isatty():
        yield from steps
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(steps, description=label)


def write(table: Table, judged: dict[str, Judged], out: Path) -> None:
    """Write one line per row and channel.

    Raises
    ------
    GatewayError
        The file cannot be written.

    """
    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            for row, time_text in enumerate(table.time_text):
                for name, each in judged.items():
                    observed = float(table.columns[name][row])
                    cells = _cells(observed, each.verdicts[row], each.alerts[row])
                    writer.writerow((time_text, name, *cells))
    except OSError as error:
        raise GatewayError(f"{out} cannot be written: {error.strerror}.") from error


def _cells(observed: float, verdict: Verdict | None, alert_id: str) -> tuple[str, ...]:
    if np.isnan(observed):
        return ("", "", "", "", "", "", Status.MISSING, alert_id)
    if verdict is None:
        return (_text(observed), "", "", "", "", "", Status.MISSING, alert_id)
    expected = tuple(map(_text, verdict.expected)) if verdict.expected else ("", "", "")
    return (
        _text(observed),
        *expected,
        _text(verdict.score),
        _text(verdict.p_value),
        verdict.status,
        alert_id,
    )


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
