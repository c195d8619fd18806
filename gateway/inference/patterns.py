"""What shape an anomaly has, for the words of an alert."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.inference.episodes import Episode
from gateway.inference.heads import Head

SPIKE, STUCK, DRIFT, NOISE, LEVEL, RISE, FALL = (
    "spike", "stuck", "drift", "noise", "level", "rise", "fall",
)  # fmt: skip

_LONG_RUN = 6
_ROUGH = 3.0
_MOVING = 0.15
_SLOW_SAMPLES = 24
_RARE_RUN = 2e-3


@dataclass(frozen=True, slots=True)
class Look:
    """What one window looks like, as far as a name needs it.

    `surprise` is the signed distance of the newest sample from its forecast, NaN without one;
    `level` and `roughness` are the newest day's, in standard deviations of the days before;
    `slope` is the newest movement as a share of the window's spread; `run` counts equal values;
    `excursion` is how many times as far as ever the value was away before it has just come back.
    """

    surprise: float
    level: float
    roughness: float
    slope: float
    run: int
    eventful: bool
    excursion: float = 0.0


def name_pattern(episode: Episode, p: list[float], look: Look) -> str:
    """Name what the newest sample of an anomalous channel looks like, by p-value per head."""
    least = min(p)
    if look.run >= _LONG_RUN and p[Head.RUN] <= _RARE_RUN:
        return STUCK
    if episode.sudden:
        return SPIKE
    if look.roughness >= _ROUGH and look.roughness > abs(look.level):
        return NOISE
    return _movement(episode, p.index(least), look)


def _movement(episode: Episode, head: int, look: Look) -> str:
    if head == Head.BIAS and episode.samples >= _SLOW_SAMPLES:
        return DRIFT
    if head in {Head.CLIMB, Head.SINK}:
        return RISE if head == Head.CLIMB else FALL
    if abs(look.slope) >= _MOVING:
        return RISE if look.slope > 0 else FALL
    if head in {Head.STEP, Head.JUMP}:
        return RISE if look.surprise > 0 else FALL
    return LEVEL
