"""Samples to verdicts: one model call per batch, then each channel's own calibration in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gateway.config import InferenceConfig
from gateway.inference.adaptation import Adaptation, run_each
from gateway.inference.budget import Terms, terms
from gateway.inference.calibration import LENGTH, REFRESH
from gateway.inference.habit import describe
from gateway.inference.heads import (
    LOWER,
    MIDDLE,
    UPPER,
    Floats,
    Shape,
    nonconformities,
    shapes,
    surprise,
)
from gateway.inference.model import DAY_S, Model, Outputs, Stack, stack
from gateway.inference.patterns import FALL, RISE, Look
from gateway.inference.track import Judgement, Pending, Track
from gateway.types import QUANTILES, Channel, DevEui, Status, Verdict, Warming, Window

HISTORY = LENGTH + 2 * REFRESH
"""How many of a channel's newest verdicts `restore` needs to be as before a restart."""
_DAYS = 3
"""So many days make a usual one."""


class Detector:
    """Judges samples. Its state is bounded per channel and rebuilt from stored verdicts.

    A sample's verdict depends on the channel's earlier samples alone. What else is in its batch
    matters only as far as the runtime's float rounding does: a last-digit difference may tip an
    int8 rounding, which about 1 window in 150 shows in its fourth digit.

    `factors` is for whoever knows of false alarms to set: what the bound of a channel's p-value is
    multiplied by. Where it is below 1, one wild sample alone is not anomalous either.
    """

    def __init__(
        self, model: Model, config: InferenceConfig, adaptation: Adaptation | None = None
    ) -> None:
        self.model = model
        self.config = config
        self.factors: Mapping[tuple[DevEui, Channel], float] = {}
        self.adaptation = adaptation or Adaptation(model)
        self._tracks: dict[DevEui, dict[Channel, Track]] = {}

    def judge(self, samples: Sequence[Window | Warming]) -> list[Verdict]:
        """Return one verdict per sample, in order; a channel's samples come in order of time."""
        windows = [sample for sample in samples if isinstance(sample, Window)]
        judged = iter(self._judge(windows) if windows else ())
        return [
            next(judged) if isinstance(sample, Window) else _warming(sample) for sample in samples
        ]

    def restore(
        self,
        dev_eui: DevEui,
        channel: Channel,
        window: Window | None,
        history: Sequence[Verdict],
    ) -> None:
        """Take up a channel where it was: its newest window and its newest stored verdicts.

        `history` holds the newest `HISTORY` of them, oldest first, whose forecasts are not needed;
        `window` is what `WindowBank.restore` returned. Its forecast is made again with the next
        batch.
        """
        track = Track.begin(self.config)
        track.restored = window
        agreed = self._terms().times(self.factors.get((dev_eui, channel), 1.0))
        for verdict in history:
            track.replay(verdict, agreed)
        self._tracks.setdefault(dev_eui, {})[channel] = track

    def forget(self, dev_eui: DevEui) -> None:
        """Drop every channel of a device."""
        self._tracks.pop(dev_eui, None)
        self.adaptation.forget(dev_eui)

    def _terms(self) -> Terms:
        """Return what is abnormal, with as many channels as are known."""
        if not self.config.episodes_per_week:
            return terms(self.config, 0.0)
        steps = [t.step_s for tracks in self._tracks.values() for t in tracks.values()]
        return terms(self.config, sum(1.0 / step_s for step_s in steps if step_s > 0.0))

    def _track(self, window: Window) -> Track:
        channels = self._tracks.setdefault(window.dev_eui, {})
        if window.channel not in channels:
            channels[window.channel] = Track.begin(self.config)
        return channels[window.channel]

    def _judge(self, windows: list[Window]) -> Iterator[Verdict]:
        tracks = [self._track(window) for window in windows]
        resumed = [track for track in {id(t): t for t in tracks}.values() if track.restored]
        waiting = [track.restored for track in resumed if track.restored is not None]
        everything = [*waiting, *windows]
        stacked = stack(everything)
        model_of = self.adaptation.model_of
        outputs = run_each([model_of(window.dev_eui) for window in everything], stacked)
        for at, track in enumerate(resumed):
            track.pending = _pending(waiting[at], stacked, outputs, at)
            track.restored = None
        first = len(waiting)
        return self._judge_rows(windows, tracks, stacked.rest(first), outputs.rest(first))

    def _judge_rows(
        self, windows: list[Window], tracks: list[Track], stacked: Stack, outputs: Outputs
    ) -> Iterator[Verdict]:
        expected = np.full((len(windows), len(QUANTILES)), np.nan)
        made: list[Pending] = []
        for at, (window, track) in enumerate(zip(windows, tracks, strict=True)):
            if track.pending is not None:
                expected[at] = track.pending.at(window.end_s)
            track.pending = _pending(window, stacked, outputs, at)
            made.append(track.pending)
        shape = shapes(stacked)
        observed = np.array([window.observed for window in windows])
        surprises = surprise(observed, expected, shape.grain)
        rows = nonconformities(stacked, outputs, shape, surprises).tolist()
        looks, days = _looks(shape, stacked, surprises), describe(stacked)
        agreed = self._terms()
        for at, window in enumerate(windows):
            factor = self.factors.get((window.dev_eui, window.channel), 1.0)
            asked = agreed.times(factor)
            judgement = tracks[at].take(window, rows[at], looks[at], days[at], asked)
            doubted = factor < 1.0 and tracks[at].episode.sudden
            anomalous = judgement.anomalous and not doubted
            yield Verdict(
                dev_eui=window.dev_eui,
                channel=window.channel,
                time_s=window.end_s,
                observed=window.observed,
                status=Status.ANOMALOUS if anomalous else Status.OK,
                expected=_expected(expected[at], window, judgement),
                score=judgement.score + 0.0,  # never -0
                p_value=judgement.p,
                heads=judgement.heads,
                pattern=judgement.pattern if anomalous else "",
                forecast=made[at].forecast(window),
                model=self.adaptation.model_of(window.dev_eui).name,
            )


def _warming(sample: Warming) -> Verdict:
    return Verdict(sample.dev_eui, sample.channel, sample.time_s, sample.observed, Status.WARMING)


def _pending(window: Window, stacked: Stack, outputs: Outputs, at: int) -> Pending:
    quantiles = outputs.quantiles[at].copy()
    return Pending(window.end_s, window.step_s, float(stacked.base[at]), quantiles)


def _expected(
    quantiles: Floats, window: Window, judgement: Judgement
) -> tuple[float, float, float] | None:
    """Return what the sample is told to differ from.

    What is called anomalous for its slow course may lie within the forecast made one step before.
    Then what is usual at this time of day is told, or nothing where that is no contrast either.
    """
    low, middle, high = quantiles[[LOWER, MIDDLE, UPPER]].tolist()
    if not np.isfinite(low + high):
        return None
    if not judgement.anomalous or not low <= window.observed <= high:
        return low, middle, high
    usual = _usual(window)
    if usual is None or usual[0] <= window.observed <= usual[2]:
        return None
    against = FALL if window.observed > usual[2] else RISE  # a name that the band would belie
    return None if judgement.pattern == against else usual


def _usual(window: Window) -> tuple[float, float, float] | None:
    """Return least, middle and largest value at this time of day, None with fewer than 3 days."""
    day = max(round(DAY_S / window.step_s), 1)
    slots = np.arange(len(window.values) - 1 - day, -1, -day)
    then = window.values[slots][window.mask[slots] > 0]
    if then.size < _DAYS:
        return None
    return float(then.min()), float(np.median(then)), float(then.max())


def _looks(shape: Shape, stacked: Stack, surprises: Floats) -> list[Look]:
    spread = np.maximum(stacked.spread, shape.grain)
    columns = (
        surprises.tolist(),
        shape.shift[:, 0].tolist(),
        shape.shift[:, 2].tolist(),
        (shape.slope / spread).tolist(),
        shape.run.tolist(),
        shape.eventful.tolist(),
        shape.excursion.tolist(),
    )
    return [Look(*values) for values in zip(*columns, strict=True)]
