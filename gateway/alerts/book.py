"""The open alerts: one place that begins, updates and ends them, so that an id lives once."""

from __future__ import annotations

import uuid
from dataclasses import replace

from gateway.types import Alert, AlertEvent, DevEui, EventType

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "lora-gateway:alert")


def alert_id(dev_eui: DevEui, rule: str, group: str, first_seen_s: float) -> str:
    """Return the same UUID for the same trouble, whoever computes it and however often."""
    return str(uuid.uuid5(_NAMESPACE, f"{dev_eui}|{rule}|{group}|{first_seen_s:.3f}"))


class AlertBook:
    """Every open alert by id. A step that changes nothing makes no event."""

    def __init__(self) -> None:
        self._open: dict[str, Alert] = {}

    def begin(self, alert: Alert) -> list[AlertEvent]:
        """Open an alert; one that is open already is not opened again."""
        if alert.id in self._open:
            return []
        self._open[alert.id] = alert
        return [AlertEvent(EventType.NEW, alert)]

    def update(self, alert: Alert) -> list[AlertEvent]:
        """Replace an open alert by its newer form."""
        if self._open.get(alert.id) in (None, alert):
            return []
        self._open[alert.id] = alert
        return [AlertEvent(EventType.UPDATE, alert)]

    def end(self, alert: Alert, end_s: float, *, folded_into: str = "") -> list[AlertEvent]:
        """Close an alert, never before it was last seen; `folded_into` is what stands for it."""
        if self._open.pop(alert.id, None) is None:
            return []
        ended = replace(alert, end_s=max(end_s, alert.last_seen_s), folded_into=folded_into)
        return [AlertEvent(EventType.END, ended)]

    def restore(self, alert: Alert) -> None:
        """Put back an alert that was open before a restart, without an event."""
        self._open[alert.id] = alert

    def of(self, dev_eui: DevEui) -> list[Alert]:
        """Return what is open of one device."""
        return [alert for alert in self._open.values() if alert.dev_eui == dev_eui]

    def alerts(self) -> list[Alert]:
        """Return what is open, oldest first."""
        return sorted(self._open.values(), key=lambda alert: (alert.first_seen_s, alert.id))
