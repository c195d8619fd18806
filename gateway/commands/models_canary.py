"""A new pack on windows of the past, beside the pack in use, before it may judge the present.

First on the golden windows of the pack in use, then on what this gateway's own store holds: both
packs go through the newest samples of some channels as the daemon would have, sample by sample.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from gateway.config import Config, InferenceConfig
from gateway.errors import PackError, StoreError
from gateway.inference import Detector, Model, active
from gateway.inference.comparison import WORSE, Comparison
from gateway.inference.pack import Pack, open_model, read_pack
from gateway.inference.session import INPUTS
from gateway.recollection import is_judged, is_report
from gateway.store import Reader
from gateway.types import QUANTILES, Channel, DevEui, FloatArray, Reading, Warming, Window
from gateway.windows import WindowBank

MOST_CHANNELS, MOST_DEVICES = 12, 12
MOST_SAMPLES = 700
"""Of each channel: a week at a quarter of an hour. All in all some 10 s on x86, 2 min on a Pi 4."""

_BATCH = 128
_FLOOR, _SMALLEST = 0.05, 1e-6
_KEEP = "Keep the pack that is installed; `lora-gateway backtest` compares them on your data."


def canary(model: Model, config: Config) -> dict[str, object]:
    """Hold a new model against the pack in use; return the comparison's figures.

    Raises
    ------
    PackError
        `canary_failed`, with the figures.

    """
    try:
        pack = read_pack(active(config.inference))
        present = open_model(pack)
    except PackError:
        return Comparison().figures()  # what does not load is no measure
    _on_golden_windows(model, present, pack)
    compared = on_stored_windows(model, present, config.inference, config.store.path)
    if complaint := compared.complaint():
        raise PackError("canary_failed", f"On this gateway's own history: {complaint}", _KEEP)
    return compared.figures()


def _on_golden_windows(model: Model, present: Model, pack: Pack) -> None:
    ours, theirs = _losses(model, pack), _losses(present, pack)
    ratio = float(np.exp(np.mean(np.log((ours + _FLOOR) / (theirs + _FLOOR)))))
    if not ratio <= WORSE:  # also when it is no number
        raise PackError(
            "canary_failed",
            f"On known windows its forecasts err {ratio:.1f} times as much as those of the pack in "
            "use.",
            _KEEP,
        )


def _losses(model: Model, pack: Pack) -> FloatArray:
    """Return the quantile loss of each golden window's own newest 96 slots, told from those before.

    Float [n], in mean absolute deviations of what was before.
    """
    values, mask, clock = (pack.golden[name] for name in INPUTS)
    ahead = model.horizon
    past, seen = np.zeros_like(values), np.zeros_like(mask)
    past[:, ahead:], seen[:, ahead:] = values[:, :-ahead], mask[:, :-ahead]
    before = clock.copy()
    before[:, 0] = (before[:, 0] - ahead * before[:, 1]) % 1.0
    enough = (seen.sum(axis=1) >= ahead) & (mask[:, -ahead:].sum(axis=1) > 0)
    past, seen, known = past[enough], seen[enough], mask[enough, -ahead:]
    made = model.run(past, seen, before[enough]).quantiles
    error = values[enough, -ahead:, None] - made
    levels = np.array(QUANTILES, np.float32)
    loss = np.maximum(levels * error, (levels - 1) * error).mean(axis=2)
    count = seen.sum(axis=1, keepdims=True)
    middle = (past * seen).sum(axis=1, keepdims=True) / count
    spread = (np.abs(past - middle) * seen).sum(axis=1) / count[:, 0]
    total: FloatArray = (loss * known).sum(axis=1) / known.sum(axis=1) / (spread + _SMALLEST)
    return total


def on_stored_windows(
    new: Model, old: Model, config: InferenceConfig, database: Path
) -> Comparison:
    """Let both judge the newest samples in the store; nothing where there is no store yet."""
    compared = Comparison()
    if not database.exists():
        return compared
    try:
        series = _series(database)
    except StoreError:
        return compared  # the doctor says what is wrong with it
    ours, theirs = Detector(new, config), Detector(old, config)
    bank = WindowBank(warm_samples=config.warm_samples)
    for readings in _shown(series):
        samples = [sample for one in readings if (sample := _sample(bank, one)) is not None]
        for at in range(0, len(samples), _BATCH):
            batch = samples[at : at + _BATCH]
            for one, other in zip(ours.judge(batch), theirs.judge(batch), strict=True):
                compared.take(one, other)
    return compared


def _sample(bank: WindowBank, reading: Reading) -> Window | Warming | None:
    return bank.add(reading.time_s, float(reading.value), reading.dev_eui, reading.channel)


def _series(database: Path) -> list[list[Reading]]:
    """Return the newest samples of the channels best known, from devices evenly spread."""
    found: dict[tuple[DevEui, Channel], list[Reading]] = defaultdict(list)
    reader = Reader.beside(database)
    with closing(reader.connection):
        known = [device.info.dev_eui for device in reader.devices()]
        for dev_eui in known[:: max(1, -(-len(known) // MOST_DEVICES))]:
            for row in reader.history(dev_eui, MOST_SAMPLES):
                if not is_report(row.record.readings):
                    for reading in _measured(row.record.readings):
                        found[reading.dev_eui, reading.channel].append(reading)
    best = sorted(found.values(), key=len, reverse=True)
    return best[:MOST_CHANNELS]


def _measured(readings: Iterable[Reading]) -> Iterator[Reading]:
    return (one for one in readings if is_judged(one) and not one.channel.startswith("radio."))


def _shown(series: list[list[Reading]]) -> Iterator[list[Reading]]:
    """Pass the series through, with a bar when a person watches."""
    if not sys.stderr.isatty():
        yield from series
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(series, description="Trying it on stored history")
