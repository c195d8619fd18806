# ruff: noqa: PLR2004 - shares and sizes of invented data say what they are where they stand
"""Faults that sensors really have, put into clean windows: the network learns to see through them.

Kinds follow Sharma (2010), de Bruijn (2016) and the flags of soil networks: spike, stuck, bias,
drift, noise, dropout, sag, clip; three ways in which a course is no longer the channel's own:
swell, smooth, burst; and two ways to die: creep, fade. A fault lies in rows of [rows, length]; the
label marks every slot it touched. `water` is no fault, and is there to be told from them.
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


def creep(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Stay nearly where it was, trembling: a cable that came off, an input that floats."""
    tremble = size * rng.uniform(0.005, 0.1) * rng.standard_normal(len(x))
    return float32(x[0] + (np.cumsum(tremble) * 0.3 if rng.random() < 0.5 else tremble))


def fade(rng: np.random.Generator, x: Series, size: float) -> Series:
    """Lose touch: what is left of the course decays towards one value."""
    towards = x[0] + size * rng.uniform(-3, 3)
    left = np.exp(-np.arange(len(x)) / rng.uniform(4, 60))
    return float32(towards + (x - towards) * left)


def water(rng: np.random.Generator, x: Series) -> Series:
    """Return a window [n] with waterings or showers: a quick rise, then a slow fall. No fault."""
    size = spread(x) * float(np.exp(rng.uniform(np.log(0.5), np.log(8.0))))
    slots = np.arange(len(x))
    every = int(np.exp(rng.uniform(np.log(20), np.log(400)))) if rng.random() < 0.5 else len(x)
    first = int(rng.integers(len(x)))
    soak, dry = np.exp(rng.uniform(np.log([0.3, 15.0]), np.log([6.0, 400.0])))
    lifted = np.zeros(len(x))
    for at in range(first % every, len(x), every):
        age = np.maximum(slots - at - int(rng.integers(3)), 0)
        lifted += rng.uniform(0.3, 1.5) * (1 - np.exp(-age / soak)) * np.exp(-age / dry)
    return float32(x + size * lifted)


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
    "creep": creep,
    "fade": fade,
}
_SHARES = {"drift": 2.5, "sag": 2.5, "bias": 2.0, "spike": 1.5}
_WEIGHTS = np.array([_SHARES.get(kind, 1.0) for kind in KINDS])
_LONGEST = 200


def spread(x: Series) -> float:
    """Return the mean absolute deviation of what is known, 0 when nothing is."""
    seen = x[np.isfinite(x)].astype(np.float64)
    return float(np.abs(seen - seen.mean()).mean()) if seen.size else 0.0


def usual_size(rng: np.random.Generator, clean: Series) -> float:
    """Draw what a fault's size is measured by: the spread, or a usual change within some slots.

    A channel that moves slowly over a wide range shows faults far smaller than its range.
    """
    lag = int(np.exp(rng.uniform(0, np.log(48))))
    change = np.abs(clean[lag:] - clean[:-lag])
    change = change[np.isfinite(change)]
    whole = spread(clean)
    near = float(np.median(change)) + 0.03 * whole if change.size else whole
    size = whole if rng.random() < 0.35 else near
    return (size + 1e-3 * whole * float(rng.random())) * float(np.exp(rng.uniform(-1.2, 1.1)))


def placed(rng: np.random.Generator, kind: str, slots: int) -> tuple[int, int, int]:
    """Draw where a fault begins and ends in a window, and how long it would be in all.

    More than half are still going on at the newest slot, at any age and so at any strength:
    a drift that has just begun looks like nothing, one in full course is plain.
    """
    shortest = 1 if kind == "spike" else 4
    length = int(np.exp(rng.uniform(np.log(shortest), np.log(_LONGEST))))
    length = min(length, 3 if kind == "spike" else slots)
    if rng.random() < 0.6:
        begun = slots - min(int(rng.integers(1, length + 1)), slots)
        return begun, slots, length
    begun = int(rng.integers(slots - length + 1))
    return begun, begun + length, length


def inject(rng: np.random.Generator, clean: Series) -> tuple[Series, npt.NDArray[np.bool_], str]:
    """Return a copy of one window [length] with a fault, where it is, and its kind.

    A slot is labelled only where the value really differs from the clean one (NaN stays NaN).
    """
    kind = str(rng.choice(list(KINDS), p=_WEIGHTS / _WEIGHTS.sum()))
    start, stop, length = placed(rng, kind, len(clean))
    part = clean[start:stop]
    seen = part[np.isfinite(part)]
    if seen.size == 0:
        return clean.copy(), np.zeros(len(clean), dtype=bool), kind
    whole = np.resize(np.concatenate([seen, seen[::-1]]), max(length, seen.size))
    made = KINDS[kind](rng, whole, usual_size(rng, clean))[: seen.size]
    damaged = clean.copy()
    slots = start + np.flatnonzero(np.isfinite(part))[-len(made) :]
    damaged[slots] = made
    label = np.isfinite(clean) & (damaged != clean)
    return damaged, label, kind
