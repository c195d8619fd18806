"""What people made of alerts, in JSON: beside an alert, per device, in the digest, in a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.publishers import values
from gateway.types import Alert, Json, Severity

_RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


def care(alert: Alert) -> dict[str, Json]:
    """Return what of an alert is people's, and how far it was told."""
    kept = alert.care
    return {
        "snoozed_until": values.maybe_time(kept.snoozed_until_s),
        "comments": [
            {"by": one.by, "time": values.rfc3339(one.time_s), "text": one.text}
            for one in kept.comments
        ],
        "in_digest": kept.digested_s is not None,
        "recurred": kept.recurred,
        "well_since": values.maybe_time(kept.well_since_s),
        "false_alarm": kept.false_alarm,
    }


def device_alerts(alerts: Iterable[Alert]) -> dict[str, Json]:
    """Return a device's open alerts in short, the worst severity among those that were told."""
    shown = list(alerts)
    told = [one for one in shown if one.care.digested_s is None]
    resting = [one for one in told if one.care.snoozed_until_s is not None]
    waiting = [one for one in told if one.ack is None and one.care.snoozed_until_s is None]
    worst = max((one.severity for one in told), key=_RANK.__getitem__, default=None)
    return {
        "open": len(told),
        "unacknowledged": len(waiting),
        "snoozed": len(resting),
        "in_digest": len(shown) - len(told),
        "severity": worst.value if worst else None,
        "alerts": [_short(one) for one in shown],
    }


def _short(alert: Alert) -> dict[str, Json]:
    return {
        "id": alert.id,
        "severity": alert.severity.value,
        "kind": alert.kind,
        "title": alert.title,
        "ack": alert.ack,
        "snoozed_until": values.maybe_time(alert.care.snoozed_until_s),
        "in_digest": alert.care.digested_s is not None,
    }


def digest(kept: Mapping[str, Json]) -> dict[str, Json]:
    """Return a digest as it is told; `kept` is what `gateway.alerts.life` keeps of it."""
    names = ("title", "count", "kinds", "devices", "ids", "titles")
    return {
        "time": values.rfc3339(kept["time_s"]),
        "since": values.rfc3339(kept["since_s"]),
    } | {name: kept[name] for name in names}


def adjustment(
    *,
    dev_eui: str,
    rule: str,
    channel: str,
    step: int,
    sensitivity: float,
    effect: str,
    by: str,
    alert_id: str,
    since_s: float,
    expires_s: float,
) -> dict[str, Json]:
    """Return what false alarms changed of one device's channel; an empty channel is all of it."""
    return {
        "dev_eui": dev_eui,
        "rule": rule,
        "channel": channel or None,
        "step": step,
        "sensitivity": values.number(sensitivity),
        "effect": effect,
        "by": by,
        "alert": alert_id,
        "since": values.rfc3339(since_s),
        "expires": values.rfc3339(expires_s),
    }
