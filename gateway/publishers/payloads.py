"""What each message says: pure functions from records to JSON-able objects.

One function per schema in `schemas/`; a test holds each against it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from gateway.publishers import alert_payloads, values
from gateway.types import (
    QUANTILES,
    Alert,
    AlertEvent,
    Channel,
    DeviceInfo,
    Downlink,
    Forecast,
    GroupCommandView,
    Json,
    LegView,
    Likeness,
    ProgramView,
    Reading,
    Reason,
    Status,
    Verdict,
)

PLACE_DIGITS = 9

P_DIGITS = 3
"""Significant digits of scores and p-values."""


def state(
    info: DeviceInfo,
    readings: Iterable[Reading],
    *,
    time_s: float,
    received_s: float,
    f_cnt: int | None,
    uplink_id: str,
    late: bool = False,
    clock_suspect: bool = False,
) -> dict[str, Json]:
    """Return a device's readings as one nested object by dotted channel.

    Give the newest reading of every channel ever heard: what stands where depends on all of them
    (see `values.paths`), and Home Assistant's templates are made from the same set.
    """
    by_channel = {reading.channel: reading for reading in readings}
    places = values.paths(by_channel)
    shown = (
        (places[channel], values.scalar(reading.value, _digits(channel)))
        for channel, reading in by_channel.items()
    )
    tree = values.nested((path, value) for path, value in shown if value is not None)
    device = tree.setdefault("device", {})
    device.update(
        {
            "dev_eui": info.dev_eui,
            "name": info.name,
            "profile": info.profile,
            "application": info.application,
        }
    )
    tree.setdefault("radio", {})
    return tree | {
        "quality": {"late": late, "clock_suspect": clock_suspect},
        "time": values.rfc3339(time_s),
        "received": values.rfc3339(received_s),
        "f_cnt": f_cnt,
        "id": uplink_id,
    }


def _digits(channel: Channel) -> int:
    """Return how many digits count: a place on earth needs more than any sensor."""
    return PLACE_DIGITS if channel.startswith("location.") else values.DIGITS


def history(state_payload: Mapping[str, Json]) -> dict[str, Json]:
    """Return a state of the past as backfill."""
    return {**state_payload, "historical": True}


def availability(*, online: bool) -> dict[str, Json]:
    """Return whether something is there: a device, or the gateway itself."""
    return {"state": "online" if online else "offline"}


def advice(sampling: Mapping[str, Json], *, time_s: float) -> dict[str, Json]:
    """Return what is advised for a device; `sampling` is made by `upkeep.sampling_json`."""
    return {"time": values.rfc3339(time_s), "sampling": dict(sampling)}


def anomaly(
    verdicts: Iterable[Verdict],
    *,
    time_s: float,
    active: bool,
    sensitivity: Mapping[Channel, float] | None = None,
) -> dict[str, Json]:
    """Return the newest verdict of each channel; `active` says whether an alert stands.

    `sensitivity` is below 1 for channels that false alarms made less sensitive.
    """
    newest = list(verdicts)
    channels = {verdict.channel: _verdict(verdict) for verdict in newest}
    for channel, left in (sensitivity or {}).items():
        if channel in channels:
            channels[channel]["sensitivity"] = values.number(left)
    return {
        "time": values.rfc3339(time_s),
        "active": active,
        "model": next((verdict.model for verdict in newest if verdict.model), None),
        "channels": channels,
    }


def _verdict(verdict: Verdict) -> dict[str, Json]:
    return {
        "observed": values.number(verdict.observed),
        "expected": _expected(verdict.expected),
        "score": values.number(verdict.score, P_DIGITS),
        "p_value": _p_value(verdict.p_value),
        "status": verdict.status.value,
        "pattern": verdict.pattern if verdict.status is Status.ANOMALOUS else "",
    }


def forecast(forecasts: Iterable[Forecast], *, time_s: float) -> dict[str, Json]:
    """Return what is expected next: per channel one list per quantile level."""
    return {
        "time": values.rfc3339(time_s),
        "channels": {item.channel: _forecast(item) for item in forecasts},
    }


def _forecast(item: Forecast) -> dict[str, Json]:
    columns = values.columns(item.quantiles.T)
    return {
        "step_s": values.number(item.step_s),
        "start": values.rfc3339(item.start_s),
        "quantiles": {
            f"{level:g}": column for level, column in zip(QUANTILES, columns, strict=True)
        },
    }


def alert(event: AlertEvent) -> dict[str, Json]:
    """Return one step of an alert's life."""
    return {"event_type": event.event_type.value} | _alert(event.alert)


def alert_entry(item: Alert) -> dict[str, Json]:
    """Return an alert as it stands in a list, where no topic says whose it is."""
    return {"dev_eui": item.dev_eui, "rule": item.rule} | _alert(item)


def _alert(item: Alert) -> dict[str, Json]:
    return {
        "id": item.id,
        "severity": item.severity.value,
        "kind": item.kind,
        "cause": item.cause,
        "title": item.title,
        "advice": item.advice,
        "reason": [_reason(part) for part in item.reason],
        "first_seen": values.rfc3339(item.first_seen_s),
        "last_seen": values.rfc3339(item.last_seen_s),
        "end_time": values.maybe_time(item.end_s),
        "ack": item.ack,
        "model": item.model,
        "peers": list(item.peers),
        "evidence": list(item.evidence),
        "folded_into": item.folded_into or None,
        **({} if item.nearest is None else {"nearest": _nearest(item.nearest)}),
    } | alert_payloads.care(item)


def _nearest(found: Likeness) -> dict[str, Json]:
    return {
        "channel": found.channel,
        "time": values.rfc3339(found.time_s),
        "value": values.number(found.value),
        "text": found.said,
    }


def _reason(part: Reason) -> dict[str, Json]:
    return {
        "channel": part.channel,
        "observed": values.scalar(part.observed),
        "expected": _expected(part.expected),
        "share": values.number(part.share, P_DIGITS),
        "p_value": _p_value(part.p_value),
    }


def alert_chart(alert_id: str, text: Iterable[str], svg: str) -> dict[str, Json]:
    """Return an alert's explanation, and its chart as an address that any browser shows."""
    image = base64.b64encode(svg.encode()).decode()
    return {
        "id": alert_id,
        "text": list(text),
        "content_type": "image/svg+xml",
        "image": f"data:image/svg+xml;base64,{image}",
    }


def command(downlink: Downlink) -> dict[str, Json]:
    """Return how far a command has come."""
    return {
        "id": downlink.id,
        "state": downlink.state.value,
        "dev_eui": downlink.dev_eui,
        "created": values.rfc3339(downlink.created_s),
        "changed": values.rfc3339(downlink.changed_s),
        "expires": values.rfc3339(downlink.expires_s),
        "by": downlink.by,
        "detail": downlink.detail,
        "f_port": downlink.f_port,
        "confirmed": downlink.confirmed,
        "signed": downlink.signed,
        "command": downlink.command,
        "duration_s": values.number(downlink.duration_s),
        "held_for": downlink.held_for,
        "held_until": values.maybe_time(downlink.held_until_s),
        "confirmed_by": downlink.confirmed_by,
        "ends": downlink.ends,
        "retry_of": downlink.retry_of,
        "sent": values.maybe_time(downlink.sent_s),
        "eta": values.maybe_time(downlink.eta_s),
    }


def program(view: ProgramView, *, time_s: float) -> dict[str, Json]:
    """Return how an irrigation program stands: its next start, its run, how the last one ended."""
    running = view.run_started_s is not None
    last = {
        "key": view.last_key,
        "outcome": view.last_outcome,
        "why": view.last_why,
        "started": values.maybe_time(view.last_started_s),
        "ended": values.maybe_time(view.last_ended_s),
        "valves": [_leg(leg) for leg in view.last_legs],
    }
    return {
        "time": values.rfc3339(time_s),
        "name": view.name,
        "enabled": view.enabled,
        "state": view.state,
        "why": view.why,
        "next": values.maybe_time(view.next_s),
        "skip": view.skip,
        "started": values.maybe_time(view.run_started_s),
        "valves": [_leg(leg) for leg in view.legs] if running else [],
        "last": last if view.last_outcome else None,
    }


def _leg(leg: LegView) -> dict[str, Json]:
    return {
        "dev_eui": leg.dev_eui,
        "name": leg.name,
        "state": leg.state,
        "duration_s": values.number(leg.duration_s),
        "command": leg.command_id,
        "detail": leg.detail,
    }


def group_command(view: GroupCommandView) -> dict[str, Json]:
    """Return how far a command to a group has come, all in all and for each member."""
    return {
        "id": view.id,
        "group": view.group,
        "state": view.state,
        "by": view.by,
        "command": view.command,
        "created": values.rfc3339(view.created_s),
        "changed": values.rfc3339(view.changed_s),
        "detail": view.detail,
        "multicast": view.multicast,
        "counts": dict(view.counts),
        "members": [
            {
                "dev_eui": dev_eui,
                "state": state,
                "id": view.ids.get(dev_eui, ""),
                "detail": view.details.get(dev_eui, ""),
            }
            for dev_eui, state in view.members.items()
        ],
    }


def bridge_info(
    *,
    version: str,
    site: str,
    started_s: float,
    sources: Iterable[str],
    model: str | None,
    settings: Mapping[str, Json],
) -> dict[str, Json]:
    """Return what the gateway is; `settings` must hold no secrets."""
    return {
        "version": version,
        "site": site,
        "started": values.rfc3339(started_s),
        "sources": list(sources),
        "model": model,
        "settings": dict(settings),
    }


def bridge_health(*, time_s: float, status: str, detail: Mapping[str, Json]) -> dict[str, Json]:
    """Return how the gateway is: `status` is ok or degraded, `detail` the parts' own health."""
    return {"time": values.rfc3339(time_s), "status": status, **detail}


def bridge_devices(devices: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """Return the list of devices, each made by `device_entry`."""
    entries = [dict(entry) for entry in devices]
    return {"count": len(entries), "devices": entries}


def device_entry(
    info: DeviceInfo, readings: Iterable[Reading], *, first_seen_s: float, last_seen_s: float
) -> dict[str, Json]:
    """Return one device of the list, with its channels, their units and kinds."""
    return {
        "dev_eui": info.dev_eui,
        "name": info.name,
        "profile": info.profile,
        "application": info.application,
        "first_seen": values.rfc3339(first_seen_s),
        "last_seen": values.rfc3339(last_seen_s),
        "channels": {
            item.channel: {"unit": item.unit, "kind": item.kind.value, "key": item.key}
            for item in readings
        },
    }


def response(
    *, data: Json = None, error: str | None = None, transaction: Json = None
) -> dict[str, Json]:
    """Return the answer to a request: an error's sentence, or the data."""
    return {
        "status": "ok" if error is None else "error",
        "data": data,
        "error": error,
        "transaction": transaction,
    }


def _expected(expected: tuple[float, float, float] | None) -> list[float | None] | None:
    return None if expected is None else [values.number(value) for value in expected]


def _p_value(p_value: float | None) -> float | None:
    """Keep a p-value's leading digits however small it is."""
    return None if p_value is None else float(f"{p_value:.{P_DIGITS}g}")
