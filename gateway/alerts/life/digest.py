"""The daily digest: what was folded into it since the last one, told as one message.

It is due at `digest_at` of local time once something was folded, so that a day without anything
brings none. All it is made of is stored with the alerts themselves and in the newest digest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.speech import say
from gateway.types import Alert, Json

NAME = "digest"
MOST_IDS = 200
MOST_TITLES = 20


class Digest:
    """What waits for the next digest, and the newest one (None: there was none yet)."""

    def __init__(self, at: str, timezone: str) -> None:
        self.newest: Mapping[str, Json] | None = None
        self.changes: dict[str, Json] = {}
        hour, minute = at.split(":")
        self._hour, self._minute = int(hour), int(minute)
        self._zone = ZoneInfo(timezone) if timezone else None
        self._waiting: dict[str, Alert] = {}

    def fold(self, alert: Alert) -> None:
        """Keep an alert for the next digest."""
        self._waiting[alert.id] = alert

    def drop(self, alert_id: str) -> None:
        """Leave out what was told after all."""
        self._waiting.pop(alert_id, None)

    def look(self, now_s: float) -> None:
        """Make the digest if it is due."""
        if not self._waiting:
            return
        folded = sorted(self._waiting.values(), key=lambda one: (_digested_s(one), one.id))
        if now_s < self._next_s(_digested_s(folded[0])):
            return
        self.newest = self.changes[NAME] = _digest(folded, now_s)
        self._waiting.clear()

    def restore(self, memory: Mapping[str, Json]) -> None:
        """Take back the newest digest; alerts that came after it are given by `take_up`."""
        self.newest = memory.get(NAME)

    def take_up(self, alert: Alert) -> None:
        """Keep a stored alert that no digest has told yet."""
        digested_s = alert.care.digested_s
        if digested_s is None:
            return
        newest = self.newest
        if newest and (digested_s < newest["time_s"] or alert.id in newest["ids"]):
            return
        self.fold(alert)

    def _next_s(self, since_s: float) -> float:
        """Return the first moment after `since_s` at which digests are told."""
        local = datetime.fromtimestamp(since_s, UTC).astimezone(self._zone)
        due = local.replace(hour=self._hour, minute=self._minute, second=0, microsecond=0)
        if due <= local:
            due += timedelta(days=1)
        return due.timestamp()


def _digested_s(alert: Alert) -> float:
    return alert.care.digested_s or 0.0


def _digest(folded: list[Alert], now_s: float) -> dict[str, Json]:
    devices = Counter(one.dev_eui for one in folded)
    title = say(
        "{count} lesser alerts of {devices} devices were not told one by one",
        count=len(folded), devices=len(devices),
    )  # fmt: skip
    return {
        "time_s": now_s,
        "since_s": _digested_s(folded[0]),
        "title": title,
        "count": len(folded),
        "kinds": dict(sorted(Counter(one.kind for one in folded).items())),
        "devices": dict(sorted(devices.items())),
        "ids": [one.id for one in folded[:MOST_IDS]],
        "titles": [one.title for one in folded[:MOST_TITLES]],
    }
