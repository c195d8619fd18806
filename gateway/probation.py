"""The trial of a new pack as the daemon lives it: kept on disk, ended in time, told to people.

The watching itself is `inference.probation`; here is what touches the disk and needs the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.config import InferenceConfig
from gateway.errors import PackError
from gateway.inference import Detector, installed, load_model, trial
from gateway.inference.probation import OnTrial, WatchedModel
from gateway.inference.trial import Ending
from gateway.speech import say
from gateway.telemetry import Telemetry
from gateway.types import Json

SAVE_S = 600.0
"""How often a trial is written: a restart forgets so much of it at most."""

LASTED_S = 600.0
"""With a pack that has run so long, a crash is nothing that it does at every start."""

LONGEST_TICK_S = 60.0
"""More than this between two looks is no time that the pack has run: a clock was set."""

_PASSING = frozenset({"not_enough_memory", "not_readable"})
"""Reasons that lie with the machine at that moment, not with the pack."""

_HOUR_S = 3600.0
_DAY_S = 86400.0
_REMEMBERED_S = _DAY_S


class Probation:
    """Follows the pack on trial, if there is one. Made by `begin`, at the daemon's start."""

    def __init__(self, config: InferenceConfig, telemetry: Telemetry, now_s: float) -> None:
        self._config = config
        self._telemetry = telemetry
        self._detector: OnTrial | None = None
        self._started_s = self._saved_s = self._ticked_s = now_s
        self._last = self._newest_failure(now_s)

    @property
    def trouble(self) -> str:
        """What is to be known of a pack that was rolled back lately, "" when there is none."""
        return self._last

    def before_loading(self, now_s: float) -> None:
        """Count this start; go back to the pack before when too many ended early."""
        record = trial.read(self._config.packs)
        wanted = self._config.trial_hours and not self._config.pack
        if record.trial is None or not wanted or not self._is_current(record):
            return
        record.trial.starts += 1
        if record.trial.starts > trial.MOST_STARTS:
            detail = say(
                "The gateway ended early at {starts} starts with it.", starts=trial.MOST_STARTS
            )
            self._roll_back(record.trial.pack, "crashes", detail, now_s)
        else:
            self._write(record)

    def detector(self, path: Path, now_s: float) -> Detector | None:
        """Return the detector of the pack at `path` if it is on trial, None when it is not.

        Raises
        ------
        PackError
            The pack does not load. (Where the one before it does not, there is no trial.)

        """
        record, hours = trial.read(self._config.packs), self._config.trial_hours
        if not hours or record.trial is None or record.trial.pack != path.name or self._config.pack:
            return None
        try:
            new = load_model(path)
        except PackError as error:
            if error.reason not in _PASSING:
                self._roll_back(path.name, error.reason, error.detail, now_s)
            raise
        try:
            before = load_model(installed.candidates(self._config)[1])
        except PackError as error:
            self._telemetry.trouble("no_pack_to_compare_with", error)
            record.trial.starts = 0  # there is nothing to go back to
            self._write(record)
            return None
        if record.trial.began_s is None:
            record.trial.began_s = now_s
        self._write(record)
        self._detector = OnTrial(WatchedModel(new, before, record.trial), self._config)
        return self._detector

    def model_name(self) -> str:
        """Return the name of the model that judges now, "" when none is on trial."""
        return "" if self._detector is None else self._detector.model.name

    def tick(self, now_s: float) -> bool:
        """Move the trial on; return whether it ended."""
        if self._detector is None:
            return False
        watched = self._detector.watched_model
        watched.trial.ran_s += min(max(now_s - self._ticked_s, 0.0), LONGEST_TICK_S)
        self._ticked_s = now_s
        if watched.reason:
            self._roll_back(watched.trial.pack, watched.reason, watched.detail, now_s)
        elif watched.trial.ran_s >= self._config.trial_hours * _HOUR_S:
            self._end(Ending(pack=watched.trial.pack, time_s=now_s))
            self._telemetry.pack_kept(watched.trial.pack, watched.trial.compared.figures())
        else:
            self._save(now_s)
            return False
        self._detector.conclude()
        self._detector = None
        return True

    def save(self) -> None:
        """Write how far the trial is: the daemon stops."""
        if self._detector is not None:
            self._detector.watched_model.trial.starts = 0  # it was asked to end
            self._write_trial()

    def health(self) -> Mapping[str, Json]:
        """Return the trial for `bridge/health`."""
        if self._detector is None:
            return {"trial": None, "rolled_back": self._last or None}
        running = self._detector.watched_model.trial
        figures: Mapping[str, Json] = running.compared.figures()
        return {
            "trial": {"pack": running.pack, "windows": running.windows, **figures},
            "rolled_back": self._last or None,
        }

    def _is_current(self, record: trial.Record) -> bool:
        current = installed.target(self._config.packs, installed.CURRENT)
        return (
            current is not None and record.trial is not None and current.name == record.trial.pack
        )

    def _newest_failure(self, now_s: float) -> str:
        ended = trial.read(self._config.packs).ended
        newest = ended[-1] if ended else None
        if newest is None or not newest.reason or now_s - newest.time_s > _REMEMBERED_S:
            return ""
        return _told(newest)

    def _roll_back(self, pack: str, reason: str, detail: str, now_s: float) -> None:
        """Take the pack before into use, also for the next start, and say so."""
        ending = Ending(pack=pack, time_s=now_s, reason=reason, detail=detail)
        try:
            if installed.target(self._config.packs, installed.CURRENT) == self._config.packs / pack:
                installed.roll_back(self._config.packs)
        except PackError as error:
            self._telemetry.trouble("pack_not_rolled_back", error)
        self._last = _told(ending)
        self._telemetry.pack_rolled_back(pack, reason, self._last)
        self._end(ending)

    def _end(self, ending: Ending) -> None:
        try:
            trial.end(self._config.packs, ending)
        except OSError as error:
            self._telemetry.trouble("trial_not_kept", error)

    def _save(self, now_s: float) -> None:
        if self._detector is not None and abs(now_s - self._saved_s) >= SAVE_S:
            self._saved_s = now_s
            if now_s - self._started_s >= LASTED_S:
                self._detector.watched_model.trial.starts = 0
            self._write_trial()

    def _write_trial(self) -> None:
        if self._detector is None:
            return
        record = trial.read(self._config.packs)
        running = self._detector.watched_model.trial
        if record.trial is not None and record.trial.pack == running.pack:  # else: another came
            self._write(trial.Record(trial=running, ended=record.ended))

    def _write(self, record: trial.Record) -> None:
        try:
            trial.write(self._config.packs, record)
        except OSError as error:
            self._telemetry.trouble("trial_not_kept", error)


def _told(ending: Ending) -> str:
    return say(
        "The new model pack {pack} was rolled back: {detail}",
        pack=ending.pack,
        detail=ending.detail,
    )
