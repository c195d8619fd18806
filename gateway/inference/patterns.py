"""What shape an anomaly has, for the words of an alert."""

from __future__ import annotations

from gateway.inference.episodes import Episode
from gateway.inference.heads import Floats, Head, Shape

SPIKE, STUCK, DRIFT, NOISE, LEVEL, RISE, FALL = (
    "spike", "stuck", "drift", "noise", "level", "rise", "fall",
)  # fmt: skip

_MEAN, _ROUGHNESS = 0, 2
_LONG_RUN = 12
_ROUGH = 3.0
_MOVING = 0.15
_SLOW_SAMPLES = 24


def name_pattern(episode: Episode, p: Floats, shape: Shape, at: int, z: float) -> str:
    """Name what the newest sample of an anomalous channel looks like.

    `p` float64 [HEADS]; `at` is the window's row in `shape`; `z` the signed surprise.
    """
    least = int(p.argmin())
    shift = shape.shift[at]
    if shape.run[at] >= _LONG_RUN and p[Head.RUN] <= 10 * p[least]:
        return STUCK
    if episode.sudden:
        return SPIKE
    if shift[_ROUGHNESS] >= _ROUGH and shift[_ROUGHNESS] > abs(shift[_MEAN]):
        return NOISE
    return _direction(episode, least, shape, at, z)


def _direction(episode: Episode, least: int, shape: Shape, at: int, z: float) -> str:
    slope, spread = float(shape.slope[at]), float(shape.spread[at])
    if least == Head.BIAS and episode.samples >= _SLOW_SAMPLES:
        return DRIFT
    if abs(slope) >= _MOVING * spread:
        return RISE if slope > 0 else FALL
    if least in {Head.STEP, Head.JUMP}:
        return RISE if z > 0 else FALL
    return LEVEL
