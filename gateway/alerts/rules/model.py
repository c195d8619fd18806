"""Model anomalies: channels of a device that go wrong together are one alert, told sparingly.

The detector has already asked for persistence (k of n), so an anomalous verdict opens an alert at
once. A channel that follows within JOIN_S joins it; later ones open their own. An alert ends when
each of its channels has been ok END_OK samples in a row, or has not been judged for STALE_S.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.causes.likeness import FAULTS
from gateway.alerts.diagnosis import Diagnosis, diagnose, direction, group_of
from gateway.alerts.families import Family, family_of
from gateway.alerts.rules.fortnight import Fortnight
from gateway.alerts.rules.thaw import Thaw
from gateway.alerts.rules.usual import Usual
from gateway.alerts.rules.weekdays import Weekdays
from gateway.alerts.water import WaterLedger
from gateway.alerts.words import titled
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    Likeness,
    Reason,
    Severity,
    Status,
    Verdict,
)

RULE = "model"
SPIKE = "spike"
JOIN_S = 6 * 3600.0
END_OK = 3
STAYS = 3
"""Spikes in a row after which the next one is a new level."""

STALE_S = 48 * 3600.0
UPDATE_S = 1800.0
REFRESH_S = 6 * 3600.0
_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_LEAST_SCORE = 0.1
_UNKNOWN = "unknown"
_BOTH_WAYS = frozenset({"leak", "dry"})

FindLike = Callable[[DevEui, Reason, float], Likeness | None]
"""Finds when a channel was as it was before a time, and normal."""


@dataclass(slots=True)
class _Track:
    """One channel's part in an episode: its newest abnormal sample, and how well it is since.

    `spikes` counts those in a row that were called a spike.
    """

    reason: Reason
    score: float
    diagnosis: Diagnosis
    ok: int = 0
    spikes: int = 0


@dataclass(slots=True)
class _Episode:
    """An open alert with what it is made of.

    `newest_s` is the time of the newest verdict on it, `judged_s` when that came by our own clock.
    """

    alert: Alert
    group: str
    tracks: dict[Channel, _Track]
    published_s: float
    newest_s: float
    judged_s: float

    def over(self) -> bool:
        return all(track.ok >= END_OK for track in self.tracks.values())


class ModelRule:
    """Holds the open episodes of every device."""

    def __init__(
        self,
        book: AlertBook,
        water: WaterLedger,
        model_name: str,
        find_like: FindLike = lambda _dev_eui, _reason, _first_s: None,
        days: Fortnight | None = None,
    ) -> None:
        self._book = book
        self._water = water
        self.model_name = model_name
        self._find_like = find_like
        self._episodes: dict[DevEui, list[_Episode]] = {}
        self._usual = Usual()
        days = days or Fortnight()
        self._weekdays, self._thaw = Weekdays(days), Thaw(days)

    def consider(
        self,
        device: DeviceInfo,
        verdicts: Sequence[Verdict],
        units: Mapping[Channel, str],
        now_s: float,
    ) -> list[AlertEvent]:
        """Take one uplink's verdicts. At most one event for each alert comes of it."""
        fresh: dict[str, list[Verdict]] = {}
        touched: list[_Episode] = []
        for given in verdicts:
            if family_of(given.channel) is Family.LINK:
                continue  # the rule of links knows more of them, and what to do
            self._usual.learn(given)
            episode = self._holding(given)
            verdict = _lasting(self._usual.completed(given), episode)
            if verdict.status is Status.ANOMALOUS and not self._explained(verdict):
                if episode is None:
                    if self._weekdays.explains(verdict):
                        continue
                    fresh.setdefault(group_of(verdict.channel), []).append(verdict)
                    continue
                self._take(episode, verdict, units, spiked=given.pattern == SPIKE)
            elif episode is not None and verdict.status is Status.OK:
                track = episode.tracks[verdict.channel]
                track.ok, track.spikes = track.ok + 1, 0
            if episode is not None:
                episode.newest_s = max(episode.newest_s, verdict.time_s)
                episode.judged_s = now_s
                touched += [] if any(episode is other for other in touched) else [episode]
        events = self._settle(device, touched, fresh)
        for group, found in fresh.items():
            events += self._join_or_begin(device, group, found, units, now_s)
        return events

    def tick(self, now_s: float) -> list[AlertEvent]:
        """End what nobody has judged for a long time: the device or the channel is gone."""
        events: list[AlertEvent] = []
        for dev_eui in list(self._episodes):
            for episode in list(self._episodes[dev_eui]):
                if now_s - episode.judged_s > STALE_S:
                    events += self._end(episode, episode.alert.last_seen_s)
        return events

    def restore(self, alert: Alert, now_s: float) -> None:
        """Take an open alert back after a restart, as its reasons tell it."""
        known = Diagnosis(alert.kind, alert.cause, alert.severity, "", alert.advice)
        tracks = {
            reason.channel: _Track(reason, _score(None, reason.p_value), known)
            for reason in alert.reason
        }
        group = group_of(alert.reason[0].channel) if alert.reason else "sensor"
        episode = _Episode(alert, group, tracks, alert.last_seen_s, alert.last_seen_s, now_s)
        self._episodes.setdefault(alert.dev_eui, []).append(episode)

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """End everything of a device."""
        self._usual.forget(dev_eui)
        events: list[AlertEvent] = []
        for episode in list(self._episodes.get(dev_eui, ())):
            events += self._end(episode, episode.alert.last_seen_s)
        return events

    def _holding(self, verdict: Verdict) -> _Episode | None:
        episodes = self._episodes.get(verdict.dev_eui, ())
        return next((e for e in episodes if verdict.channel in e.tracks), None)

    def _explained(self, verdict: Verdict) -> bool:
        up = direction(verdict.pattern, verdict.observed, verdict.expected)
        dev_eui, time_s = verdict.dev_eui, verdict.time_s
        if self._thaws(verdict, up=up):
            return True
        return self._water.explains(dev_eui, verdict.channel, verdict.pattern, up=up, time_s=time_s)

    def _thaws(self, verdict: Verdict, *, up: bool | None) -> bool:
        """Say whether it comes of ice: in thawing soil a moisture probe means nothing."""
        dev_eui, time_s = verdict.dev_eui, verdict.time_s
        if family_of(verdict.channel) is Family.MOISTURE:
            return verdict.pattern != "stuck" and self._thaw.wets(dev_eui, time_s)
        rises = bool(up) and verdict.pattern not in FAULTS
        return rises and self._thaw.warms(dev_eui, verdict.channel, verdict.observed, time_s)

    def _track(self, verdict: Verdict, units: Mapping[Channel, str]) -> _Track:
        diagnosis = diagnose(
            verdict.channel, verdict.pattern,
            up=direction(verdict.pattern, verdict.observed, verdict.expected),
            valve=self._water.valve_near(verdict.dev_eui),
        )  # fmt: skip
        unit = units.get(verdict.channel, "")
        reason = Reason(verdict.channel, verdict.observed, verdict.expected, 1.0,
                        verdict.p_value, unit)  # fmt: skip
        return _Track(reason, _score(verdict.score, verdict.p_value), diagnosis)

    def _take(
        self, episode: _Episode, verdict: Verdict, units: Mapping[Channel, str], *, spiked: bool
    ) -> None:
        newer, before = self._track(verdict, units), episode.tracks.get(verdict.channel)
        if before is not None:
            newer = replace(newer, diagnosis=_kept(before, newer))
        if spiked:
            newer.spikes = before.spikes + 1 if before else 1
        episode.tracks[verdict.channel] = newer
        seen_s = max(episode.alert.last_seen_s, verdict.time_s)
        episode.alert = replace(episode.alert, last_seen_s=seen_s)

    def _settle(
        self, device: DeviceInfo, touched: Sequence[_Episode], fresh: Mapping[str, object]
    ) -> list[AlertEvent]:
        """End or update what this uplink touched; one that gains a channel is left to its join."""
        events: list[AlertEvent] = []
        for episode in touched:
            if episode.over() and episode.group not in fresh:
                events += self._end(episode, episode.newest_s)
            elif episode.group not in fresh:
                events += self._tell(device, episode)
        return events

    def _join_or_begin(
        self,
        device: DeviceInfo,
        group: str,
        found: Sequence[Verdict],
        units: Mapping[Channel, str],
        now_s: float,
    ) -> list[AlertEvent]:
        first_s = min(verdict.time_s for verdict in found)
        open_now = self._episodes.get(device.dev_eui, [])
        near = (
            e for e in open_now if e.group == group and first_s - e.alert.first_seen_s <= JOIN_S
        )
        if (episode := next(near, None)) is not None:
            for verdict in found:
                self._take(episode, verdict, units, spiked=verdict.pattern == SPIKE)
            episode.judged_s = now_s
            return self._tell(device, episode, joined=True)
        tracks = {verdict.channel: self._track(verdict, units) for verdict in found}
        for verdict in found:
            tracks[verdict.channel].spikes = int(verdict.pattern == SPIKE)
        lead = min(str(channel) for channel in tracks)
        blank = Alert(
            id=alert_id(device.dev_eui, RULE, f"{group}|{lead}", first_s),
            dev_eui=device.dev_eui, rule=RULE, kind="", cause="", severity=Severity.INFO,
            title="", advice="", reason=(), first_seen_s=first_s,
            last_seen_s=max(verdict.time_s for verdict in found),
            model=found[0].model or self.model_name,
        )  # fmt: skip
        episode = _Episode(blank, group, tracks, first_s, blank.last_seen_s, now_s)
        worded = _worded(device, episode)
        like = self._find_like(device.dev_eui, worded.reason[0], first_s)
        episode.alert = replace(worded, nearest=like)
        self._episodes.setdefault(device.dev_eui, []).append(episode)
        return self._book.begin(episode.alert)

    def _tell(
        self, device: DeviceInfo, episode: _Episode, *, joined: bool = False
    ) -> list[AlertEvent]:
        """Publish an update where it is worth a person's while."""
        newer = _worded(device, episode)
        waited_s = newer.last_seen_s - episode.published_s
        worse = _RANK[newer.severity] > _RANK[episode.alert.severity]
        changed = newer.kind != episode.alert.kind and waited_s >= UPDATE_S
        if not (joined or worse or changed or waited_s >= REFRESH_S):
            return []
        episode.alert, episode.published_s = newer, newer.last_seen_s
        return self._book.update(newer)

    def _end(self, episode: _Episode, end_s: float) -> list[AlertEvent]:
        dev_eui = episode.alert.dev_eui
        rest = [other for other in self._episodes[dev_eui] if other is not episode]
        if rest:
            self._episodes[dev_eui] = rest
        else:
            del self._episodes[dev_eui]
        return self._book.end(episode.alert, end_s)


def _kept(before: _Track, newer: _Track) -> Diagnosis:
    """Return what is wrong by a channel's newest sample and what was said of it before."""
    was, now = before.diagnosis, newer.diagnosis
    if _is_known(was) and now.cause == _UNKNOWN:
        return was
    still = newer.reason.observed == before.reason.observed
    if was.kind == "stuck" and still and now.cause != was.cause:
        return was  # it still stands where it stood, wherever it should be by now
    if was.cause == "actuator" and now.kind == "drift":
        return was  # a pump that draws more goes on to draw more
    if {was.kind, now.kind} == _BOTH_WAYS or (was.kind == "noise" and now.kind in _BOTH_WAYS):
        return diagnose(newer.reason.channel, "noise", up=None)  # no water goes both ways at once
    return now


def _is_known(diagnosis: Diagnosis) -> bool:
    """Whether a shape without a name of its own, as when a fault ends, cannot take this back.

    What jumped for a moment and stays is something else than was said.
    """
    return diagnosis.cause != _UNKNOWN and diagnosis.kind != SPIKE


def _lasting(verdict: Verdict, episode: _Episode | None) -> Verdict:
    """Return a verdict; a spike that has lasted for several samples is a new level."""
    track = episode.tracks.get(verdict.channel) if episode else None
    if track is None or verdict.pattern != SPIKE or track.spikes < STAYS:
        return verdict
    return replace(verdict, pattern="level")


def _worded(device: DeviceInfo, episode: _Episode) -> Alert:
    """Return the alert as its channels now tell it; its severity never falls in its life."""
    active = [track for track in episode.tracks.values() if track.ok < END_OK]
    tracks = sorted(active or episode.tracks.values(), key=_weight, reverse=True)
    lead, total = tracks[0].diagnosis, sum(track.score for track in tracks)
    severity = max((episode.alert.severity, lead.severity), key=_RANK.__getitem__)
    told = replace(
        episode.alert,
        severity=severity,
        reason=tuple(replace(track.reason, share=track.score / total) for track in tracks),
    )
    if lead.cause == _UNKNOWN and told.cause not in {"", _UNKNOWN} and told.kind != SPIKE:
        return told  # what is left when the channel that said more is well has no better name
    return replace(
        told,
        kind=lead.kind,
        cause=lead.cause,
        # A restored channel has no text of its own until it is abnormal again.
        title=titled(device, lead.text) if lead.text else told.title,
        advice=lead.advice,
    )


def _weight(track: _Track) -> tuple[int, bool, float, str]:
    """Return what makes a channel lead: its severity, that its cause is known, its score."""
    known = track.diagnosis.cause != _UNKNOWN
    return _RANK[track.diagnosis.severity], known, track.score, str(track.reason.channel)


def _score(score: float | None, p_value: float | None) -> float:
    if score is None or not math.isfinite(score):
        score = -math.log10(p_value) if p_value else 0.0
    return max(score, _LEAST_SCORE)
