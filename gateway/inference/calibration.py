"""From nonconformity to p-value: rolling conformal over a channel's own past, with a tail.

The newest `LENGTH` admitted rows are the whole state, so storing each row's figures and replaying
them gives the state back. Up to the score that a tenth of the past exceeds, a p-value is a rank;
beyond it the excess is exponential on the heads' logarithmic scale (a power law in raw units:
heavy, hence careful), its mean shrunk towards a prior while scores are few. The summary of the
past is refreshed every `REFRESH` rows, at rows that are told by their time alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gateway.inference.heads import HEADS, MILLI, MISSING, Floats, Milli

LENGTH = 1000
REFRESH = 8
ROWS = HEADS + 1
FUSED = HEADS
"""The last row calibrates the fused score itself, so that heads may depend on each other."""

_FIRST_CAPACITY = 64
_TAIL_SHARE = 0.1
_FEWEST = 16
_LEVELS = np.linspace(0.0, 1.0 - _TAIL_SHARE, 28)
_PRIOR_EXCESS = np.array([0.5, 0.4, 0.5, 0.4, 0.5, 0.6, 0.5])
_SMALLEST_EXCESS = np.array([0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.43])
_PRIOR_WEIGHT = 6.0
_FLOOR_POWER = -2.0


class Calibration:
    """One channel's past scores: int16 [ROWS, up to LENGTH], and their summary."""

    __slots__ = ("_excess", "_quantiles", "_scores", "_tail", "_top", "size")

    def __init__(self) -> None:
        self._scores: Milli = np.empty((ROWS, _FIRST_CAPACITY), np.int16)
        self.size = 0
        self._quantiles: Milli | None = None
        self._top: Floats = np.zeros(ROWS)
        self._tail: Floats = np.full(ROWS, _TAIL_SHARE)
        self._excess: Floats = _PRIOR_EXCESS

    def admit(self, row: npt.NDArray[np.int16], fused: int) -> None:
        """Let a sample be part of what is normal here."""
        if self.size == self._scores.shape[1]:
            self._make_room()
        self._scores[:HEADS, self.size] = row
        self._scores[FUSED, self.size] = fused
        self.size += 1

    def _make_room(self) -> None:
        kept = min(self.size, LENGTH)
        grown = np.empty((ROWS, min(2 * self.size, LENGTH + LENGTH // 8)), np.int16)
        grown[:, :kept] = self._scores[:, self.size - kept : self.size]
        self._scores, self.size = grown, kept

    def refresh(self) -> None:
        """Summarize the newest `LENGTH` rows."""
        scores = self._scores[:, max(self.size - LENGTH, 0) : self.size]
        n = scores.shape[1]
        if n < _FEWEST:
            return
        ordered = np.sort(scores, axis=1)
        tail = max(round(n * _TAIL_SHARE), 4)
        self._quantiles = ordered[:, np.rint(_LEVELS * (n - tail)).astype(np.intp)]
        self._top = ordered[:, n - tail].astype(np.float64)
        excess = (ordered[:, n - tail :].mean(axis=1) - self._top) / MILLI
        shrunk = (excess * tail + _PRIOR_EXCESS * _PRIOR_WEIGHT) / (tail + _PRIOR_WEIGHT)
        self._excess = np.maximum(shrunk, _SMALLEST_EXCESS)
        self._tail = np.full(ROWS, (tail + 1.0) / (n + 1.0))

    @property
    def floor(self) -> float:
        """The smallest p-value that this much past can support."""
        return float((min(self.size, LENGTH) + 1.0) ** _FLOOR_POWER)

    def p_heads(self, row: npt.NDArray[np.int16]) -> Floats:
        """p-value per head, float64 [HEADS]; 1 for a missing one and before there is a past."""
        p = self._p(row.astype(np.float64), slice(0, HEADS))
        p[row == MISSING] = 1.0
        return p

    def p_fused(self, fused: int) -> float:
        """p-value of the fused score."""
        return float(self._p(np.array([float(fused)]), slice(FUSED, ROWS))[0])

    def _p(self, scores: Floats, rows: slice) -> Floats:
        if self._quantiles is None:
            return np.ones(scores.size)
        top, tail = self._top[rows], self._tail[rows]
        below = (self._quantiles[rows] < scores[:, None]).sum(axis=1) / _LEVELS.size
        body = 1.0 - below * (1.0 - tail)
        far = tail * np.exp(-np.maximum(scores - top, 0.0) / (MILLI * self._excess[rows]))
        p: Floats = np.maximum(np.where(scores > top, far, body), self.floor)
        return p


def fuse(p: Floats) -> int:
    """Fuse the heads: -log10 of their harmonic mean p-value, in thousandths."""
    combined = p.size / float((1.0 / p).sum())
    return min(round(-np.log10(min(combined, 1.0)) * MILLI), 32767)
