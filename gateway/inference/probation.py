"""A new pack at work, with the one before it beside it: it is watched, and replaced if need be.

::

    windows -> OnTrial -> WatchedModel -> the new pack; the one before, once the new one has failed
                  '-----> shadow detector with the one before, on a few channels -> Comparison

Errors, outputs that are no numbers and slowness show at once, in the model; forecasts that are
worse, and more alarms, in the comparison. Going back happens in the middle of a batch if it must:
no sample goes unjudged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from gateway.config import InferenceConfig
from gateway.inference.detector import Detector
from gateway.inference.model import Model, Outputs
from gateway.inference.proof import SLOWEST_MS
from gateway.inference.session import first_line
from gateway.inference.trial import Trial
from gateway.speech import say
from gateway.types import Channel, DevEui, FloatArray, Verdict, Warming, Window

WATCHED = 32
"""Channels that both packs judge: enough to compare, and about 1.5 MB of memory."""

_FEWEST_TIMED = 200


class WatchedModel:
    """`Model`: the new pack until it fails, from then on the one before it.

    `reason` is "" while all is well, then `error`, `nan_output`, `too_slow` or what `fail` was
    given; `detail` says it in a sentence.
    """

    def __init__(self, new: Model, before: Model, trial: Trial) -> None:
        self.before = before
        self.trial = trial
        self.reason = self.detail = ""
        self._model = new
        self.context, self.horizon = new.context, new.horizon

    @property
    def name(self) -> str:
        """The name of the pack that judges now."""
        return self._model.name

    def fail(self, reason: str, detail: str) -> None:
        """Go back to the pack before; the first failure is the one that is told."""
        if not self.reason:
            self.reason, self.detail, self._model = reason, detail, self.before

    def run(self, values: FloatArray, mask: FloatArray, clock: FloatArray) -> Outputs:
        """Judge a batch; see `Model`."""
        if self.reason:
            return self.before.run(values, mask, clock)
        began = time.thread_time()
        try:
            outputs = self._model.run(values, mask, clock)
        except Exception as error:  # noqa: BLE001 - a stranger's graph may fail in any way
            self.fail("error", say("It failed while it ran: {error}.", error=first_line(error)))
            return self.before.run(values, mask, clock)
        made = (outputs.quantiles, outputs.reconstruction, outputs.embedding)
        if not all(np.isfinite(part).all() for part in made):
            self.fail("nan_output", say("What it foretold was no number."))
            return self.before.run(values, mask, clock)
        self._time(len(values), time.thread_time() - began)
        return outputs

    def _time(self, windows: int, spent_s: float) -> None:
        self.trial.windows += windows
        self.trial.spent_s += spent_s
        mean_ms = self.trial.spent_s / self.trial.windows * 1e3
        if self.trial.windows >= _FEWEST_TIMED and mean_ms > SLOWEST_MS:
            self.fail(
                "too_slow",
                say(
                    "A window took {took:.1f} ms, over {most:g} ms.", took=mean_ms, most=SLOWEST_MS
                ),
            )


class OnTrial(Detector):
    """A detector whose pack is new. Its verdicts are those of the pack that is in use."""

    def __init__(self, model: WatchedModel, config: InferenceConfig) -> None:
        super().__init__(model, config)
        self.watched_model = model
        self._shadow: Detector | None = Detector(model.before, config)
        self._channels: set[tuple[DevEui, Channel]] = set()

    def judge(self, samples: Sequence[Window | Warming]) -> list[Verdict]:
        """Judge samples, see `Detector`; and compare, on the channels that both packs know."""
        verdicts = super().judge(samples)
        if self._shadow is None:
            return verdicts
        both = [
            (sample, verdict)
            for sample, verdict in zip(samples, verdicts, strict=True)
            if isinstance(sample, Window) and self._is_watched(sample.dev_eui, sample.channel)
        ]
        others = self._shadow.judge([sample for sample, _ in both])
        if not self.watched_model.reason:
            for (_, verdict), other in zip(both, others, strict=True):
                self.watched_model.trial.compared.take(verdict, other)
            if complaint := self.watched_model.trial.compared.complaint():
                self.watched_model.fail("worse", complaint)
        return verdicts

    def restore(
        self,
        dev_eui: DevEui,
        channel: Channel,
        window: Window | None,
        history: Sequence[Verdict],
    ) -> None:
        """Take up a channel where it was, for both packs alike."""
        super().restore(dev_eui, channel, window, history)
        if self._shadow is not None and window is not None and self._is_watched(dev_eui, channel):
            self._shadow.restore(dev_eui, channel, window, history)

    def forget(self, dev_eui: DevEui) -> None:
        """Drop every channel of a device."""
        super().forget(dev_eui)
        self._channels = {pair for pair in self._channels if pair[0] != dev_eui}
        if self._shadow is not None:
            self._shadow.forget(dev_eui)

    def conclude(self) -> None:
        """End the comparison, and let go of what it took."""
        self._shadow = None
        self._channels.clear()

    def _is_watched(self, dev_eui: DevEui, channel: Channel) -> bool:
        if channel.startswith("radio."):
            return False
        if len(self._channels) < WATCHED:
            self._channels.add((dev_eui, channel))
        return (dev_eui, channel) in self._channels
