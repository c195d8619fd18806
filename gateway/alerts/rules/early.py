"""Spikes, steps and stuck probes, from the first day on: until a model knows the channel.

Only quantities that cannot jump (`slow`) are judged, and only while no model judges them.

- **spike**: one sample far from the one before it, by the eight before, and back with the next.
- **step**: as far, and it stays for three samples, with no rain or irrigation to explain it.
- **stuck**: a channel that changed with every other sample or more has not changed for 12 h and 24
  samples, and for six times as long as it ever stood still before. A value of 0 is no fault (no
  rain, no light), nor is air that stays saturated.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from gateway.alerts.book import AlertBook, alert_id
from gateway.alerts.diagnosis import diagnose
from gateway.alerts.families import Family, family_of, words_of
from gateway.alerts.rules.link_history import median
from gateway.alerts.rules.slow import is_slow, jump_of
from gateway.alerts.water import WaterLedger
from gateway.speech import figure, say
from gateway.types import (
    Alert,
    AlertEvent,
    Channel,
    DevEui,
    DeviceInfo,
    Reading,
    Reason,
    Severity,
    Status,
    Verdict,
)

RULE = "at-once:early"
MOST = 4096
"""Channels that are watched; a model takes each over once it is warm."""

_BEFORE = 8
_CLOSE_S = 1.5 * 3600.0
_MOVES = 9.0  # of the median change: 6 standard deviations
_BACK = 0.3
_STAYS = 3
_WELL = 3
_ACCEPTED_S = 12 * 3600.0
_STUCK_S = 12 * 3600.0
_STUCK_SAMPLES = 24
_STUCK_TIMES = 6
_LIVELY = 0.5
_SATURATED = 99.0
_STUCK, _SPIKE, _STEP = "stuck", "spike", "step"


@dataclass(slots=True)
class _Jump:
    """A sample that left where the channel was: `middle` is the sample before."""

    time_s: float
    value: float
    middle: float
    room: float
    stayed: int = 1


@dataclass(slots=True)
class _Track:
    """One channel so far. `run` counts equal samples since `run_s`, `longest` is of runs before.

    `home` is where the last step began.
    """

    values: array[float] = field(default_factory=lambda: array("d"))
    newest_s: float | None = None
    pairs: int = 0
    changes: int = 0
    run: int = 1
    run_s: float = 0.0
    longest: int = 1
    jump: _Jump | None = None
    home: float | None = None
    alert: Alert | None = None
    well: int = 0


class EarlyRule:
    """Watches the channels that no model knows yet."""

    def __init__(self, book: AlertBook, water: WaterLedger) -> None:
        self._book = book
        self._water = water
        self._tracks: dict[tuple[DevEui, Channel], _Track] = {}

    def consider(
        self, device: DeviceInfo, verdicts: Sequence[Verdict], readings: Sequence[Reading]
    ) -> list[AlertEvent]:
        """Judge one uplink's readings; channels that a model judges are let go."""
        known = {one.channel for one in verdicts if one.status in (Status.OK, Status.ANOMALOUS)}
        events: list[AlertEvent] = []
        for reading in filter(is_slow, readings):
            key = (device.dev_eui, reading.channel)
            track = self._tracks.get(key)
            if reading.channel in known and (track is None or track.alert is None):
                self._tracks.pop(key, None)
                continue
            if track is None:
                if len(self._tracks) >= MOST:
                    continue
                track = self._tracks[key] = _Track()
            if reading.channel in known:
                events += self._follow(track, reading.time_s, float(reading.value))
            else:
                events += self._judge(device, track, reading)
        return events

    def recall(self, device: DeviceInfo, readings: Sequence[Reading]) -> None:
        """Learn from a stored uplink after a restart; give a device's oldest first."""
        for reading in filter(is_slow, readings):
            key = (device.dev_eui, reading.channel)
            if key in self._tracks or len(self._tracks) < MOST:
                self._judge(None, self._tracks.setdefault(key, _Track()), reading)

    def restore(self, alert: Alert) -> None:
        """Take an open alert back after a restart."""
        reason = alert.reason[0]
        track = self._tracks.setdefault((alert.dev_eui, reason.channel), _Track())
        track.alert = alert

    def forget(self, dev_eui: DevEui) -> list[AlertEvent]:
        """Drop a device and end its alerts."""
        events: list[AlertEvent] = []
        for key in [key for key in self._tracks if key[0] == dev_eui]:
            alert = self._tracks.pop(key).alert
            events += self._book.end(alert, alert.last_seen_s) if alert else []
        return events

    def tick(self, now_s: float) -> list[AlertEvent]:
        """End what nobody has fed for two days."""
        events: list[AlertEvent] = []
        for track in self._tracks.values():
            if track.alert is not None and now_s - track.alert.last_seen_s > 2 * 86400.0:
                newest_s = track.newest_s if track.newest_s is not None else float("-inf")
                if now_s - newest_s > 2 * 86400.0:
                    events += self._close(track, track.alert.last_seen_s)
        return events

    # --- one sample -----------------------------------------------------------------------

    def _judge(
        self, device: DeviceInfo | None, track: _Track, reading: Reading
    ) -> list[AlertEvent]:
        """Take one sample; without a device it is of the past, and only learned from."""
        time_s, value = reading.time_s, float(reading.value)
        if track.newest_s is not None and time_s <= track.newest_s:
            return []
        close = track.newest_s is not None and time_s - track.newest_s <= _CLOSE_S
        events = self._follow(track, time_s, value, past=device is None)
        jump = self._jump(track, reading.channel, time_s, value) if close else None
        if not close:
            track.jump = None
        events += self._settle(device, track, reading) if close and track.jump else []
        if track.jump is None:
            track.jump = jump
        if track.jump is None:
            _learn(track, time_s, value)
        else:
            track.newest_s = time_s
        if track.alert is None and _is_stuck(track, reading.channel, time_s, value):
            events += self._begin(device, track, reading, _STUCK, None)
        return events

    def _jump(self, track: _Track, channel: Channel, time_s: float, value: float) -> _Jump | None:
        if len(track.values) < _BEFORE or track.jump is not None:
            return None
        middle = track.values[-1]
        floor = jump_of(channel) or 0.0
        if abs(value - middle) <= floor:
            return None
        moves = median(abs(after - before) for before, after in pairwise(track.values))
        room = max(floor, _MOVES * moves)
        return _Jump(time_s, value, middle, room) if abs(value - middle) > room else None

    def _settle(
        self, device: DeviceInfo | None, track: _Track, reading: Reading
    ) -> list[AlertEvent]:
        """Decide what a jump was, by the samples after it."""
        jump = track.jump
        if jump is None:
            return []
        size, value = abs(jump.value - jump.middle), float(reading.value)
        if abs(value - jump.middle) <= _BACK * size:
            track.jump = None
            once = jump.stayed == 1 and track.alert is None
            return self._begin(device, track, reading, _SPIKE, jump) if once else []
        if abs(value - jump.value) > max(_BACK * size, jump.room):
            track.jump = None  # neither back nor staying: it moves
            return []
        jump.stayed += 1
        return self._stayed(device, track, reading, jump) if jump.stayed >= _STAYS else []

    def _stayed(
        self, device: DeviceInfo | None, track: _Track, reading: Reading, jump: _Jump
    ) -> list[AlertEvent]:
        """Tell a step, unless water explains it or it leads back to where the last one began."""
        track.jump = None
        del track.values[:]
        home, track.home = track.home, jump.middle
        if home is not None and abs(jump.value - home) <= jump.room:
            track.home = None
            return []
        up = jump.value > jump.middle
        pattern = "rise" if up else "fall"
        explained = self._water.explains(
            reading.dev_eui, reading.channel, pattern, up=up, time_s=reading.time_s
        )
        if explained or track.alert is not None:
            return []
        return self._begin(device, track, reading, _STEP, jump)

    # --- alerts ---------------------------------------------------------------------------

    def _begin(
        self,
        device: DeviceInfo | None,
        track: _Track,
        reading: Reading,
        kind: str,
        jump: _Jump | None,
    ) -> list[AlertEvent]:
        if device is None:
            return []
        expected = (jump.middle - jump.room, jump.middle, jump.middle + jump.room) if jump else None
        observed = jump.value if jump else float(reading.value)
        first_s = jump.time_s if jump else track.run_s
        alert = Alert(
            id=alert_id(device.dev_eui, RULE, f"{kind}|{reading.channel}", first_s),
            dev_eui=device.dev_eui, rule=RULE, kind=kind, cause="sensor",
            severity=Severity.WARNING, title="", advice="",
            reason=(Reason(reading.channel, observed, expected, 1.0, None, reading.unit),),
            first_seen_s=first_s, last_seen_s=reading.time_s,
        )  # fmt: skip
        track.alert = self._worded(device, alert, up=bool(jump and jump.value > jump.middle))
        track.well = 0
        return self._book.begin(track.alert)

    def _worded(self, device: DeviceInfo, alert: Alert, *, up: bool) -> Alert:
        reason = alert.reason[0]
        family, words = family_of(reason.channel), words_of(reason.channel)
        name = device.name or str(device.dev_eui)
        if alert.kind != _STEP:
            found = diagnose(reason.channel, alert.kind, up=None)
            title = f"{name}: {found.text}"
            return replace(alert, severity=found.severity, title=title, advice=found.advice)
        if family is Family.MOISTURE and up:
            valve = self._water.valve_near(device.dev_eui)
            found = diagnose(reason.channel, "rise", up=True, valve=valve)
            return replace(alert, kind=found.kind, cause=found.cause, severity=found.severity,
                           title=f"{name}: {found.text}", advice=found.advice)  # fmt: skip
        middle = reason.expected[1] if reason.expected else 0.0
        shift = figure(abs(float(reason.observed) - middle), reason.unit)
        template = (
            say("{name}: {words} rose by {shift} at once and stays there",
                name=name, words=words, shift=shift)
            if up
            else say("{name}: {words} fell by {shift} at once and stays there",
                     name=name, words=words, shift=shift)
        )  # fmt: skip
        return replace(
            alert, cause="unknown", title=template,
            advice=say("See whether the probe was moved or came loose, and compare with a hand "
                       "measurement."),
        )  # fmt: skip

    def _follow(
        self, track: _Track, time_s: float, value: float, *, past: bool = False
    ) -> list[AlertEvent]:
        """End an alert that is over; samples of the past only count."""
        alert = track.alert
        if alert is None or (past and (alert.kind == _STUCK or time_s <= alert.first_seen_s)):
            return []
        reason = alert.reason[0]
        if alert.kind == _STUCK:
            if value != reason.observed:
                return self._close(track, time_s)
            track.alert = replace(alert, last_seen_s=time_s)
            return []
        low, _, high = reason.expected or (value, value, value)
        track.well = track.well + 1 if low <= value <= high else 0
        if past:
            return []
        if track.well >= _WELL or time_s - alert.first_seen_s > _ACCEPTED_S:
            return self._close(track, time_s)
        return []

    def _close(self, track: _Track, time_s: float) -> list[AlertEvent]:
        alert, track.alert, track.well = track.alert, None, 0
        return self._book.end(alert, time_s) if alert else []


def _learn(track: _Track, time_s: float, value: float) -> None:
    if not track.values:
        track.run_s = time_s
    elif value == track.values[-1]:
        track.pairs += 1
        track.run += 1
    else:
        track.pairs += 1
        track.changes += 1
        track.longest = max(track.longest, track.run)
        track.run, track.run_s = 1, time_s
    track.values.append(value)
    del track.values[:-_BEFORE]
    track.newest_s = time_s


def _is_stuck(track: _Track, channel: Channel, time_s: float, value: float) -> bool:
    before = track.pairs - (track.run - 1)
    if track.run < _STUCK_SAMPLES or time_s - track.run_s < _STUCK_S or value == 0.0:
        return False
    if "umidity" in str(channel) and value >= _SATURATED:
        return False
    lively = before >= _STUCK_SAMPLES and track.changes >= _LIVELY * before
    return lively and track.run >= _STUCK_TIMES * track.longest
