from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lorawan_devices import EUI, JOIN_EUI, NOW_S, Device, Joiner, hearing, key

from gateway.codecs.lorawan import (
    Activation,
    AppKey,
    Command,
    DevAddr,
    JoinDevice,
    Joined,
    NetId,
    NoncePolicy,
    answer,
    forget_nonces,
    take_join_request,
    take_uplink,
)
from gateway.codecs.lorawan.frames import CFListFrequencies
from gateway.codecs.lorawan.identity import join_eui
from gateway.codecs.lorawan.joining import MAX_JOIN_NONCE, allocate
from gateway.errors import BadInput

NET = NetId("000013")
DEVICE = JoinDevice(EUI, AppKey(key(3)), "EU868", join_eui=JOIN_EUI)


def join(device: JoinDevice, dev_nonce: int, joiner: Joiner | None = None) -> Joined:
    octets = (joiner or Joiner()).request(dev_nonce)
    return take_join_request({EUI: device}, octets, NOW_S, hearing(), net_id=NET)


def refusal(device: JoinDevice, dev_nonce: int, joiner: Joiner | None = None) -> str:
    with pytest.raises(BadInput) as refused:
        join(device, dev_nonce, joiner)
    return refused.value.reason


def test_a_device_joins_and_is_heard_and_answered() -> None:
    joined = join(DEVICE, 0x1234)
    accept, device = Joiner().accept(joined.phy_payload, 0x1234)
    assert (accept.net_id, accept.dev_addr) == (NET, joined.session.dev_addr)
    assert joined.session.activation is Activation.OTAA
    assert joined.session.started_s == NOW_S
    heard = take_uplink({device.dev_addr: [joined.session]}, device.uplink(b"hi"), NOW_S, hearing())
    assert heard.data == b"hi"
    sent = answer(heard.session, joined.windows[0], NOW_S, command=Command(1, b"yes"))
    assert device.open(sent.phy_payload, 0).frm_payload == b"yes"


def test_the_join_accept_is_due_after_five_and_six_seconds() -> None:
    first, second = join(DEVICE, 1).windows
    assert (first.opens_s, first.frequency_hz, first.spreading_factor) == (5.0, 868_100_000, 7)
    assert (second.opens_s, second.frequency_hz, second.spreading_factor) == (6.0, 869_525_000, 12)


def test_a_random_nonce_is_used_once() -> None:
    joined = join(DEVICE, 500)
    assert refusal(joined.device, 500) == "dev_nonce_used"
    lower = join(joined.device, 20)
    assert lower.device.dev_nonces == {500, 20}
    assert join(forget_nonces(lower.device), 500).device.dev_nonces == {500}


def test_a_counted_nonce_must_rise() -> None:
    device = replace(DEVICE, nonce_policy=NoncePolicy.RISING)
    joined = join(device, 0)
    assert refusal(joined.device, 0) == "dev_nonce_used"
    joined = join(joined.device, 500)
    assert refusal(joined.device, 499) == "dev_nonce_used"
    assert join(joined.device, 501).device.dev_nonces == {501}


def test_every_join_has_its_own_keys_and_join_nonce() -> None:
    first = join(DEVICE, 1)
    second = join(first.device, 2)
    assert first.session.keys != second.session.keys
    assert second.device.join_nonce == DEVICE.join_nonce + 2
    assert refusal(replace(DEVICE, join_nonce=MAX_JOIN_NONCE + 1), 1) == "join_nonce_exhausted"


def test_strangers_and_forgeries_do_not_join() -> None:
    with pytest.raises(BadInput, match="unknown_device"):
        take_join_request({}, Joiner().request(1), NOW_S, hearing(), net_id=NET)
    assert refusal(DEVICE, 1, Joiner(app_key=AppKey(key(9)))) == "mic_failed"
    assert refusal(DEVICE, 1, Joiner(join_eui=join_eui("00" * 8))) == "unknown_join_eui"
    assert join(replace(DEVICE, join_eui=None), 1, Joiner(join_eui=join_eui("00" * 8)))
    with pytest.raises(BadInput, match="not_a_join_request"):
        take_join_request({EUI: DEVICE}, Device().uplink(), NOW_S, hearing(), net_id=NET)


def test_a_refused_join_uses_up_no_nonce() -> None:
    assert refusal(DEVICE, 7, Joiner(app_key=AppKey(key(9)))) == "mic_failed"
    assert join(DEVICE, 7).device.dev_nonces == {7}


def test_what_the_device_is_told_is_how_its_session_listens() -> None:
    cf_list = CFListFrequencies((867_100_000, 867_300_000, 0, 0, 0))
    device = replace(
        DEVICE, rx1_dr_offset=1, rx2_data_rate=3, rx_delay_s=5, cf_list=cf_list,
        rx2_frequency_hz=869_525_000,
    )  # fmt: skip
    joined = join(device, 1)
    accept, _ = Joiner().accept(joined.phy_payload, 1)
    rx = joined.session.rx
    assert (accept.rx1_dr_offset, accept.rx2_data_rate, accept.rx_delay_s) == (1, 3, 5)
    assert (rx.rx1_dr_offset, rx.rx2_data_rate, rx.rx1_delay_s) == (1, 3, 5)
    assert accept.cf_list == cf_list
    assert rx.channels == ((3, 867_100_000), (4, 867_300_000))


@pytest.mark.parametrize(
    ("net_id", "prefix", "bits"),
    [
        ("000000", 0b0000000, 7),
        ("000013", 0b0_010011, 7),
        ("200013", 0b10_010011, 8),
        ("4001ff", 0b110_111111111, 12),
        ("600001", 0b1110_00000000001, 15),
        ("800fff", 0b11110_111111111111, 17),
        ("a00001", 0b111110_0000000000001, 19),
        ("c00001", 0b1111110_000000000000001, 22),
        ("e00001", 0b11111110_00000000000000001, 25),
    ],
)
def test_an_address_begins_with_its_network(net_id: str, prefix: int, bits: int) -> None:
    address = int(allocate(NetId(net_id), DEVICE, frozenset()), 16)
    assert address >> (32 - bits) == prefix


@given(st.integers(0, 0xFF_FFFF), st.integers(1, MAX_JOIN_NONCE))
def test_an_address_in_use_is_passed_over(number: int, nonce: int) -> None:
    net_id, device = NetId(f"{number:06x}"), replace(DEVICE, join_nonce=nonce)
    taken: set[DevAddr] = set()
    for _ in range(5):
        address = allocate(net_id, device, taken)
        assert address not in taken
        assert len(address) == 8
        taken.add(address)
