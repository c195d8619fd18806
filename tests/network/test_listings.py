"""Files of devices: ours, ChirpStack's and The Things Stack's, good ones and broken ones."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.lorawan import NoncePolicy
from gateway.errors import BadInput
from gateway.network import Kind
from gateway.network.listings import read
from gateway.network.registration import FIELDS, registered

KEY = "8899aabbccddeeff0011223344556677"
OTHER = "99aabbccddeeff001122334455667788"
A, B = "70b3d57ed0001234", "70b3d57ed0001235"
JOIN = "0102030405060708"


def refusal(work: Callable[[], object]) -> str:
    """Return in which words something is refused, "" when it is not."""
    try:
        work()
    except BadInput as refused:
        return str(refused)
    return ""


def test_our_own_csv_takes_all_three_kinds() -> None:
    devices, mistakes = read(
        "name,dev_eui,app_key,dev_addr,nwk_s_key,app_s_key,node_id,key\n"
        f"tomato,{A.upper()},{KEY},,,,,\n"
        "# a comment, and a blank line\n\n"
        f"pump,{B},,260b1234,{KEY},{OTHER},,\n"
        f"gate,,,,,,0x12,{KEY}\n"
    )
    assert mistakes == ()
    assert [(item.line, item.device.kind) for item in devices] == [
        (2, Kind.OTAA), (5, Kind.ABP), (6, Kind.PRIVATE),
    ]  # fmt: skip
    assert devices[2].device.node_id == 0x12


def test_the_things_stack_csv_has_semicolons_and_columns_of_no_concern() -> None:
    devices, mistakes = read(
        "id;dev_eui;app_eui;name;frequency_plan_id;lorawan_version;app_key;supports_join\n"
        f'a;{A};{JOIN};"Tomato; north";EU_863_870;MAC_V1_0_4;{KEY};true\n'
    )
    assert mistakes == ()
    device = devices[0].device
    assert (device.name, device.join_eui) == ("Tomato; north", JOIN)
    assert device.nonce_policy is NoncePolicy.RISING


def test_the_things_stack_json_is_one_object_after_another() -> None:
    joining = {
        "ids": {"device_id": "a", "dev_eui": A, "join_eui": JOIN},
        "supports_join": True,
        "root_keys": {"app_key": {"key": KEY}, "gen_app_key": {"key": "no concern"}},
        "session": {"dev_addr": "260b0001", "keys": {"app_s_key": {"key": OTHER}}},
    }
    by_hand = {
        "ids": {"device_id": "b", "dev_eui": B},
        "supports_join": False,
        "mac_settings": {"rx1_delay": "RX_DELAY_5"},
        "session": {
            "dev_addr": "260b1234",
            "last_f_cnt_up": 70000,
            "keys": {"app_s_key": {"key": KEY}, "f_nwk_s_int_key": {"key": OTHER}},
        },
    }
    devices, mistakes = read(f"{json.dumps(joining, indent=1)}\n{json.dumps(by_hand)}")
    assert mistakes == ()
    first, second = (item.device for item in devices)
    assert (first.kind, first.name, first.dev_addr) == (Kind.OTAA, "a", None)
    assert (second.kind, second.f_cnt_up, second.rx_delay_s) == (Kind.ABP, 70000, 5)
    assert second.nwk_s_key is not None
    assert second.nwk_s_key.reveal().hex() == OTHER


def test_chirpstack_has_the_app_key_in_nwk_key_and_zeros_for_no_join_eui() -> None:
    tree = [
        {
            "device": {"devEui": A, "name": "n", "joinEui": "0" * 16},
            "deviceKeys": {"devEui": A, "nwkKey": KEY, "appKey": "0" * 32},
        },
        {
            "device": {"devEui": B, "name": "m"},
            "deviceActivation": {
                "devEui": B, "devAddr": "260b1234", "appSKey": KEY, "nwkSEncKey": OTHER,
                "sNwkSIntKey": OTHER, "fNwkSIntKey": OTHER, "fCntUp": 3,
            },
        },
    ]  # fmt: skip
    for text in (json.dumps(tree), json.dumps({"devices": tree})):
        devices, mistakes = read(text)
        assert mistakes == ()
        first, second = (item.device for item in devices)
        assert first.app_key is not None
        assert (first.app_key.reveal().hex(), first.join_eui) == (KEY, None)
        assert (second.kind, second.f_cnt_up) == (Kind.ABP, 3)


def test_every_mistake_is_named_by_its_line_and_no_key_is_repeated() -> None:
    rows = [
        f"{A},{KEY[:30]}", f"{KEY},{A}", f"{B},{KEY}", f"{B},{KEY}", f"{A},{KEY},x",
        f"{A},{'0' * 32}", f"{'0' * 16},{KEY}", f"{A},{KEY[:31]}g",
    ]  # fmt: skip
    devices, mistakes = read("dev_eui,app_key\n" + "\n".join(rows))
    assert [item.line for item in devices] == [4]
    assert [mistake.line for mistake in mistakes] == [2, 3, 5, 6, 7, 8, 9]
    words = "\n".join(mistake.what for mistake in mistakes)
    assert "30 hex digits" in words
    assert "the length of an EUI: were they exchanged" in words
    assert "on line 4 already" in words
    assert "all zeros" in words
    assert KEY[:8] not in words


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "a,b\n1,2\n", "{", "[", '[{"dev_eui": ', "dev_eui,devEUI\n", '"dev_eui\n', "[]"],
)
def test_a_file_that_is_no_listing_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="invalid_listing"):
        read(text)


@given(st.text(max_size=200) | st.text('[]{}":,;\n0123dev_eui', max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert refusal(lambda: read(text)).split(":")[0] in ("", "invalid_listing")


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=40) | st.just(KEY)))
def test_a_registration_is_taken_or_refused_without_what_was_written(
    fields: dict[str, str],
) -> None:
    words = refusal(lambda: registered(fields))
    assert words.split(":")[0] in ("", "invalid_registration")
    assert KEY not in words.lower()


@pytest.mark.parametrize("name", FIELDS)
def test_a_key_is_not_repeated_wherever_it_was_written(name: str) -> None:
    for written in (KEY, KEY.upper(), f"0x{KEY}", f"{KEY}0", "12345678" * 4):
        words = refusal(lambda: registered({"dev_eui": A, "app_key": KEY, name: written}))  # noqa: B023
        assert words or name in ("app_key", "name", "profile", "codec")
        digits = written.lower().removeprefix("0x")
        assert digits[:12] not in words.lower()
        assert str(int(digits, 16))[:12] not in words
