"""ChirpStack's other events for tests: join, status, location, txack, ack and log.

Form: ChirpStack 4 `integration.JoinEvent`, `StatusEvent`, `LocationEvent`, `TxAckEvent`,
`AckEvent` and `LogEvent` as JSON. The devices are those of `chirpstack_events`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from chirpstack_events import APPLICATION, up

Event = tuple[str, bytes]
"""Topic and payload."""


def changed(event: Event, **fields: object) -> Event:
    """Return the event with top-level fields set, or taken out where None is given."""
    topic, payload = event
    tree = json.loads(payload) | fields
    kept = {name: value for name, value in tree.items() if value is not None}
    return topic, json.dumps(kept).encode()


def join(dev_eui: str, time_s: float, dev_addr: str, event_id: str) -> Event:
    """Return a join: the device has a new session."""
    return _event("join", dev_eui, time_s, deduplicationId=event_id, devAddr=dev_addr)


def status(dev_eui: str, time_s: float, event_id: str, battery: float | None = 83.5) -> Event:
    """Return a device's answer to DevStatusReq."""
    return _event(
        "status",
        dev_eui,
        time_s,
        deduplicationId=event_id,
        margin=11,
        externalPowerSource=False,
        batteryLevelUnavailable=battery is None,
        batteryLevel=battery or 0.0,
    )


def location(dev_eui: str, time_s: float, event_id: str) -> Event:
    """Return where the server believes the device to be."""
    place = {"latitude": 52.0116, "longitude": 5.7172, "altitude": 12.5}
    return _event("location", dev_eui, time_s, deduplicationId=event_id, location=place)


def txack(dev_eui: str, time_s: float, queue_item_id: str) -> Event:
    """Return a radio gateway's word that it has transmitted."""
    return _event(
        "txack",
        dev_eui,
        time_s,
        downlinkId=3461958127,
        queueItemId=queue_item_id,
        fCntDown=2,
        gatewayId="0016c001f153a14c",
    )


def ack(dev_eui: str, time_s: float, queue_item_id: str, *, acknowledged: bool = True) -> Event:
    """Return the device's answer to a confirmed downlink."""
    return _event(
        "ack",
        dev_eui,
        time_s,
        deduplicationId="5f3c1b0a-7d7e-4b5a-9f65-3a0e6a3b9d01",
        queueItemId=queue_item_id,
        acknowledged=acknowledged,
        fCntDown=2,
    )


def log(dev_eui: str, time_s: float, code: str, queue_item_id: str = "") -> Event:
    """Return an error the server reports, of a downlink where one is named."""
    context = {"queue_item_id": queue_item_id} if queue_item_id else {}
    return _event(
        "log",
        dev_eui,
        time_s,
        level="ERROR",
        code=code,
        description="as the server puts it",
        context=context,
    )


def _event(kind: str, dev_eui: str, time_s: float, **fields: object) -> Event:
    info = json.loads(up(dev_eui, 0, time_s, None)[1])["deviceInfo"]
    time = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="microseconds")
    body = {"time": time, "deviceInfo": info, **fields}
    topic = f"application/{APPLICATION}/device/{dev_eui}/event/{kind}"
    return topic, json.dumps(body).encode()
