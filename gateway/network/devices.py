"""A device that our own radio serves: who it is, its keys, how it listens; and its stored record.

There are three kinds, and each has what it needs and nothing of the others::

    otaa     AppKey, JoinEUI or any      gets its session by joining
    abp      DevAddr, NwkSKey, AppSKey   has had its session since it was made
    private  node id, a key or none      speaks our own frames (`codecs/lorawan/private.py`)

Keys are taken apart from the rest in a record, so that only one column ever holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.codecs.lorawan import (
    AesKey,
    AppKey,
    AppSKey,
    CounterReset,
    DevAddr,
    DeviceClass,
    JoinEui,
    NoncePolicy,
    NwkSKey,
    region,
)
from gateway.codecs.lorawan import identity as identities
from gateway.codecs.lorawan.frames import MAX_F_CNT
from gateway.codecs.lorawan.private import dev_eui_of
from gateway.errors import BadInput
from gateway.store import RadioDeviceRecord
from gateway.types import DevEui, Json

FORMAT = 1
MAX_NAME = 200
_MAX_NODE_ID = 0xFFFF_FFFF
_MAX_HZ = 0xFF_FFFF * 100
_MAX_RX_DELAY_S = 15
_MAX_DR_OFFSET = 7
_MAX_DATA_RATE = 15


class Kind(StrEnum):
    """How a device gets its session, or that it speaks our own frames."""

    OTAA = "otaa"
    ABP = "abp"
    PRIVATE = "private"


_OWN: Mapping[Kind, tuple[str, ...]] = {
    Kind.OTAA: ("app_key", "join_eui"),
    Kind.ABP: ("dev_addr", "nwk_s_key", "app_s_key", "f_cnt_up"),
    Kind.PRIVATE: ("node_id", "key"),
}
_NEEDED: Mapping[Kind, Mapping[str, str]] = {
    Kind.OTAA: {"app_key": "its AppKey"},
    Kind.ABP: {"dev_addr": "its DevAddr", "nwk_s_key": "its NwkSKey", "app_s_key": "its AppSKey"},
    Kind.PRIVATE: {"node_id": "its node id"},
}
KEY_NAMES = ("app_key", "nwk_s_key", "app_s_key", "key")
"""The fields of `RadioDevice` that are secret, and the names in a record's `keys`."""


@dataclass(frozen=True, slots=True)
class RadioDevice:
    """One registered device. `repr` shows no key.

    `name`, `profile` and `codec` are "" for what the settings say; `region` "" is the radio's own.
    `join_eui` None takes whichever the device sends. `f_cnt_up` is the newest counter of an ABP
    device that has already counted beyond 65535. `key` None: a private node that sends plain
    frames. `rx_delay_s`, `rx1_dr_offset` and the two of RX2 are how it listens, None for the
    region's. `restart_s` is when an operator last allowed its counters or nonces to start again.

    Raises
    ------
    BadInput
        `incomplete_device`, `contradictory_device`, `out_of_range` or `unknown_region`; the detail
        is in plain words and holds no key.

    """

    dev_eui: DevEui
    kind: Kind
    name: str = ""
    profile: str = ""
    codec: str = ""
    region: str = ""
    device_class: DeviceClass = DeviceClass.A
    app_key: AppKey | None = None
    join_eui: JoinEui | None = None
    nonce_policy: NoncePolicy = NoncePolicy.SEEN
    dev_addr: DevAddr | None = None
    nwk_s_key: NwkSKey | None = None
    app_s_key: AppSKey | None = None
    f_cnt_up: int | None = None
    counter_reset: CounterReset = CounterReset.NEVER
    node_id: int | None = None
    key: AesKey | None = None
    rx_delay_s: int = 1
    rx1_dr_offset: int = 0
    rx2_frequency_hz: int | None = None
    rx2_data_rate: int | None = None
    restart_s: float = 0.0

    def __post_init__(self) -> None:
        identities.dev_eui(self.dev_eui)
        missing = [name for field, name in _NEEDED[self.kind].items() if _is_none(self, field)]
        if missing:
            raise BadInput(
                "incomplete_device", f"a device of kind {self.kind} needs {' and '.join(missing)}"
            )
        self._refuse_fields_of_other_kinds()
        self._refuse_out_of_range()
        if self.kind is Kind.PRIVATE and self.dev_eui != dev_eui_of(self.node_id or 0):
            raise BadInput(
                "contradictory_device",
                f"node {self.node_id or 0:08x} goes by {dev_eui_of(self.node_id or 0)}, "
                f"not by {self.dev_eui}",
            )
        if self.region:
            region(self.region)

    @property
    def keys(self) -> Mapping[str, AesKey]:
        """Return the keys it has, by their field's name."""
        found = ((name, getattr(self, name)) for name in KEY_NAMES)
        return {name: key for name, key in found if key is not None}

    def _refuse_fields_of_other_kinds(self) -> None:
        for kind, names in _OWN.items():
            foreign = [name for name in names if not _is_none(self, name)]
            if kind is not self.kind and foreign:
                raise BadInput(
                    "contradictory_device",
                    f"{foreign[0]} belongs to kind {kind}, and this one is {self.kind}",
                )

    def _refuse_out_of_range(self) -> None:
        _within("node_id", self.node_id, 0, _MAX_NODE_ID)
        _within("f_cnt_up", self.f_cnt_up, 0, MAX_F_CNT)
        _within("rx_delay_s", self.rx_delay_s, 1, _MAX_RX_DELAY_S)
        _within("rx1_dr_offset", self.rx1_dr_offset, 0, _MAX_DR_OFFSET)
        _within("rx2_frequency_hz", self.rx2_frequency_hz, 1, _MAX_HZ)
        _within("rx2_data_rate", self.rx2_data_rate, 0, _MAX_DATA_RATE)
        for field in ("name", "profile", "codec"):
            if len(getattr(self, field)) > MAX_NAME:
                raise BadInput("out_of_range", f"{field} is longer than {MAX_NAME} characters")


def to_record(device: RadioDevice, changed_s: float) -> RadioDeviceRecord:
    """Return what the store keeps of it; `changed_s` is now."""
    return RadioDeviceRecord(
        dev_eui=device.dev_eui,
        body=to_json(device),
        keys={name: key.reveal() for name, key in device.keys.items()},
        changed_s=changed_s,
    )


def to_json(device: RadioDevice) -> dict[str, Json]:
    """Return everything of a device but its keys, as JSON takes it."""
    return {
        "format": FORMAT,
        "dev_eui": device.dev_eui,
        "kind": device.kind.value,
        "name": device.name,
        "profile": device.profile,
        "codec": device.codec,
        "region": device.region,
        "class": device.device_class.value,
        "join_eui": device.join_eui,
        "nonces": device.nonce_policy.value,
        "dev_addr": device.dev_addr,
        "f_cnt_up": device.f_cnt_up,
        "counter_reset": device.counter_reset.value,
        "node_id": device.node_id,
        "rx_delay_s": device.rx_delay_s,
        "rx1_dr_offset": device.rx1_dr_offset,
        "rx2_frequency_hz": device.rx2_frequency_hz,
        "rx2_data_rate": device.rx2_data_rate,
        "restart_s": device.restart_s,
    }


def from_record(record: RadioDeviceRecord) -> RadioDevice:
    """Return the device that was stored.

    Raises
    ------
    BadInput
        `invalid_record`: it is not what `to_record` of this version wrote.

    """
    if record.body.get("format") != FORMAT:
        raise BadInput("invalid_record", f"format {str(record.body.get('format'))[:20]}")
    try:
        return _device(record.dev_eui, record.body, record.keys)
    except BadInput as error:
        raise BadInput("invalid_record", f"{record.dev_eui}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        detail = f"{record.dev_eui}: {type(error).__name__}: {error}"
        raise BadInput("invalid_record", detail) from None


def _device(dev_eui: DevEui, body: Mapping[str, Any], keys: Mapping[str, bytes]) -> RadioDevice:
    if body["dev_eui"] != dev_eui:
        raise ValueError("the record is of another device")
    secrets = {name: AesKey(secret) for name, secret in keys.items()}
    if not set(KEY_NAMES).issuperset(secrets):
        raise ValueError("a key has an unknown name")
    return RadioDevice(
        dev_eui=identities.dev_eui(dev_eui),
        kind=Kind(body["kind"]),
        name=_text(body["name"]),
        profile=_text(body["profile"]),
        codec=_text(body["codec"]),
        region=_text(body["region"]),
        device_class=DeviceClass(body["class"]),
        join_eui=None if body["join_eui"] is None else identities.join_eui(body["join_eui"]),
        nonce_policy=NoncePolicy(body["nonces"]),
        dev_addr=None if body["dev_addr"] is None else identities.dev_addr(body["dev_addr"]),
        f_cnt_up=_whole(body["f_cnt_up"]),
        counter_reset=CounterReset(body["counter_reset"]),
        node_id=_whole(body["node_id"]),
        rx_delay_s=_whole(body["rx_delay_s"]) or 0,
        rx1_dr_offset=_whole(body["rx1_dr_offset"]) or 0,
        rx2_frequency_hz=_whole(body["rx2_frequency_hz"]),
        rx2_data_rate=_whole(body["rx2_data_rate"]),
        restart_s=float(body["restart_s"]),
        **secrets,  # type: ignore[arg-type]  # each is an AesKey under the name of its field
    )


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("text was expected")
    return value


def _whole(value: Json) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise TypeError("a whole number was expected")
    return value


def _is_none(device: RadioDevice, field: str) -> bool:
    return getattr(device, field) is None


def _within(name: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise BadInput("out_of_range", f"{name} {value} is not from {least} to {most}")
