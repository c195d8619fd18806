"""Two packs on the same windows: who foretells better, and who cries wolf.

Of every channel the pinball loss of both is summed, and how much the channel moves from sample to
sample. The packs are compared by the geometric mean over channels of the losses' ratio; what does
not move says nothing.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, Field

from gateway.inference.heads import LOWER, MIDDLE, UPPER
from gateway.speech import say
from gateway.types import QUANTILES, Status, Verdict

WORSE = 1.25
"""A pack whose forecasts err this much more is refused, or rolled back."""

_LEVELS = tuple(QUANTILES[at] for at in (LOWER, MIDDLE, UPPER))
_FEWEST, _FEWEST_OF_A_CHANNEL = 96, 24
_MORE_EPISODES, _TIMES_EPISODES = 5, 2
_FLOOR = 0.05
"""Losses below this part of a channel's usual step are as good as none."""


class Sums(BaseModel):
    """One channel: samples, losses of the new and the old pack, movement, who is in an episode."""

    samples: Annotated[int, Field(ge=0)] = 0
    new: float = 0.0
    old: float = 0.0
    moved: float = 0.0
    newest: float | None = None
    alarmed: tuple[bool, bool] = (False, False)


class Comparison(BaseModel):
    """Sums by channel, and the episodes each pack raised. Plain enough to be kept in a file."""

    channels: dict[str, Sums] = {}
    episodes: tuple[int, int] = (0, 0)

    @property
    def samples(self) -> int:
        """How many samples both have foretold."""
        return sum(sums.samples for sums in self.channels.values())

    def take(self, new: Verdict, old: Verdict) -> None:
        """Take what the two packs say of one sample."""
        sums = self.channels.setdefault(f"{new.dev_eui} {new.channel}", Sums())
        if new.expected is not None and old.expected is not None:
            sums.samples += 1
            sums.new += pinball(new.expected, new.observed)
            sums.old += pinball(old.expected, old.observed)
            sums.moved += abs(new.observed - (new.observed if sums.newest is None else sums.newest))
        sums.newest = new.observed
        alarmed = (new.status is Status.ANOMALOUS, old.status is Status.ANOMALOUS)
        began = [now and not was for now, was in zip(alarmed, sums.alarmed, strict=True)]
        self.episodes = (self.episodes[0] + began[0], self.episodes[1] + began[1])
        sums.alarmed = alarmed

    def ratio(self) -> float | None:
        """Return how much the new pack errs, the old one being 1; None while too little is known.

        It is infinite for a pack whose forecasts are no numbers.
        """
        known = [s for s in self.channels.values() if s.samples >= _FEWEST_OF_A_CHANNEL and s.moved]
        if sum(sums.samples for sums in known) < _FEWEST:
            return None
        logs = [
            math.log((s.new + _FLOOR * s.moved) / (s.old + _FLOOR * s.moved))
            if math.isfinite(s.new)
            else math.inf
            for s in known
        ]
        return math.exp(min(sum(logs) / len(logs), 100.0))

    def complaint(self) -> str:
        """Say what speaks against the new pack, "" when nothing does."""
        ratio, (new, old) = self.ratio(), self.episodes
        if ratio is not None and ratio > WORSE:
            return say(
                "Its forecasts err {ratio:.1f} times as much as those of the pack before it, on "
                "{samples} samples of {channels} channel(s).",
                ratio=ratio, samples=self.samples, channels=len(self.channels),
            )  # fmt: skip
        if new > _TIMES_EPISODES * old + _MORE_EPISODES:
            return say(
                "It raises {new} alarms where the pack before it raises {old}, on {samples} "
                "samples of {channels} channel(s).",
                new=new, old=old, samples=self.samples, channels=len(self.channels),
            )  # fmt: skip
        return ""

    def figures(self) -> dict[str, object]:
        """Return the comparison in figures, for a program to read."""
        ratio = self.ratio()
        return {
            "samples": self.samples,
            "channels": len(self.channels),
            "error_ratio": None if ratio is None else float(f"{ratio:.3g}"),
            "episodes": {"new": self.episodes[0], "before": self.episodes[1]},
        }


def pinball(expected: tuple[float, float, float], observed: float) -> float:
    """Return the mean quantile loss of (low, mid, high) in channel units."""
    errors = [(level, observed - at) for level, at in zip(_LEVELS, expected, strict=True)]
    return sum(max(level * error, (level - 1.0) * error) for level, error in errors) / len(errors)
