# ruff: noqa: PLR2004 - shares and sizes of invented data say what they are where they stand
"""Faults that sensors really have, put into clean windows: the network learns to see through them.

Kinds follow Sharma (2010), de Bruijn (2016) and the flags of soil networks: spike, stuck, bias,
drift, noise, dropout, sag, clip; and three ways in which a course is no longer the channel's own:
swell, smooth, burst. A fault lies in rows of [rows, length]; the label marks every
slot it touched.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float32]
Maker = Callable[[np.random.Generator, Series, float], Series]


def float32(x: npt.NDArray[np.generic]) -> Series:
    """Return an array in the type of a window."""
    return np.asarray(x, dtype=np.float32)


def spike(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Throw one to three samples far off."""
    few = x[: int(rng.integers(1, 4))]
    return float32(few + rng.choice((-1, 1)) * size * rng.uniform(2, 8))


def stuck(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Repeat the same number again and again."""
    del rng, size
    return np.full_like(x, x[0])


def bias(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Put all values off by the same amount."""
    return float32(x + rng.choice((-1, 1)) * size * rng.uniform(1, 4))


def drift(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Add an error that grows, straight or bent."""
    ramp = np.linspace(0, 1, len(x)) ** rng.uniform(0.7, 2.5)
    return float32(x + rng.choice((-1, 1)) * size * rng.uniform(1.5, 5) * ramp)


def noise(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Add far more noise than before."""
    return float32(x + size * rng.uniform(0.5, 3) * rng.standard_normal(len(x)))


def dropout(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Replace some samples by one value far below: zero, or a sentinel."""
    away = x.min() - size * rng.choice((2.0, 5.0, 50.0))
    return float32(np.where(rng.random(len(x)) < rng.uniform(0.2, 1), away, x))


def sag(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Subtract a dip that recovers: a weak battery, frost in the soil."""
    bow = np.sin(np.linspace(0, np.pi, len(x)))
    return float32(x - size * rng.uniform(1, 5) * bow)


def clip(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Hold values below a bound that they should pass."""
    del size
    bound = np.float32(np.quantile(x, rng.uniform(0.1, 0.6)))
    return float32(np.minimum(x, bound))


def swell(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Swing several times as wide about the same level, or a fraction as wide."""
    del size
    factor = rng.uniform(1.8, 4.0) if rng.random() < 0.5 else rng.uniform(0.0, 0.5)
    return float32(x.mean() + (x - x.mean()) * factor)


def smooth(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Follow too slowly: a fouled or iced probe."""
    del size
    keep = rng.uniform(0.8, 0.98)
    out, state = np.empty_like(x), x[0]
    for t, value in enumerate(x):
        state = keep * state + (1 - keep) * value
        out[t] = state
    return out


def burst(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Throw some of the samples off, all to one side, by differing amounts."""
    thrown = rng.random(len(x)) < rng.uniform(0.1, 0.6)
    reach = size * rng.uniform(1.5, 6) * rng.exponential(1.0, len(x))
    return float32(x + rng.choice((-1, 1)) * np.where(thrown, reach, 0.0))


KINDS: dict[str, Maker] = {
    "spike": spike,
    "stuck": stuck,
    "bias": bias,
    "drift": drift,
    "noise": noise,
    "dropout": dropout,
    "sag": sag,
    "clip": clip,
    "swell": swell,
    "smooth": smooth,
    "burst": burst,
}


def inject(rng: np.random.Generator, clean: Series) -> tuple[Series, npt.NDArray[np.bool_], str]:
    """Return a copy of one window [length] with a fault, where it is, and its kind.

    A slot is labelled only where the value really differs from the clean one (NaN stays NaN).
    Half of the faults reach the newest slot.
    """
    kind = str(rng.choice(list(KINDS)))
    length = int(np.exp(rng.uniform(np.log(4), np.log(128))))
    length = min(length, len(clean))
    start = (
        len(clean) - length if rng.random() < 0.5 else int(rng.integers(len(clean) - length + 1))
    )
    size = float(np.nanmean(np.abs(clean - np.nanmean(clean)))) if np.isfinite(clean).any() else 0.0
    size = (size + 1e-3 * float(rng.random())) * float(rng.choice((0.4, 1.0, 2.0)))
    part = clean[start : start + length]
    seen = part[np.isfinite(part)]
    if seen.size == 0:
        return clean.copy(), np.zeros(len(clean), dtype=bool), kind
    made = KINDS[kind](rng, seen, size)
    damaged = clean.copy()
    slots = start + np.flatnonzero(np.isfinite(part))[-len(made) :]
    damaged[slots] = made
    label = np.isfinite(clean) & (damaged != clean)
    return damaged, label, kind
