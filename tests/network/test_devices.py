"""A registered device: what each kind needs, and that it comes back from its record as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
)
from gateway.codecs.lorawan.private import dev_eui_of
from gateway.errors import BadInput
from gateway.network import Kind, RadioDevice, from_record, to_record
from gateway.types import DevEui

EUI = DevEui("70b3d57ed0001234")
KEYS = st.binary(min_size=16, max_size=16).map(AesKey)


def hexes(size: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size, max_size=size).map(bytes.hex)


def optional(most: int) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(0, most)


COMMON = st.fixed_dictionaries({
    "name": st.text(max_size=20),
    "codec": st.text(max_size=20),
    "region": st.sampled_from(["", "EU868"]),
    "device_class": st.sampled_from(DeviceClass),
    "nonce_policy": st.sampled_from(NoncePolicy),
    "counter_reset": st.sampled_from(CounterReset),
    "rx_delay_s": st.integers(1, 15),
    "rx1_dr_offset": st.integers(0, 7),
    "rx2_data_rate": optional(15),
    "restart_s": st.floats(0, 4e9),
})  # fmt: skip


@st.composite
def devices(draw: st.DrawFn) -> RadioDevice:
    kind = draw(st.sampled_from(Kind))
    common: dict[str, Any] = draw(COMMON)
    eui = DevEui(draw(hexes(8)))
    if kind is Kind.OTAA:
        join_eui = draw(st.none() | hexes(8).map(JoinEui))
        return RadioDevice(eui, kind, app_key=AppKey(draw(KEYS)), join_eui=join_eui, **common)
    if kind is Kind.ABP:
        return RadioDevice(
            eui,
            kind,
            dev_addr=DevAddr(draw(hexes(4))),
            nwk_s_key=NwkSKey(draw(KEYS)),
            app_s_key=AppSKey(draw(KEYS)),
            f_cnt_up=draw(optional(2**32 - 1)),
            **common,
        )
    node = draw(st.integers(0, 2**32 - 1))
    key = draw(st.none() | KEYS)
    return RadioDevice(dev_eui_of(node), kind, node_id=node, key=key, **common)


@given(devices())
def test_a_device_comes_back_from_its_record_as_it_was(device: RadioDevice) -> None:
    assert from_record(to_record(device, 5.0)) == device


@given(devices())
def test_no_key_shows_in_a_device_its_record_or_its_body(device: RadioDevice) -> None:
    record = to_record(device, 5.0)
    shown = f"{device!r} {device} {record!r} {record} {record.body!r}"
    secrets = [key.reveal() for key in device.keys.values() if len(set(key.reveal())) > 4]
    assert not any(secret.hex() in shown or repr(secret) in shown for secret in secrets)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": Kind.OTAA}, "incomplete_device"),
        ({"kind": Kind.ABP, "dev_addr": "01020304"}, "incomplete_device"),
        ({"kind": Kind.PRIVATE}, "incomplete_device"),
        ({"kind": Kind.PRIVATE, "node_id": 1}, "contradictory_device"),
        ({"kind": Kind.OTAA, "dev_addr": "01020304"}, "contradictory_device"),
        ({"kind": Kind.OTAA, "rx_delay_s": 16}, "out_of_range"),
        ({"kind": Kind.OTAA, "rx2_frequency_hz": 2_000_000_000}, "out_of_range"),
        ({"kind": Kind.OTAA, "region": "MARS"}, "unknown_region"),
        ({"kind": Kind.OTAA, "dev_eui": "70b3"}, "invalid_dev_eui"),
    ],
)
def test_a_device_that_makes_no_sense_is_refused(fields: dict[str, Any], reason: str) -> None:
    key = AppKey(AesKey(bytes(range(16))))
    given_key = {} if reason == "incomplete_device" or fields["kind"] != Kind.OTAA else {
        "app_key": key
    }  # fmt: skip
    with pytest.raises(BadInput) as refused:
        RadioDevice(**{"dev_eui": EUI, **given_key, **fields})
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"kind": "x"}, {"name": 1}, {"rx_delay_s": "1"}, {"dev_eui": "00" * 8}],
)
def test_a_record_that_is_not_ours_is_refused(change: dict[str, Any]) -> None:
    record = to_record(RadioDevice(EUI, Kind.OTAA, app_key=AppKey(AesKey(bytes(16)))), 1.0)
    with pytest.raises(BadInput, match="invalid_record"):
        from_record(replace(record, body={**record.body, **change}))
    with pytest.raises(BadInput, match="invalid_record"):
        from_record(replace(record, keys={"app_key": b"short"}))
