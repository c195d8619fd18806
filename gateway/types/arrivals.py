"""What arrives: a source's bytes, and what a network server says of its devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.types.names import DevEui, Json


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as a source received it, not yet looked into.

    `source` names the source (and so the decoder); `token` is what the source needs to
    acknowledge it, None when there is nothing to acknowledge.
    """

    source: str
    topic: str
    payload: bytes
    received_s: float
    qos: int = 0
    retained: bool = False
    token: object | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Who speaks, as the network server knows it."""

    dev_eui: DevEui
    name: str = ""
    profile_id: str = ""
    profile: str = ""
    application_id: str = ""
    application: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reception:
    """One radio gateway's hearing of an uplink. `server_time_s` is the network server's clock."""

    gateway_id: str
    rssi_dbm: float
    snr_db: float
    server_time_s: float | None = None


@dataclass(frozen=True, slots=True)
class Uplink:
    """One radio message from a device.

    `id` is the network server's `deduplicationId` (or one made from device session and FCnt);
    `object` is the decoding of `data`, the server's or ours, None without a codec; `object_units`
    are the units that our codec states, by dotted key, and `normalized` what it gives in The Things
    Network's normalized form. `time_s` is the best known
    time of the transmission; `clock_suspect` says the radio gateway's clock was wrong and the
    server's was used.
    """

    id: str
    device: DeviceInfo
    time_s: float
    received_s: float
    dev_addr: str
    f_cnt: int
    f_port: int
    data: bytes
    object: Mapping[str, Json] | None
    receptions: tuple[Reception, ...] = ()
    frequency_hz: int | None = None
    spreading_factor: int | None = None
    bandwidth_hz: int | None = None
    data_rate: int | None = None
    confirmed: bool = False
    adr: bool = False
    clock_suspect: bool = False
    object_units: Mapping[str, str] = field(default_factory=dict)
    normalized: tuple[Mapping[str, Json], ...] = ()


@dataclass(frozen=True, slots=True)
class Join:
    """A device joined: a new session, so its frame counter starts again."""

    id: str
    device: DeviceInfo
    time_s: float
    received_s: float
    dev_addr: str


@dataclass(frozen=True, slots=True)
class TxAck:
    """A radio gateway transmitted a downlink. It does not say the device heard it."""

    device: DeviceInfo
    time_s: float
    received_s: float
    queue_item_id: str
    f_cnt_down: int | None
    gateway_id: str


@dataclass(frozen=True, slots=True)
class Ack:
    """The device acknowledged (or did not) a confirmed downlink."""

    device: DeviceInfo
    time_s: float
    received_s: float
    queue_item_id: str
    acknowledged: bool
    f_cnt_down: int | None


@dataclass(frozen=True, slots=True)
class ServerLog:
    """The network server's remark on a device: `level` INFO|WARNING|ERROR, `code` such as OTAA."""

    device: DeviceInfo
    time_s: float
    received_s: float
    level: str
    code: str
    description: str
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A device's answer to DevStatusReq. `battery_percent` is None when unknown."""

    id: str
    device: DeviceInfo
    time_s: float
    received_s: float
    margin_db: float
    external_power: bool
    battery_percent: float | None


@dataclass(frozen=True, slots=True)
class DeviceLocation:
    """Where the network server believes a device to be (degrees, metres)."""

    id: str
    device: DeviceInfo
    time_s: float
    received_s: float
    latitude: float
    longitude: float
    altitude_m: float | None


DeviceEvent = Uplink | Join | TxAck | Ack | ServerLog | DeviceStatus | DeviceLocation


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that was put aside. `reason` is counted; `detail` is for a person."""

    reason: str
    detail: str
    source: str
    topic: str
    payload: bytes
    received_s: float
