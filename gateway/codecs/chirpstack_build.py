"""A ChirpStack event that has passed its model -> one of `gateway.types.DeviceEvent`.

`time` is the radio gateway's clock, which is often wrong; `nsTime` in each reception is the network
server's. Where they differ by more than five minutes, or `time` is missing or impossible, the
server's is used and the uplink is marked `clock_suspect`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from gateway.codecs import chirpstack_models as models
from gateway.codecs.flatten import check_size
from gateway.codecs.times import parse_rfc3339
from gateway.config import LimitsConfig
from gateway.errors import BadInput
from gateway.types import (
    Ack,
    DevEui,
    DeviceEvent,
    DeviceInfo,
    DeviceLocation,
    DeviceStatus,
    Join,
    Reception,
    ServerLog,
    TxAck,
    Uplink,
)

CLOCK_TOLERANCE_S = 300.0
EARLIEST_S = 1420070400.0
"""2015-01-01, the year of LoRaWAN 1.0: nothing was sent before."""
LATEST_AHEAD_S = 86400.0


def build_event(
    kind: str,
    event: models.Event,
    parts: Mapping[str, str],
    received_s: float,
    limits: LimitsConfig,
) -> DeviceEvent:
    """Return the event in the gateway's own terms; `parts` is what its topic says.

    Raises
    ------
    BadInput
        `device_mismatch`, `invalid_time`, `absurd_time`, `missing_field`, `invalid_base64`,
        `too_many_keys` or `too_deep`.

    """
    device = _device(event.device_info, parts)
    return _BUILDERS[kind](event, device, received_s, limits)


def _device(info: models.DeviceInfoPart, parts: Mapping[str, str]) -> DeviceInfo:
    if parts.get("dev_eui", info.dev_eui).lower() != info.dev_eui:
        raise BadInput(
            "device_mismatch", f"topic of {parts['dev_eui']!r}, body of {info.dev_eui!r}"
        )
    return DeviceInfo(
        dev_eui=DevEui(info.dev_eui),
        name=info.device_name,
        profile_id=info.device_profile_id,
        profile=info.device_profile_name,
        application_id=info.application_id or parts.get("application_id", ""),
        application=info.application_name,
        tags=info.tags or {},
    )


def _seconds(text: str | None, where: str) -> float | None:
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise BadInput("invalid_time", f"{where} = {text!r}: {error}") from None


def best_time(
    gateway_s: float | None, server_s: float | None, received_s: float
) -> tuple[float, bool]:
    """Return the time to believe, and whether the radio gateway's clock is suspect.

    Raises
    ------
    BadInput
        `missing_field` when there is no time at all, `absurd_time` when none is possible.

    """
    if gateway_s is None and server_s is None:
        raise BadInput("missing_field", "time: the event has none")
    ours = gateway_s if gateway_s is not None and _possible(gateway_s, received_s) else None
    theirs = server_s if server_s is not None and _possible(server_s, received_s) else None
    if theirs is not None and (ours is None or abs(ours - theirs) > CLOCK_TOLERANCE_S):
        return theirs, True
    if ours is None:
        raise BadInput("absurd_time", f"{gateway_s} s since 1970, received at {received_s:.0f} s")
    return ours, False


def _possible(time_s: float, received_s: float) -> bool:
    return EARLIEST_S <= time_s <= received_s + LATEST_AHEAD_S


def _plain_time(event: models.Event, received_s: float) -> float:
    return best_time(_seconds(event.time, "time"), None, received_s)[0]


def _up(
    event: models.UpEvent, device: DeviceInfo, received_s: float, limits: LimitsConfig
) -> Uplink:
    if event.object is not None:
        check_size(event.object, limits.object_keys)
    receptions = tuple(_reception(info) for info in event.rx_info or ())
    server_s = min((r.server_time_s for r in receptions if r.server_time_s), default=None)
    time_s, suspect = best_time(_seconds(event.time, "time"), server_s, received_s)
    sent = event.tx_info
    lora = sent.modulation.lora if sent is not None and sent.modulation is not None else None
    return Uplink(
        id=_uplink_id(event, device),
        device=device,
        time_s=time_s,
        received_s=received_s,
        dev_addr=event.dev_addr,
        f_cnt=event.f_cnt or 0,
        f_port=event.f_port,
        data=_base64(event.data),
        object=event.object,
        receptions=receptions,
        frequency_hz=(sent.frequency or None) if sent is not None else None,
        spreading_factor=(lora.spreading_factor or None) if lora is not None else None,
        bandwidth_hz=(lora.bandwidth or None) if lora is not None else None,
        data_rate=event.dr,
        confirmed=event.confirmed,
        adr=event.adr,
        clock_suspect=suspect,
    )


def _uplink_id(event: models.UpEvent, device: DeviceInfo) -> str:
    if event.deduplication_id:
        return event.deduplication_id
    if event.f_cnt is None:
        raise BadInput("missing_field", "neither deduplicationId nor fCnt says which uplink it is")
    return f"{device.dev_eui}-{event.dev_addr}-{event.f_cnt}"


def _reception(info: models.RxInfo) -> Reception:
    return Reception(
        gateway_id=info.gateway_id,
        rssi_dbm=info.rssi,
        snr_db=info.snr,
        server_time_s=_seconds(info.ns_time, "rxInfo.nsTime"),
    )


def _base64(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("invalid_base64", f"data: {error}") from None


def _join(
    event: models.JoinEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> Join:
    time_s = _plain_time(event, received_s)
    own = f"{device.dev_eui}-{event.dev_addr}-{time_s:.3f}"
    return Join(event.deduplication_id or own, device, time_s, received_s, event.dev_addr)


def _ack(
    event: models.AckEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> Ack:
    return Ack(
        device=device,
        time_s=_plain_time(event, received_s),
        received_s=received_s,
        queue_item_id=event.queue_item_id,
        acknowledged=event.acknowledged,
        f_cnt_down=event.f_cnt_down,
    )


def _txack(
    event: models.TxAckEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> TxAck:
    return TxAck(
        device=device,
        time_s=_plain_time(event, received_s),
        received_s=received_s,
        queue_item_id=event.queue_item_id,
        f_cnt_down=event.f_cnt_down,
        gateway_id=event.gateway_id,
    )


def _log(
    event: models.LogEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> ServerLog:
    return ServerLog(
        device=device,
        time_s=_plain_time(event, received_s),
        received_s=received_s,
        level=event.level,
        code=event.code,
        description=event.description,
        context=event.context or {},
    )


def _status(
    event: models.StatusEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> DeviceStatus:
    time_s = _plain_time(event, received_s)
    unknown = event.battery_level_unavailable or event.external_power_source
    return DeviceStatus(
        id=event.deduplication_id or f"{device.dev_eui}-status-{time_s:.3f}",
        device=device,
        time_s=time_s,
        received_s=received_s,
        margin_db=float(event.margin),
        external_power=event.external_power_source,
        battery_percent=None if unknown else event.battery_level,
    )


def _location(
    event: models.LocationEvent, device: DeviceInfo, received_s: float, _limits: LimitsConfig
) -> DeviceLocation:
    time_s = _plain_time(event, received_s)
    return DeviceLocation(
        id=event.deduplication_id or f"{device.dev_eui}-location-{time_s:.3f}",
        device=device,
        time_s=time_s,
        received_s=received_s,
        latitude=event.location.latitude,
        longitude=event.location.longitude,
        altitude_m=event.location.altitude,
    )


_Builder = Callable[[Any, DeviceInfo, float, LimitsConfig], DeviceEvent]
_BUILDERS: dict[str, _Builder] = {
    "up": _up,
    "join": _join,
    "ack": _ack,
    "txack": _txack,
    "log": _log,
    "status": _status,
    "location": _location,
}
