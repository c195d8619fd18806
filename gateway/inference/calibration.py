"""From nonconformity to p-value: rolling conformal over a channel's own past, with a tail.

The newest `LENGTH` rows are the whole state, so storing each row's figures and replaying them
gives the state back. Up to the score that a tenth of the past exceeds, a p-value is a rank; beyond
it the excess is exponential on the heads' logarithmic scale (a power law in raw units: heavy,
hence careful), its mean shrunk towards a prior while scores are few. The summary of the past is
refreshed every `REFRESH` steps of time, so it does not matter when the gateway was started.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from gateway.inference.heads import HEADS, MILLI, MISSING, Head, Milli

LENGTH = 1000
REFRESH = 8
GAP = 64
"""The newest samples wait before they count, so that a slow fault does not teach itself."""

SPANS = (1, 5, 24)
"""The heads are fused now, and over these many samples: what is odd for an hour, or mildly odd for
a day, matters more than what is odder once."""

ROWS = HEADS + len(SPANS)
"""Below the heads, each fused score is calibrated itself: heads may depend on each other."""

_FIRST_CAPACITY = 64
_TAIL_SHARE = 0.1
_FEWEST = 48
_LEVELS = np.linspace(0.0, 1.0 - _TAIL_SHARE, 28)
_PRIOR_EXCESS = np.array([0.5, 0.4, 0.5, 0.4, 0.5, 0.6, 0.4, 0.4, 0.6, 0.5, 0.35, 0.25])
_SMALLEST_EXCESS = np.array([0.2, 0.2, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2, 0.3, 0.43, 0.28, 0.25])
_PRIOR_WEIGHT = 6.0
_RIPE = 150
"""Scores fused from p-values of a shorter past are too wild to calibrate by."""
_UNPROVEN = 0.05
_SLOWNESS = (1.0, 16.0, 1.0, 4.0, 1.0, 1.0, 4.0, 4.0, 1.0)
"""Heads that look at a day give scores that are much alike: so many say less than they seem to."""
_FUSED_FLOOR = 12.0
"""No fused p-value is below this over n²: a few days of the past cannot call much impossible."""

_SUSPECT, _SUSPECT_SHARE = 2.0 * MILLI, 0.1
"""What the model itself takes for a fault is not learned, unless that is so often said that it is
this channel's way. On clean recordings (*tune*) 1 sample of 400 is; the worst channel has 3 %."""

_ALIKE = 400
"""A past move this little below counts as alike: the next irrigation may be a larger one."""
_FORGIVEN = 2
"""So many alike moves of the past do not yet make one usual."""

Fused = tuple[int, int, int]
"""The fused score now and its running means over `SPANS` samples, -log10 p in thousandths."""


@dataclass(frozen=True, slots=True)
class Tail:
    """One row's past: its quantiles up to `top`, then a mean excess; `likes` the scores above.

    `likes` is empty for a head whose past likes prove nothing: a probe may be stuck twice.
    """

    quantiles: array[int]
    top: float
    excess: float
    share: float
    known: int
    likes: Milli

    def p(self, score: int) -> float:
        """Return the share of the past that was at least as odd."""
        if score <= self.top:
            below = bisect_left(self.quantiles, score) / len(self.quantiles)
            return 1.0 - below * (1.0 - self.share)
        far = self.share * math.exp(-(score - self.top) / self.excess)
        if self.likes.size:
            alike = self.likes.size - int(np.searchsorted(self.likes, score - _ALIKE)) - _FORGIVEN
            far = max(far, alike / (self.known + 1.0))
        return far


class Calibration:
    """One channel's past scores: int16 [ROWS + 1, up to LENGTH], and their summary.

    The row beyond ROWS says which samples are learned, that is, part of what is normal here.
    """

    __slots__ = ("_learned", "_scores", "_tails", "size")

    def __init__(self) -> None:
        self._scores: Milli = np.empty((ROWS + 1, _FIRST_CAPACITY), np.int16)
        self._tails: list[Tail | None] = [None] * ROWS
        self._learned = 0
        self.size = 0

    def add(self, row: list[int], fused: Fused | None) -> None:
        """Remember a sample, not yet learned; `fused` is None while the past is not `ripe`."""
        if self.size == self._scores.shape[1]:
            self._make_room()
        self._scores[:, self.size] = (*row, *(fused or (MISSING,) * len(SPANS)), 0)
        self.size += 1

    def learn(self, which: slice) -> None:
        """Let some samples be part of what is normal, counted from the newest (-1) backwards."""
        self._scores[ROWS, : self.size][which] = 1

    def largest(self, head: Head, newest: int) -> int:
        """Return the head's largest score among so many newest samples, MISSING where none is."""
        scores = self._scores[head, max(self.size - newest, 0) : self.size]
        return int(scores.max(initial=MISSING))

    def _make_room(self) -> None:
        kept = min(self.size, LENGTH)
        grown = np.empty((ROWS + 1, min(2 * self.size, LENGTH + LENGTH // 8)), np.int16)
        grown[:, :kept] = self._scores[:, self.size - kept : self.size]
        self._scores, self.size = grown, kept

    def refresh(self) -> None:
        """Summarize the learned among the newest `LENGTH` samples, less the newest `GAP`."""
        settled = self.size - min(GAP, self.size // 4)
        scores = self._scores[:, max(self.size - LENGTH, 0) : settled]
        suspect = scores[Head.FAULT] > _SUSPECT
        if suspect.sum() > _SUSPECT_SHARE * suspect.size:
            suspect[:] = False
        scores = scores[:ROWS, (scores[ROWS] > 0) & ~suspect]
        self._learned = scores.shape[1]
        if self._learned < _FEWEST:
            return
        ordered = np.sort(scores, axis=1)  # what is MISSING comes first
        first = (ordered == MISSING).sum(axis=1).tolist()
        self._tails = [_tail(row, ordered[row, first[row] :]) for row in range(ROWS)]

    @property
    def ripe(self) -> bool:
        """Whether the past is long enough for its p-values to be taken at their word."""
        return self._learned >= _RIPE

    @property
    def floor(self) -> float:
        """The smallest p-value of a single head: less than so few scores can tell."""
        return float((self._learned + 1.0) ** -2.0)

    def p_heads(self, row: list[int]) -> list[float]:
        """p-value per head; 1 for a missing one and before there is a past."""
        floor = self.floor
        return [
            1.0 if tail is None or score == MISSING else max(tail.p(score), slowness * floor)
            for tail, score, slowness in zip(self._tails[:HEADS], row, _SLOWNESS, strict=True)
        ]

    def p_fused(self, fused: Fused) -> float:
        """p-value of the fused scores together: the least, times how many there are.

        Before they can be calibrated they are taken as they are, but never as rare.
        """
        if self._tails[HEADS] is None:
            return float(max(10.0 ** (-fused[0] / MILLI / 2.0), _UNPROVEN))
        least = min(
            1.0 if tail is None else max(tail.p(score), span / (tail.known + 1.0) ** 2)
            for tail, score, span in zip(self._tails[HEADS:], fused, SPANS, strict=True)
        )
        return min(max(len(SPANS) * least, _FUSED_FLOOR / (self._learned + 1.0) ** 2), 1.0)


def _tail(row: int, ordered: Milli) -> Tail | None:
    known = ordered.size
    if known < _FEWEST:
        return None
    size = max(round(known * _TAIL_SHARE), 4)
    above = ordered[known - size :]
    top = float(above[0])
    excess = (float(above.mean()) - top) / MILLI
    shrunk = (excess * size + _PRIOR_EXCESS[row] * _PRIOR_WEIGHT) / (size + _PRIOR_WEIGHT)
    quantiles = ordered[np.rint(_LEVELS * (known - size)).astype(np.intp)]
    return Tail(
        quantiles=array("h", quantiles.tolist()),
        top=top,
        excess=MILLI * max(float(shrunk), float(_SMALLEST_EXCESS[row])),
        share=(size + 1.0) / (known + 1.0),
        known=known,
        likes=above.copy() if row in {Head.STEP, Head.JUMP} else above[:0].copy(),
    )


def fuse(p: list[float], before: Fused) -> Fused:
    """Fuse the heads by the harmonic mean of their p-values, and go on with the running means."""
    now = -math.log10(min(len(p) / sum(1.0 / each for each in p), 1.0)) * MILLI
    means = (mean + round((now - mean) / span) for mean, span in zip(before, SPANS, strict=True))
    _, fast, slow = means
    return round(now), fast, slow
