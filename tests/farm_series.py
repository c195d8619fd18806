"""Series as sensors give them, for tests: by seed, quantized, on a quarter of an hour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float64]
STEP_S = 900.0
DAY = 96
START_S = 1_700_000_000.0


def times(samples: int) -> Series:
    """Return times with a little jitter."""
    jitter = np.random.default_rng(samples).uniform(-10, 10, samples)
    return START_S + np.arange(samples) * STEP_S + jitter


def air_temperature(samples: int, seed: int = 0) -> Series:
    """Return a diurnal cycle on slow weather, °C."""
    rng = np.random.default_rng(seed)
    day = np.arange(samples) / DAY
    weather = np.cumsum(rng.normal(0, 0.06, samples))
    noise = rng.normal(0, 0.1, samples)
    return np.round(20 + 6 * np.sin(2 * np.pi * (day - 0.35)) + weather + noise, 1)


def soil_moisture(samples: int, seed: int = 0) -> Series:
    """Return irrigation every two to three days, each followed by a dry-down, %."""
    rng = np.random.default_rng(seed)
    starts = set(np.cumsum(rng.integers(190, 300, samples // 150)).tolist())
    level, moisture = 30.0, np.empty(samples)
    for at in range(samples):
        if any(at - back in starts for back in (0, 1, 2)):
            level += 2.0
        level -= (level - 14) * 0.0008 * (1 + 0.8 * np.sin(2 * np.pi * (at / DAY - 0.3)))
        moisture[at] = level
    return np.round(moisture + rng.normal(0, 0.05, samples), 1)
