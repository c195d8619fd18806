# ruff: noqa: PLR2004 - shares and sizes of invented data say what they are where they stand
"""Invented sensor channels: what farms, greenhouses, tanks and radios look like, and harder.

Every family is a function of a `Field` (a batch of rows with their clock) that returns float64
[rows, length] in arbitrary units. `generate` mixes families, then adds what real sensors add:
noise, a change of regime, coarse resolution, clipping. All randomness comes from the generator
given, so a seed repeats the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float64]

STEPS_S = (60, 120, 300, 600, 600, 900, 900, 900, 1200, 1800, 1800, 3600)
"""Sampling intervals drawn from; the common ones come more often."""


@dataclass(frozen=True, slots=True)
class Field:
    """A batch to fill: `day` [rows, length] is time in days, `step` [rows, 1] the interval."""

    rng: np.random.Generator
    day: Rows
    step: Rows

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.day)

    def uniform(self, low: float, high: float) -> Rows:
        """Draw one number per row, [rows, 1]."""
        return self.rng.uniform(low, high, (self.rows, 1))

    def log_uniform(self, low: float, high: float) -> Rows:
        """Draw one number per row evenly over its magnitudes, [rows, 1]."""
        return np.exp(self.uniform(float(np.log(low)), float(np.log(high))))

    def normal(self) -> Rows:
        """Draw standard noise, [rows, length]."""
        return self.rng.standard_normal(self.day.shape)

    def events(self, per_day: Rows) -> npt.NDArray[np.bool_]:
        """Draw when things happen, [rows, length], at a mean rate per row."""
        return self.rng.random(self.day.shape) < per_day * self.step


def leaky(push: Rows, keep: Rows) -> Rows:
    """Return x[t] = keep * x[t - 1] + push[t] along each row; `keep` is [rows, 1]."""
    out = np.empty_like(push)
    state = np.zeros(len(push))
    for t in range(push.shape[1]):
        state = keep[:, 0] * state + push[:, t]
        out[:, t] = state
    return out


def wander(field: Field, days: Rows) -> Rows:
    """Return an Ornstein-Uhlenbeck path of unit variance that forgets within `days`."""
    keep = np.exp(-field.step / days)
    start = np.zeros_like(field.day)
    start[:, 0] = field.rng.standard_normal(field.rows) / np.sqrt(1 - keep[:, 0] ** 2)
    path: Rows = np.sqrt(1 - keep**2) * leaky(field.normal() + start, keep)
    return path


def weather(field: Field) -> Rows:
    """Return a smooth slow path, unit-sized: fronts that pass in days."""
    return 0.7 * wander(field, field.log_uniform(1, 8)) + 0.3 * wander(
        field, field.log_uniform(0.1, 1)
    )


def daily(field: Field) -> Rows:
    """Return a shape that repeats every day, unit-sized, its harmonics falling off."""
    total = np.zeros_like(field.day)
    falloff = field.uniform(0.8, 3.0)
    for harmonic in range(1, 7):
        size = field.rng.standard_normal((field.rows, 1)) / harmonic**falloff
        total += size * np.sin(2 * np.pi * (harmonic * field.day + field.uniform(0, 1)))
    size = total.std(1, keepdims=True) + 1e-9
    return np.asarray(total / size)


def sun(field: Field) -> Rows:
    """Return daylight in [0, 1] under clouds."""
    length = field.uniform(-0.4, 0.4)
    height = np.sin(2 * np.pi * (field.day - field.uniform(0.2, 0.3))) + length
    clouds = 1 / (1 + np.exp(-1.5 * wander(field, field.log_uniform(0.03, 1.0)) - 1))
    return np.maximum(height, 0) * clouds / (1 + length)


def temperature(field: Field) -> Rows:
    """Make air or soil temperature: a daily wave that weather swells, upon a slow path."""
    swing = np.exp(0.4 * wander(field, field.log_uniform(1, 6)))
    lagged = sun(field)
    keep = np.exp(-field.step / field.log_uniform(0.01, 1.0))
    lagged = leaky(lagged * (1 - keep), keep)
    lagged /= lagged.std(1, keepdims=True) + 1e-9
    wave = np.where(field.uniform(0, 1) < 0.5, lagged, daily(field)) * swing
    return wave * field.uniform(0.0, 2.0) + weather(field) * field.log_uniform(0.1, 3.0)


def humidity(field: Field) -> Rows:
    """Make relative humidity: it falls by day and rests at its ceiling by night."""
    raw = 75 - 15 * temperature(field)
    return 100 - np.maximum(100 - raw, 0.3 * np.abs(field.rng.standard_normal(raw.shape)))


def soil(field: Field) -> Rows:
    """Make soil moisture: irrigation or rain lifts it, then it dries towards a floor."""
    rain = field.events(field.log_uniform(0.02, 1.0)) * field.rng.exponential(1.0, field.day.shape)
    hour, every = field.uniform(0, 1), np.floor(field.uniform(1, 4))
    due = (np.floor(field.day - hour) > np.floor(field.day - hour - field.step)) & (
        np.floor(field.day - hour) % every == 0
    )
    kind = field.uniform(0, 1)
    push = rain * (kind < 0.7) + due * (kind > 0.4) * field.uniform(0.3, 1.5)
    fast = np.exp(-field.step / field.log_uniform(0.02, 0.3))
    slow = np.exp(-field.step / field.log_uniform(1.0, 20.0))
    soak = np.exp(-field.step / field.log_uniform(0.001, 0.08))
    push = leaky(push * (1 - soak), soak)
    wet = leaky(push, slow) + field.uniform(0, 1) * leaky(push, fast)
    swing = field.uniform(0, 0.1) * daily(field)
    ceiling = field.uniform(1.5, 6.0)
    return ceiling * np.tanh(wet / ceiling) + swing


def tank(field: Field) -> Rows:
    """Make a tank level: drawn down in daytime, filled when low, or filled by a timetable."""
    use = np.maximum(field.log_uniform(0.2, 4.0) * (1 + field.uniform(0, 1.5) * daily(field)), 0)
    use = use * field.step * field.rng.gamma(2.0, 0.5, field.day.shape)
    fill = field.log_uniform(2, 60) * field.step
    low, high = field.uniform(0.1, 0.5)[:, 0], field.uniform(0.7, 1.0)[:, 0]
    level, filling = field.uniform(0.3, 0.9)[:, 0], np.zeros(field.rows, dtype=bool)
    out = np.empty_like(field.day)
    for t in range(field.day.shape[1]):
        filling = (filling & (level < high)) | (level < low)
        level = np.clip(level - use[:, t] + fill[:, 0] * filling, 0, 1)
        out[:, t] = level
    return out


def pump(field: Field) -> Rows:
    """Make a motor current: idle, or on by a timetable or by chance, with a load that wanders."""
    phase = (field.day * np.floor(field.uniform(1, 12)) + field.uniform(0, 1)) % 1.0
    timed = phase < field.uniform(0.05, 0.6)
    chance = wander(field, field.log_uniform(0.02, 0.5)) > field.uniform(-0.5, 1.5)
    day = (field.day % 1.0 > field.uniform(0.1, 0.4)) & (field.day % 1.0 < field.uniform(0.6, 0.95))
    kind = field.uniform(0, 1)
    on = np.where(kind < 0.4, timed, np.where(kind < 0.7, chance, timed & day))
    load = 1 + field.uniform(0, 0.1) * wander(field, field.log_uniform(0.1, 3))
    return on * (load + field.uniform(0, 0.06) * field.normal()) + 0.01 * field.normal()


def gas(field: Field) -> Rows:
    """Make CO2 or particles: sources come and go, air exchange carries away; skewed."""
    push = np.maximum(daily(field) + 0.5 * wander(field, field.log_uniform(0.05, 1)), 0)
    push = push + 8 * field.events(field.log_uniform(0.05, 4)) * field.uniform(0, 1)
    keep = np.exp(-field.step / field.log_uniform(0.01, 0.5))
    level = leaky(push * (1 - keep), keep)
    skewed = np.exp(field.uniform(0.2, 1.0) * (weather(field) + 0.4 * daily(field)))
    return np.where(field.uniform(0, 1) < 0.5, level, skewed)


def noise(field: Field) -> Rows:
    """Make sound or traffic: loud days, quiet nights and weekends, bursts to one side."""
    week = 1 - field.uniform(0, 0.9) * (np.floor(field.day) % 7 >= 5) * (field.uniform(0, 1) < 0.6)
    burst = field.rng.gamma(field.uniform(0.3, 2), 1.0, field.day.shape)
    return daily(field) * week * field.uniform(0.3, 3) + burst * field.uniform(0.1, 1.0)


def battery(field: Field) -> Rows:
    """Make a battery: a slow decline, a little warmth, perhaps a solar panel."""
    solar = field.uniform(0, 1) < 0.4
    keep = np.exp(-field.step / field.uniform(0.2, 1.0))
    decline = -field.log_uniform(0.002, 0.3) * (field.day - field.day[:, :1])
    return decline + 0.05 * temperature(field) + solar * leaky(sun(field) * (1 - keep), keep)


def radio(field: Field) -> Rows:
    """Make RSSI or SNR in whole dB: noise around a level that now and then moves."""
    level = np.cumsum(field.events(field.log_uniform(0.01, 0.5)) * field.normal() * 4, axis=1)
    return np.round(
        level + field.uniform(0.5, 5) * field.normal() + field.uniform(0, 3) * weather(field)
    )


def counter(field: Field) -> Rows:
    """Make a running total (water, rain, energy) that may start again from zero."""
    rate = np.maximum(1 + field.uniform(0, 2) * daily(field), 0) * field.rng.gamma(
        field.uniform(0.05, 3), 1.0, field.day.shape
    )
    total = np.cumsum(rate * field.step, axis=1)
    period = field.log_uniform(1, 60)
    resets = field.uniform(0, 1) < 0.3
    start = np.floor(field.day / period)
    base = np.maximum.accumulate(
        np.where(np.diff(start, axis=1, prepend=start[:, :1]) > 0, total, 0.0), axis=1
    )
    return total - resets * base


def levels(field: Field) -> Rows:
    """Make set points and states: flat, then another level, then perhaps the first again."""
    choices = field.rng.standard_normal((field.rows, 5))
    change = field.events(field.log_uniform(0.1, 12))
    pick = np.cumsum(change * field.rng.integers(1, 5, field.day.shape), axis=1) % 5
    out: Rows = np.take_along_axis(choices, pick, axis=1)
    return out


def quiet(field: Field) -> Rows:
    """Make a channel where nothing happens: constant, or flickering between neighbours."""
    flicker = np.round(field.uniform(0, 0.6) * wander(field, field.log_uniform(0.01, 5)))
    return flicker * (field.uniform(0, 1) < 0.7)


def rain(field: Field) -> Rows:
    """Make rain per interval: nothing for days, then showers."""
    wet = wander(field, field.log_uniform(0.1, 1)) > field.uniform(0.8, 2.2)
    return wet * field.rng.gamma(0.6, 1.0, field.day.shape)


def kernels(field: Field) -> Rows:
    """Mix random waves of any period, paths, trends and products, like a Gaussian process."""
    waves = np.zeros_like(field.day)
    for _ in range(4):
        period = field.step * field.log_uniform(4, 400)
        waves += field.rng.standard_normal((field.rows, 1)) * np.sin(
            2 * np.pi * (field.day / period + field.uniform(0, 1))
        )
    path = wander(field, field.step * field.log_uniform(1, 1000))
    trend = (field.day - field.day.mean(1, keepdims=True)) / (np.ptp(field.day, axis=1)[:, None])
    mixed = field.uniform(0, 1) * waves + field.uniform(0, 2) * path
    product = waves * (1 + 0.5 * path)
    chosen = np.where(field.uniform(0, 1) < 0.7, mixed, product)
    return np.asarray(chosen + field.uniform(-2, 2) * trend)


def walk(field: Field) -> Rows:
    """Make a random walk, or a smooth one whose slope walks."""
    plain = np.cumsum(field.normal(), axis=1)
    slope = leaky(field.normal(), 1 - field.log_uniform(0.01, 0.3))
    return np.where(field.uniform(0, 1) < 0.5, plain, np.cumsum(slope, axis=1))


def seasonal(field: Field) -> Rows:
    """Make a clean daily shape with noise upon it, nothing else."""
    return daily(field) + field.log_uniform(0.01, 2.0) * field.normal()


FAMILIES: dict[str, tuple[float, Callable[[Field], Rows]]] = {
    "temperature": (3.0, temperature),
    "humidity": (1.5, humidity),
    "soil": (3.0, soil),
    "tank": (1.5, tank),
    "pump": (1.5, pump),
    "gas": (2.0, gas),
    "noise": (1.5, noise),
    "light": (1.0, sun),
    "battery": (1.0, battery),
    "radio": (1.0, radio),
    "counter": (0.7, counter),
    "levels": (1.0, levels),
    "quiet": (0.7, quiet),
    "rain": (0.5, rain),
    "kernels": (2.5, kernels),
    "walk": (1.0, walk),
    "seasonal": (1.5, seasonal),
}
"""Weight and maker of each kind of channel."""


def generate(
    rng: np.random.Generator, rows: int, length: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], list[str]]:
    """Return values [rows, length], clock [rows, 2] of the last slot, and each row's family."""
    names = list(FAMILIES)
    weights = np.array([FAMILIES[name][0] for name in names])
    chosen = np.sort(rng.choice(len(names), rows, p=weights / weights.sum()))
    step = rng.choice(STEPS_S, (rows, 1)) / 86400.0
    day = rng.uniform(0, 7, (rows, 1)) + np.arange(length) * step
    values = np.empty((rows, length))
    for index in np.unique(chosen):
        here = chosen == index
        field = Field(rng, day[here], step[here])
        values[here] = worn(field, FAMILIES[names[index]][1](field))
    clock = np.concatenate([day[:, -1:] % 1.0, step], axis=1)
    order = rng.permutation(rows)
    labels = [names[chosen[i]] for i in order]
    return values[order].astype(np.float32), clock[order].astype(np.float32), labels


def worn(field: Field, values: Rows) -> Rows:
    """Add what a sensor and a farm add: noise, a changed regime, coarse steps, clipping."""
    size = values.std(1, keepdims=True) + 1e-6
    at = field.rng.integers(0, values.shape[1], (field.rows, 1))
    after = np.arange(values.shape[1])[None] >= at
    changed = field.uniform(0, 1) < 0.08
    factor = np.where(changed & after, field.log_uniform(0.4, 2.5), 1.0)
    shift = (changed & after) * field.rng.standard_normal((field.rows, 1)) * size
    values = values * factor + shift
    noisy = field.uniform(0, 1) < 0.5
    values = values + noisy * field.log_uniform(1e-3, 0.3) * size * field.normal()
    coarse = size * field.log_uniform(0.005, 0.6)
    rounded = np.round(values / coarse) * coarse
    values = np.where(field.uniform(0, 1) < 0.45, rounded, values)
    ceiling = np.quantile(values, 0.85, axis=1, keepdims=True)
    return np.where(field.uniform(0, 1) < 0.03, np.minimum(values, ceiling), values)
