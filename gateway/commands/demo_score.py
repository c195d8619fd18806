"""What the demo remembers of a run, and its closing summary."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.outcome import Outcome
from gateway.sources.simulated_farm import Outcome as FaultOutcome
from gateway.sources.simulated_farm import Script, SeenAlert, judge
from gateway.types import Alert, AlertEvent, Channel, DevEui, Downlink, EventType, Reading

REMEMBERED = 200


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
    seen: list[SeenAlert] = field(default_factory=list)
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
        if step is EventType.NEW:
            channels = frozenset(reason.channel for reason in alert.reason)
            self.seen.append(SeenAlert(alert.id, alert.dev_eui, alert.kind, now_s, channels))
        if step is not EventType.UPDATE:
            self.notices.append(Notice(now_s, step, alert))
            self.noticed += 1

    def judged(self) -> tuple[tuple[FaultOutcome, ...], int]:
        """Return the faults that have begun with what became of them, and the false alarms."""
        return judge(self.script.faults, self.seen, dict(self.euis), self.now_s)

    def summary(self) -> dict[str, object]:
        """Return the summary that `--json` prints."""
        outcomes, false_alarms = self.judged()
        return {
            "faults": [_fault(outcome) for outcome in outcomes],
            "false_alarms": false_alarms,
            "uplinks": self.uplinks,
        }


def _fault(outcome: FaultOutcome) -> dict[str, object]:
    return {
        "kind": outcome.fault.kind,
        "device": outcome.dev_eui,
        "start": rfc3339(outcome.fault.start_s),
        "detected": outcome.alert_id is not None,
        "delay_s": None if outcome.delay_s is None else round(outcome.delay_s, 1),
        "alert_id": outcome.alert_id,
    }


def rfc3339(time_s: float) -> str:
    """Write a time to the second."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
