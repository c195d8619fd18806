"""What a channel was like in its last day of normal samples, for verdicts that do not say.

The detector does not always know what to expect of a slow course; people still want to hear which
way it goes, and a tank that falls is a leak and one that rises is none.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace

from gateway.types import Channel, DevEui, Status, Verdict

MOST = 8192
_EVERY_S = 1800.0
_KEPT = 48
_FEWEST = 8


@dataclass(slots=True)
class _Day:
    """At most a sample each half hour, the newest 48."""

    values: array[float] = field(default_factory=lambda: array("f"))
    newest_s: float = float("-inf")


class Usual:
    """The newest normal samples of each channel that is judged."""

    def __init__(self) -> None:
        self._days: dict[tuple[DevEui, Channel], _Day] = {}

    def learn(self, verdict: Verdict) -> None:
        """Take a verdict; only those that are ok teach anything."""
        if verdict.status is not Status.OK:
            return
        key = (verdict.dev_eui, verdict.channel)
        day = self._days.get(key)
        if day is None:
            if len(self._days) >= MOST:
                return
            day = self._days[key] = _Day()
        if verdict.time_s - day.newest_s >= _EVERY_S:
            day.values.append(verdict.observed)
            day.newest_s = verdict.time_s
            del day.values[:-_KEPT]

    def completed(self, verdict: Verdict) -> Verdict:
        """Return a verdict with what was usual (10, 50, 90 %) where nothing was expected.

        A pattern that names a direction is believed: what contradicts it is left out.
        """
        day = self._days.get((verdict.dev_eui, verdict.channel))
        if verdict.expected is not None or day is None or len(day.values) < _FEWEST:
            return verdict
        ordered = sorted(day.values)
        count = len(ordered)
        low, middle, high = (ordered[int(share * (count - 1))] for share in (0.1, 0.5, 0.9))
        up = verdict.observed > middle
        if (verdict.pattern == "rise" and not up) or (verdict.pattern == "fall" and up):
            return verdict
        return replace(verdict, expected=(low, middle, high))

    def forget(self, dev_eui: DevEui) -> None:
        """Drop a device."""
        for key in [key for key in self._days if key[0] == dev_eui]:
            del self._days[key]
