"""What it means: readings, windows of them, forecasts and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from gateway.types.names import Channel, DevEui, FloatArray, Scalar


class ReadingKind(StrEnum):
    """What may be done with a reading: only NUMERIC is windowed and judged."""

    NUMERIC = "numeric"
    COUNTER = "counter"
    BOOLEAN = "boolean"
    ENUM = "enum"
    TEXT = "text"


DERIVED = "derived:"
"""How the key of a derived reading begins: it was in no payload, so no model judges it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one channel at one time. `unit` is "" when the channel has none.

    `key` is the name it had in the payload (dotted), so that nothing is ever lost to a rename; of a
    derived reading it is `DERIVED` and the formula.
    """

    dev_eui: DevEui
    channel: Channel
    value: Scalar
    unit: str
    kind: ReadingKind
    time_s: float
    key: str


@dataclass(frozen=True, slots=True)
class Window:
    """The recent past of one channel on a fixed step, newest slot last.

    `values` float64 [context], 0 where `mask` is 0; `mask` float32 [context], 1 = observed.
    `end_s` is the time of the newest slot, `observed` the newest sample itself, `samples` how many
    were ever seen (so it may exceed the context), `gap_steps` how many slots passed since the
    sample before it (1 = none missing).
    """

    dev_eui: DevEui
    channel: Channel
    end_s: float
    step_s: float
    values: npt.NDArray[np.float64]
    mask: FloatArray
    observed: float
    samples: int
    gap_steps: int


@dataclass(frozen=True, slots=True)
class Warming:
    """Not enough history to judge: its own type, never a score of 0."""

    dev_eui: DevEui
    channel: Channel
    time_s: float
    observed: float
    samples: int
    needed: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """Quantiles per coming step: `quantiles` float32 [horizon, len(QUANTILES)], channel units.

    Row 0 is for `start_s`, row i for `start_s + i * step_s`.
    """

    dev_eui: DevEui
    channel: Channel
    start_s: float
    step_s: float
    quantiles: FloatArray


class Status(StrEnum):
    """A verdict on one sample, as `backtest` writes it."""

    WARMING = "warming"
    OK = "ok"
    ANOMALOUS = "anomalous"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the detector thinks of one sample of one channel.

    `expected` is (low, mid, high), the 0.01, 0.5 and 0.99 quantiles, in channel units; `score`
    rises with abnormality and, unlike `p_value`, does not get used to it; `heads` holds each
    head's own raw nonconformity, so that calibration can be rebuilt from the store.
    `pattern` names the shape of what is wrong (`spike`, `stuck`, `drift`, `noise`, `level`,
    `rise`, `fall`) when status is ANOMALOUS. `model` is who judged, an adapter included; the store
    does not keep it.
    """

    dev_eui: DevEui
    channel: Channel
    time_s: float
    observed: float
    status: Status
    expected: tuple[float, float, float] | None = None
    score: float | None = None
    p_value: float | None = None
    heads: Mapping[str, float] = field(default_factory=dict)
    pattern: str = ""
    forecast: Forecast | None = None
    model: str = ""
