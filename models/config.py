"""Every number of the network and of its training, by the name of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.types import QUANTILES


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network. `context` and `horizon` are multiples of `patch`.

    A lag (days, more) is the newest value known a whole number of `days` before a coming step,
    `more` times further back; `averaged` says over how many of the newest days the usual value of
    a time of day is taken, 0 for not at all.
    """

    context: int = 512
    horizon: int = 96
    patch: int = 16
    width: int = 128
    layers: int = 4
    heads: int = 4
    hidden: int = 256
    embedding: int = 32
    quantiles: tuple[float, ...] = QUANTILES
    lags: tuple[tuple[int, int], ...] = ((1, 0), (1, 1), (7, 0))
    averaged: int = 6

    @property
    def guides(self) -> int:
        """How many series of earlier values guide the forecast."""
        return len(self.lags) + (self.averaged > 0)

    @property
    def past(self) -> int:
        """How many tokens the context makes."""
        return self.context // self.patch

    @property
    def future(self) -> int:
        """How many tokens ask for the horizon."""
        return self.horizon // self.patch


@dataclass(frozen=True, slots=True)
class Config:
    """One training run. `margin` is how far a stored window may be shifted before each use.

    `seconds` bounds the time, and the learning rate falls in step with it.
    """

    name: str
    shape: Shape
    steps: int
    batch: int = 64
    peak_rate: float = 2e-3
    warmup: int = 200
    weight_decay: float = 0.02
    clip: float = 1.0
    synthetic: int = 100_000
    real: int = 120_000
    real_share: float = 0.6
    margin: int = 128
    seed: int = 1
    average: float = 0.999
    muon: bool = True
    seconds: float = 3300.0
    fast: bool = True


_SHAPE = Shape()
_TINY = Shape(width=48, layers=2, hidden=96)

CONFIGS = {
    config.name: config
    for config in (
        Config("trial", Shape(width=32, layers=1, hidden=64), 30, 16, synthetic=256, real=0),
        Config("quick", _SHAPE, 1_000, synthetic=8_000, real=8_000),
        Config("small", _SHAPE, 32_000),
        Config("tiny", _TINY, 40_000, peak_rate=3e-3, seconds=1320.0),
        Config("further", _SHAPE, 26_000, peak_rate=1e-3, real_share=0.7, seed=2, seconds=2700.0),
    )
}
