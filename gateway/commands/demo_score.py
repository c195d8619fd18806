"""What the demo remembers of a run, and its closing summary."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.outcome import Outcome
from gateway.sources.simulated_farm import Judgement, Script, SeenAlert, judge
from gateway.sources.simulated_farm import Outcome as FaultOutcome
from gateway.types import Alert, AlertEvent, Channel, DevEui, Downlink, EventType, Reading

REMEMBERED = 200
DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Notice:
    """One step of an alert's life as it was seen, at simulated time."""

    time_s: float
    step: EventType
    alert: Alert


@dataclass(slots=True)
class Progress:
    """All that the view shows and the summary counts. `now_s` is simulated time."""

    script: Script
    titles: Mapping[str, str]
    euis: Mapping[str, str]
    now_s: float
    uplinks: int = 0
    taken: int = 0
    readings: dict[DevEui, dict[Channel, Reading]] = field(default_factory=dict)
    open_alerts: dict[str, Alert] = field(default_factory=dict)
    notices: deque[Notice] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    noticed: int = 0
    seen: dict[str, SeenAlert] = field(default_factory=dict)
    downlinks: dict[str, Downlink] = field(default_factory=dict)

    def take(self, outcome: Outcome) -> None:
        """Learn what one batch of the daemon came to."""
        self.taken += outcome.taken
        self.uplinks += len(outcome.uplinks)
        for record in outcome.uplinks:
            channels = self.readings.setdefault(record.dev_eui, {})
            channels.update({reading.channel: reading for reading in record.readings})
        for event in outcome.alerts:
            self._take_alert(event, outcome.now_s)
        self.downlinks.update({downlink.id: downlink for downlink in outcome.downlinks})

    def _take_alert(self, event: AlertEvent, now_s: float) -> None:
        """Learn a step of an alert's life; only what people are told counts as noticed."""
        step, alert = event.event_type, event.alert
        if step is EventType.END:
            self.open_alerts.pop(alert.id, None)
        else:
            self.open_alerts[alert.id] = alert
        if not event.told:
            return
        if step is not EventType.END:
            self._see(alert, now_s)
        if step is not EventType.UPDATE:
            self.notices.append(Notice(now_s, step, alert))
            self.noticed += 1

    def _see(self, alert: Alert, now_s: float) -> None:
        before = self.seen.get(alert.id)
        now = SeenAlert(
            id=alert.id,
            devices=frozenset({alert.dev_eui, *alert.peers}),
            kinds=frozenset({alert.kind}),
            cause=alert.cause,
            time_s=now_s,
            channels=frozenset(part.channel for part in alert.reason),
        )
        self.seen[alert.id] = now if before is None else now.after(before)

    def judged(self) -> Judgement:
        """Return the faults that have begun with what became of them, and the false alarms."""
        return judge(self.script.faults, self.seen.values(), dict(self.euis), self.now_s)

    def summary(self) -> dict[str, object]:
        """Return the summary that `--json` prints."""
        judged = self.judged()
        return {
            "faults": [_fault(outcome) for outcome in judged.outcomes],
            "false_alarms": len(judged.false_alarms),
            "unexplained": [_unexplained(alert) for alert in judged.false_alarms],
            "days": round((self.now_s - self.script.start_s) / DAY_S, 2),
            "uplinks": self.uplinks,
        }


def _fault(outcome: FaultOutcome) -> dict[str, object]:
    alert, delay_s = outcome.alert, outcome.delay_s
    return {
        "kind": outcome.fault.kind,
        "device": outcome.dev_eui,
        "start": rfc3339(outcome.fault.start_s),
        "detected": alert is not None,
        "delay_s": None if delay_s is None else round(delay_s, 1),
        "alert_id": None if alert is None else alert.id,
        "cause": None if alert is None else alert.cause,
        "right_cause": outcome.right_cause,
    }


def _unexplained(alert: SeenAlert) -> dict[str, object]:
    return {
        "time": rfc3339(alert.time_s),
        "devices": sorted(alert.devices),
        "kinds": sorted(alert.kinds),
        "cause": alert.cause,
        "channels": sorted(alert.channels),
    }


def rfc3339(time_s: float) -> str:
    """Write a time to the second."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
