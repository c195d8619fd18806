"""Samples to verdicts: one model call per batch, then each channel's own calibration in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.config import InferenceConfig
from gateway.inference.calibration import LENGTH, REFRESH, Calibration, fuse
from gateway.inference.episodes import Episode
from gateway.inference.heads import (
    HEADS,
    LOWER,
    MIDDLE,
    MILLI,
    MISSING,
    UPPER,
    Floats,
    Head,
    Milli,
    Shape,
    nonconformities,
    shapes,
    surprise,
    to_milli,
)
from gateway.inference.model import Model, Outputs, Stack, run_all, stack
from gateway.inference.patterns import name_pattern
from gateway.types import (
    QUANTILES,
    Channel,
    DevEui,
    FloatArray,
    Forecast,
    Status,
    Verdict,
    Warming,
    Window,
)

HISTORY = LENGTH + REFRESH
"""How many of a channel's newest verdicts `restore` needs to be as before a restart."""

_NEWEST_SURPRISES = 24
_CLIP = 4.0
_EVENT_P = 1e-3
_EXTREME_P = 1e-5
_EXTREME_SURPRISE = 12.0
_KEYS = tuple(head.name.lower() for head in Head)
_SURPRISE, _FUSED, _LEARNED, _STEP_S = "z", "fused", "learned", "step_s"


@dataclass(frozen=True, slots=True)
class Pending:
    """The newest forecast, waiting for its samples; `quantiles` are relative to `base`."""

    end_s: float
    step_s: float
    base: float
    quantiles: FloatArray


@dataclass(slots=True)
class Track:
    """What is remembered of one channel, about 20 kB."""

    episode: Episode
    calibration: Calibration = field(default_factory=Calibration)
    surprises: deque[float] = field(default_factory=lambda: deque(maxlen=_NEWEST_SURPRISES))
    pending: Pending | None = None
    restored: Window | None = None
    newest_s: float | None = None


class Detector:
    """Judges samples. Its state is bounded per channel and rebuilt from stored verdicts.

    A sample's verdict depends on the channel's earlier samples alone, never on what else is in
    its batch or how samples are cut into batches.
    """

    def __init__(self, model: Model, config: InferenceConfig) -> None:
        self.model = model
        self.config = config
        self._tracks: dict[DevEui, dict[Channel, Track]] = {}

    def judge(self, samples: Sequence[Window | Warming]) -> list[Verdict]:
        """Return one verdict per sample, in order; a channel's samples come in order of time."""
        windows = [sample for sample in samples if isinstance(sample, Window)]
        verdicts = iter(self._judge(windows) if windows else ())
        return [
            next(verdicts) if isinstance(sample, Window) else _warming(sample) for sample in samples
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
        track = self._tracks.setdefault(dev_eui, {})[channel] = Track(Episode(self.config))
        track.restored = window
        for verdict in history:
            if verdict.p_value is not None and _STEP_S in verdict.heads:
                _replay(track, verdict, verdict.p_value)

    def forget(self, dev_eui: DevEui) -> None:
        """Drop every channel of a device."""
        self._tracks.pop(dev_eui, None)

    def _track(self, window: Window) -> Track:
        channels = self._tracks.setdefault(window.dev_eui, {})
        if window.channel not in channels:
            channels[window.channel] = Track(Episode(self.config))
        return channels[window.channel]

    def _judge(self, windows: list[Window]) -> list[Verdict]:
        tracks = [self._track(window) for window in windows]
        resumed = {id(track): track for track in tracks if track.restored is not None}
        waiting = [track.restored for track in resumed.values() if track.restored is not None]
        stacked = stack([*waiting, *windows])
        outputs = run_all(self.model, stacked)
        for at, track in enumerate(resumed.values()):
            track.pending = _pending(waiting[at], stacked, outputs, at)
            track.restored = None
        first = len(waiting)
        return self._judge_stack(windows, tracks, _rest(stacked, first), _rest_of(outputs, first))

    def _judge_stack(
        self, windows: list[Window], tracks: list[Track], stacked: Stack, outputs: Outputs
    ) -> list[Verdict]:
        before = np.full((len(windows), len(QUANTILES)), np.nan)
        for at, (window, track) in enumerate(zip(windows, tracks, strict=True)):
            before[at] = _forecast_for(window, track.pending)
            track.pending = _pending(window, stacked, outputs, at)
        shape = shapes(stacked)
        observed = np.array([window.observed for window in windows])
        z = surprise(observed, before, shape.grain)
        rows = nonconformities(stacked, outputs.reconstruction, shape, z)
        return [
            self._verdict(windows[at], tracks[at], rows[at], float(z[at]), before[at], shape, at)
            for at in range(len(windows))
        ]

    def _verdict(
        self,
        window: Window,
        track: Track,
        row: Milli,
        z: float,
        before: Floats,
        shape: Shape,
        at: int,
    ) -> Verdict:
        bias = _remember_surprise(track, z)
        row[Head.BIAS] = bias
        _refresh(track, window.end_s, window.step_s)
        p_heads = track.calibration.p_heads(row)
        fused = fuse(p_heads)
        p = track.calibration.p_fused(fused)
        if shape.eventful[at]:
            p = max(p, _EVENT_P)
        anomalous = track.episode.step(window.end_s, p, extreme=_is_extreme(p, z, shape, at))
        learned = track.episode.learns(window.end_s)
        if learned:
            track.calibration.admit(row, fused)
        if anomalous:
            track.episode.pattern = name_pattern(track.episode, p_heads, shape, at, z)
        known = bool(np.isfinite(before).all())
        heads = {key: value / MILLI for key, value in zip(_KEYS, row.tolist(), strict=True)
                 if value != MISSING}  # fmt: skip
        if known:
            heads[_SURPRISE] = track.surprises[-1]
        heads |= {_FUSED: fused / MILLI, _LEARNED: float(learned), _STEP_S: window.step_s}
        return Verdict(
            dev_eui=window.dev_eui,
            channel=window.channel,
            time_s=window.end_s,
            observed=window.observed,
            status=Status.ANOMALOUS if anomalous else Status.OK,
            expected=(float(before[LOWER]), float(before[MIDDLE]), float(before[UPPER]))
            if known
            else None,
            score=float(-np.log10(p)),
            p_value=p,
            heads=heads,
            pattern=track.episode.pattern if anomalous else "",
            forecast=_forecast(window, track.pending),
        )


def _replay(track: Track, verdict: Verdict, p: float) -> None:
    """Take one stored verdict through the steps that a fresh one goes through."""
    heads = verdict.heads
    row = np.full(HEADS, MISSING, np.int16)
    for at, key in enumerate(_KEYS):
        if key in heads:
            row[at] = round(heads[key] * MILLI)
    if _SURPRISE in heads:
        track.surprises.append(heads[_SURPRISE])
    _refresh(track, verdict.time_s, heads[_STEP_S])
    anomalous = verdict.status is Status.ANOMALOUS
    track.episode.step(verdict.time_s, p, extreme=anomalous)
    if anomalous:
        track.episode.pattern = verdict.pattern
    if heads[_LEARNED]:
        track.calibration.admit(row, round(heads[_FUSED] * MILLI))


def _warming(sample: Warming) -> Verdict:
    return Verdict(sample.dev_eui, sample.channel, sample.time_s, sample.observed, Status.WARMING)


def _pending(window: Window, stacked: Stack, outputs: Outputs, at: int) -> Pending:
    quantiles = outputs.quantiles[at].copy()
    return Pending(window.end_s, window.step_s, float(stacked.base[at]), quantiles)


def _forecast(window: Window, pending: Pending | None) -> Forecast | None:
    if pending is None or not np.isfinite(pending.quantiles).all():
        return None
    absolute = (pending.quantiles + pending.base).astype(np.float32)
    start_s = window.end_s + window.step_s
    return Forecast(window.dev_eui, window.channel, start_s, window.step_s, absolute)


def _forecast_for(window: Window, pending: Pending | None) -> Floats:
    """Return what was forecast for this sample, in channel units; NaN when nothing was."""
    if pending is None:
        return np.full(len(QUANTILES), np.nan)
    lead = max(round((window.end_s - pending.end_s) / pending.step_s), 1)
    if lead > len(pending.quantiles):
        return np.full(len(QUANTILES), np.nan)
    return pending.quantiles[lead - 1].astype(np.float64) + pending.base


def _remember_surprise(track: Track, z: float) -> int:
    """Add a surprise, as it will be stored; return the BIAS head of the newest ones."""
    if np.isfinite(z):
        track.surprises.append(round(min(max(z, -_CLIP), _CLIP), 3))
    if len(track.surprises) < _NEWEST_SURPRISES:
        return MISSING
    mean = sum(track.surprises) / _NEWEST_SURPRISES
    return int(to_milli(np.log(np.array([abs(mean) + 0.05])))[0])


def _refresh(track: Track, time_s: float, step_s: float) -> None:
    """Refresh the calibration when the sample begins a new block of `REFRESH` steps of time."""
    block_s = REFRESH * step_s
    if track.newest_s is None or time_s // block_s != track.newest_s // block_s:
        track.calibration.refresh()
    track.newest_s = time_s


def _is_extreme(p: float, z: float, shape: Shape, at: int) -> bool:
    """Whether one sample is so far out that waiting for a second would be foolish."""
    return p < _EXTREME_P and abs(z) > _EXTREME_SURPRISE and not shape.eventful[at]


def _rest(stacked: Stack, first: int) -> Stack:
    return Stack(
        stacked.base[first:], stacked.values[first:], stacked.mask[first:], stacked.clock[first:]
    )


def _rest_of(outputs: Outputs, first: int) -> Outputs:
    return Outputs(
        outputs.quantiles[first:], outputs.reconstruction[first:], outputs.embedding[first:]
    )
