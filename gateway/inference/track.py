"""What is remembered of one channel, and how a sample or a stored verdict changes it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from gateway.config import InferenceConfig
from gateway.inference.budget import Leeway, Terms
from gateway.inference.calibration import REFRESH, Calibration, Fused, fuse
from gateway.inference.episodes import Episode
from gateway.inference.habit import Habit
from gateway.inference.heads import MILLI, MISSING, Floats, Head
from gateway.inference.patterns import Look, name_pattern
from gateway.inference.suspicion import Suspicion
from gateway.types import QUANTILES, FloatArray, Forecast, Status, Verdict, Window

_NEWEST_SURPRISES = 24
_CLIP = 4.0
_EVENT_P = 1e-3
_EXTREME_P = 1e-4
_EXTREME_SURPRISE = 12.0
_USUAL_BOUND, _TAIL_POWER = 2e-4, 4.0
_NOTABLE, _FURTHER, _AWAY = 0.3, 2.5, 3
"""An excursion is a fault when it went so many times as far as any in the window's past."""
_UNFORESEEN, _WILD = (MILLI * math.log(surprise + 0.3) for surprise in (6.0, 8.0))
"""As `Head.STEP` has it."""
_KEYS = tuple(head.name.lower() for head in Head)
_FUSED = ("fused", "fast", "slow")
_SURPRISE, _STEP_S, _UNRIPE = "z", "step_s", "unripe"
_RECENT, _LEEWAY, _SUSPECTED = "recent", "leeway", "suspected"
_NEEDED = {*_FUSED, _STEP_S}
_SHARE = 1.0 / 12.0
"""The score is half the newest sample's oddness, at once, and half its running mean."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The newest forecast, waiting for its samples; `quantiles` are relative to `base`."""

    end_s: float
    step_s: float
    base: float
    quantiles: FloatArray

    def at(self, time_s: float) -> Floats:
        """Return a time's quantiles, float64 [11] in channel units, NaN beyond the horizon."""
        lead = max(round((time_s - self.end_s) / self.step_s), 1)
        if lead > len(self.quantiles):
            return np.full(len(QUANTILES), np.nan)
        quantiles: Floats = self.quantiles[lead - 1].astype(np.float64) + self.base
        return quantiles

    def forecast(self, window: Window) -> Forecast | None:
        """Return the whole forecast made from `window`, None when the model gave no numbers."""
        if not np.isfinite(self.quantiles).all():
            return None
        absolute = (self.quantiles + self.base).astype(np.float32)
        start_s = window.end_s + window.step_s
        return Forecast(window.dev_eui, window.channel, start_s, window.step_s, absolute)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What `Track.take` concludes of one sample."""

    p: float
    score: float
    anomalous: bool
    pattern: str
    heads: dict[str, float]


@dataclass(slots=True)
class Track:
    """One channel: about 24 kB, all of it rebuilt from stored verdicts and the newest window."""

    episode: Episode
    calibration: Calibration = field(default_factory=Calibration)
    surprises: deque[float] = field(default_factory=lambda: deque(maxlen=_NEWEST_SURPRISES))
    habit: Habit = field(default_factory=Habit)
    leeway: Leeway = field(default_factory=Leeway)
    suspicion: Suspicion = field(default_factory=Suspicion)
    recent: float = 0.0
    fused: Fused = (0, 0, 0)
    newest_s: float | None = None
    pending: Pending | None = None
    restored: Window | None = None
    step_s: float = 0.0

    @classmethod
    def begin(cls, config: InferenceConfig) -> Track:
        """Return the track of a channel never heard of."""
        return cls(Episode(config))

    def take(
        self, window: Window, row: list[int], look: Look, day: Floats, terms: Terms
    ) -> Judgement:
        """Judge the next sample by its heads (all but BIAS, which is of this track's making).

        The model's odds for a fault count twice: as a head, by how rare they are here, and as what
        they say, see `Suspicion`. Undetected faults make the former forgetful.

        `day` is the newest day as `habit.describe` tells it; `terms` say what is abnormal.
        """
        row[Head.BIAS] = self._bias(look.surprise)
        self._refresh(window.end_s, window.step_s)
        p_heads = self.calibration.p_heads(row)
        self.fused = fuse(p_heads, self.fused)
        rare = self.calibration.p_fused(self.fused)
        p = min(rare, self.suspicion.take(row[Head.FAULT]) if self.calibration.ripe else 1.0)
        bound = self.leeway.bound(terms.bound)
        extreme = self.calibration.ripe and self._is_extreme(p_heads, look, _reach(bound))
        if look.eventful:
            p = max(p, _EVENT_P)
        elif extreme:
            p = min(p, self.calibration.floor)
        ripe = self.calibration.ripe
        anomalous = self._remember(window.end_s, p, row, terms, extreme=extreme, ripe=ripe)
        if anomalous:
            self.episode.pattern = name_pattern(self.episode, p_heads, look)
        heads = self._heads(row, window.step_s, surprised=math.isfinite(look.surprise))
        if not ripe:
            heads[_UNRIPE] = 1.0
        unusual, lesson = self.habit.take(day, row[Head.JUMP], calm=not anomalous)
        score = self._score(unusual - math.log10(p))
        heads |= {_RECENT: self.recent, _SUSPECTED: self.suspicion.mean, **lesson}
        if terms.allowed > 0.0:
            heads[_LEEWAY] = self.leeway.decades
        return Judgement(p, score, anomalous, self.episode.pattern if anomalous else "", heads)

    def _is_extreme(self, p_heads: list[float], look: Look, reach: float) -> bool:
        """Whether one sample is so far out that waiting for another would be foolish.

        `reach` is how much further out than usually it must be.
        """
        if look.eventful:
            return False
        if self._came_back(look, reach):
            return True
        unlikely = max(p_heads[Head.STEP], p_heads[Head.JUMP]) < _EXTREME_P
        return unlikely and abs(look.surprise) > _EXTREME_SURPRISE * reach

    def _came_back(self, look: Look, reach: float) -> bool:
        """Whether one to three unforeseen samples were off further than ever, and now are over.

        Where the model takes them for a fault, a lesser excursion will do, if it was unforeseen.
        """
        if look.excursion < _NOTABLE:
            return False
        off = self.calibration.largest(Head.STEP, _AWAY) - MILLI * math.log(reach)
        if look.excursion > _FURTHER * reach and off > _UNFORESEEN:
            return True
        return self.suspicion.likely and off > _WILD

    def _score(self, oddness: float) -> float:
        self.recent = round(self.recent + _SHARE * (oddness - self.recent), 3)
        return (oddness + self.recent) / 2.0

    def replay(self, verdict: Verdict, terms: Terms) -> None:
        """Take a stored verdict through the steps that a fresh sample goes through.

        `terms` are what was agreed then, as far as one knows now.
        """
        heads = verdict.heads
        if verdict.p_value is None or not heads.keys() >= _NEEDED:
            return  # warming, or stored by a gateway with other heads
        row = [round(heads[key] * MILLI) if key in heads else MISSING for key in _KEYS]
        if _SURPRISE in heads:
            self.surprises.append(heads[_SURPRISE])
        self._refresh(verdict.time_s, heads[_STEP_S])
        now, fast, slow = (round(heads[key] * MILLI) for key in _FUSED)
        self.fused = (now, fast, slow)
        anomalous = verdict.status is Status.ANOMALOUS
        ripe = _UNRIPE not in heads
        self._remember(verdict.time_s, verdict.p_value, row, terms, extreme=anomalous, ripe=ripe)
        self.leeway.decades = heads.get(_LEEWAY, 0.0)
        self.suspicion.replay(row[Head.FAULT], heads.get(_SUSPECTED, self.suspicion.mean))
        self.episode.pattern = verdict.pattern
        self.habit.replay(heads)
        self.recent = heads.get(_RECENT, 0.0)

    def _remember(
        self, time_s: float, p: float, row: list[int], terms: Terms, *, extreme: bool, ripe: bool
    ) -> bool:
        bound = self.leeway.bound(terms.bound)
        anomalous = self.episode.step(time_s, p, bound, extreme=extreme)
        self.leeway.take(terms.allowed, began=anomalous and self.episode.samples == 1)
        self.calibration.add(row, self.fused if ripe else None)
        self.calibration.learn(self.episode.learnable(time_s))
        return anomalous

    def _bias(self, surprise: float) -> int:
        """Add a surprise, as it will be stored; return the BIAS head of the newest ones."""
        if math.isfinite(surprise):
            self.surprises.append(round(min(max(surprise, -_CLIP), _CLIP), 3))
        if len(self.surprises) < _NEWEST_SURPRISES or not self.calibration.ripe:
            return MISSING  # a model that has seen little errs to one side for a while
        return round(math.log(abs(sum(self.surprises)) / _NEWEST_SURPRISES + 0.05) * MILLI)

    def _refresh(self, time_s: float, step_s: float) -> None:
        """Refresh the calibration when the sample begins a new block of `REFRESH` steps of time."""
        block_s = REFRESH * step_s
        if self.newest_s is None or time_s // block_s != self.newest_s // block_s:
            self.calibration.refresh()
        self.newest_s, self.step_s = time_s, step_s

    def _heads(self, row: list[int], step_s: float, *, surprised: bool) -> dict[str, float]:
        heads = {key: value / MILLI for key, value in zip(_KEYS, row, strict=True)
                 if value != MISSING}  # fmt: skip
        if surprised:
            heads[_SURPRISE] = self.surprises[-1]
        heads |= {key: value / MILLI for key, value in zip(_FUSED, self.fused, strict=True)}
        heads[_STEP_S] = step_s
        return heads


def _reach(bound: float) -> float:
    """Return how much further out a lone value must be, 1 at the usual bound: tails are heavy."""
    return float(max((_USUAL_BOUND / bound) ** (1.0 / _TAIL_POWER), 1.0))
