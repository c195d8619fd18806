"""ChirpStack v4 events as they come, held to types and bounds; fields not named are ignored.

Names follow `chirpstack-api/proto/integration/integration.proto` (4.20). On the wire the
integration messages write default values and the nested `gw.*` and `common.*` ones leave them
out, so an absent field is its protobuf default; only what no event can do without is required.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

UInt32 = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
Byte = Annotated[int, Field(ge=0, le=0xFF)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Id = Annotated[str, StringConstraints(max_length=64)]
Name = Annotated[str, StringConstraints(max_length=256)]
EnumName = Annotated[Id, BeforeValidator(lambda one: str(one) if type(one) is int else one)]
LongText = Annotated[str, StringConstraints(max_length=65536)]
TopicId = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^/+#\x00-\x1f]*$")]
Eui = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{16}$", to_lower=True)]
Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{0,16}$", to_lower=True)]
Tags = dict[Name, Annotated[str, StringConstraints(max_length=4096)]]


class Part(BaseModel):
    """Anything in an event: strict about types, indifferent to fields it does not know."""

    model_config = ConfigDict(
        strict=True, extra="ignore", alias_generator=to_camel, hide_input_in_errors=True
    )


class DeviceInfoPart(Part):
    """`integration.DeviceInfo`."""

    application_id: TopicId = ""
    application_name: Name = ""
    device_profile_id: Id = ""
    device_profile_name: Name = ""
    device_name: Name = ""
    dev_eui: Eui
    tags: Tags | None = None


class Event(Part):
    """What every event has. `time` is the radio gateway's clock, or the server's without one."""

    deduplication_id: Id = ""
    time: Id | None = None
    device_info: DeviceInfoPart


class RxInfo(Part):
    """`gw.UplinkRxInfo`; `ns_time` is the network server's clock."""

    gateway_id: Id = ""
    ns_time: Id | None = None
    rssi: Finite = 0.0
    snr: Finite = 0.0


class Lora(Part):
    """`gw.LoraModulationInfo`."""

    bandwidth: UInt32 = 0
    spreading_factor: Byte = 0


class Modulation(Part):
    """`gw.Modulation`: FSK and LR-FHSS are left unread."""

    lora: Lora | None = None


class TxInfo(Part):
    """`gw.UplinkTxInfo`."""

    frequency: UInt32 = 0
    modulation: Modulation | None = None


class UpEvent(Event):
    """`integration.UplinkEvent`. `object` is whatever the device's codec made."""

    dev_addr: Hex = ""
    adr: bool = False
    dr: UInt32 = 0
    f_cnt: UInt32 | None = None
    f_port: Byte = 0
    confirmed: bool = False
    data: str | None = None
    object: Mapping[str, Any] | None = None
    rx_info: list[RxInfo] | None = None
    tx_info: TxInfo | None = None


class JoinEvent(Event):
    """`integration.JoinEvent`."""

    dev_addr: Hex = ""


class AckEvent(Event):
    """`integration.AckEvent`."""

    queue_item_id: Id = ""
    acknowledged: bool = False
    f_cnt_down: UInt32 | None = None


class TxAckEvent(Event):
    """`integration.TxAckEvent`."""

    queue_item_id: Id = ""
    f_cnt_down: UInt32 | None = None
    gateway_id: Id = ""


class LogEvent(Event):
    """`integration.LogEvent`: the enums come by name, values newer than the writer by number."""

    level: EnumName = "INFO"
    code: EnumName = "UNKNOWN"
    description: LongText = ""
    context: Tags | None = None


class StatusEvent(Event):
    """`integration.StatusEvent`."""

    margin: Annotated[int, Field(ge=-128, le=127)] = 0
    external_power_source: bool = False
    battery_level_unavailable: bool = False
    battery_level: Annotated[float, Field(ge=0, le=100)] | None = None


class Location(Part):
    """`common.Location`."""

    latitude: Annotated[float, Field(ge=-90, le=90)] = 0.0
    longitude: Annotated[float, Field(ge=-180, le=180)] = 0.0
    altitude: Finite | None = None


class LocationEvent(Event):
    """`integration.LocationEvent`."""

    location: Location


EVENTS: dict[str, type[Event]] = {
    "up": UpEvent,
    "join": JoinEvent,
    "ack": AckEvent,
    "txack": TxAckEvent,
    "log": LogEvent,
    "status": StatusEvent,
    "location": LocationEvent,
}
