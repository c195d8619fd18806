"""Several steps of one alert in one batch are one step: a storm is told once, as it then stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gateway.types import AlertEvent, EventType


def newest_steps(events: Iterable[AlertEvent]) -> list[AlertEvent]:
    """Return at most one new or update, and one end, of each alert; in the order of the first."""
    kept: dict[tuple[str, bool], AlertEvent] = {}
    for event in events:
        key = (event.alert.id, event.event_type is EventType.END)
        before = kept.get(key)
        told = event.told or (before is not None and before.told)
        kept[key] = replace(before or event, alert=event.alert, told=told)
    return list(kept.values())
