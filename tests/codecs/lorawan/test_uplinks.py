from collections.abc import Sequence
from dataclasses import replace

import pytest
from lorawan_devices import ADDRESS, EUI, NOW_S, Device, Joiner, hearing, key, session_of

from gateway.codecs.lorawan import (
    Activation,
    AppSKey,
    Command,
    CounterReset,
    DeviceClass,
    Heard,
    NwkSKey,
    Session,
    SessionKeys,
    answer,
    take_uplink,
    windows,
)
from gateway.codecs.lorawan.mac_commands import (
    DeviceTimeAns,
    DeviceTimeReq,
    LinkCheckAns,
    LinkCheckReq,
)
from gateway.codecs.lorawan.uplinks import MOST_REPEATS, REPEATS_FOR_S
from gateway.errors import BadInput
from gateway.types import DevEui


def take(session: Session | Sequence[Session], octets: bytes, now_s: float = NOW_S) -> Heard:
    sessions = [session] if isinstance(session, Session) else session
    return take_uplink({sessions[0].dev_addr: sessions}, octets, now_s, hearing())


def refusal(session: Session, octets: bytes, now_s: float = NOW_S) -> str:
    with pytest.raises(BadInput) as refused:
        take(session, octets, now_s)
    return refused.value.reason


def after(session: Session, *octets: bytes) -> Session:
    for each in octets:
        session = take(session, each).session
    return session


def test_an_uplink_is_read_and_counted() -> None:
    heard = take(session_of(), Device(f_cnt=7).uplink(b"hello", f_port=10))
    assert (heard.data, heard.frame.f_port, heard.f_cnt) == (b"hello", 10, 7)
    assert heard.session.f_cnt_up == 7
    assert not heard.is_retransmission
    assert not heard.wants_answer


def test_an_uplink_without_a_port_carries_no_data() -> None:
    heard = take(session_of(), Device().uplink(f_port=None))
    assert heard.data == b""
    assert heard.frame.f_port is None


def test_among_devices_of_one_address_the_mic_finds_the_right_one() -> None:
    others = [
        session_of(
            dev_eui=DevEui(f"{n:016x}"), keys=SessionKeys(NwkSKey(key(50 + n)), AppSKey(key(90)))
        )
        for n in range(20)
    ]
    heard = take([*others, session_of()], Device().uplink(b"mine"))
    assert heard.session.dev_eui == EUI
    assert heard.data == b"mine"


def test_a_session_of_the_same_keys_that_refuses_does_not_hide_one_that_accepts() -> None:
    ahead = session_of(f_cnt_up=9, dev_eui=DevEui("0" * 16))
    assert take([ahead, session_of()], Device(f_cnt=3).uplink()).session.dev_eui == EUI


def test_frames_that_are_not_ours_are_refused_with_their_reason() -> None:
    session, octets = session_of(), Device().uplink()
    with pytest.raises(BadInput, match="unknown_dev_addr"):
        take_uplink({}, octets, NOW_S, hearing())
    stranger = Device(keys=SessionKeys(NwkSKey(key(60)), AppSKey(key(61))))
    assert refusal(session, stranger.uplink()) == "mic_failed"
    assert refusal(session, octets[:-1] + b"\0") == "mic_failed"
    assert refusal(session, Joiner().request(1)) == "not_a_data_frame"
    down = answer(session, windows(session, hearing())[0], NOW_S).phy_payload
    assert refusal(session, down) == "not_an_uplink"


def test_a_replay_is_refused_and_so_is_every_older_frame() -> None:
    device = Device()
    octets = [device.uplink(bytes([n])) for n in range(5)]
    session = after(session_of(), *octets)
    assert [refusal(session, each) for each in octets[:-1]] == ["replay"] * 4
    assert refusal(session, octets[-1], NOW_S + REPEATS_FOR_S + 1) == "replay"


def test_a_replay_from_before_the_counters_turn_is_refused() -> None:
    device = Device(f_cnt=65_534)
    octets = [device.uplink() for _ in range(4)]
    session = after(session_of(), *octets)
    assert session.f_cnt_up == 65_537
    assert {refusal(session, each) for each in octets[:-1]} == {"replay"}


def test_a_repeated_frame_is_known_again_so_often_and_no_more() -> None:
    octets = Device().uplink(confirmed=True)
    session = after(session_of(), octets)
    for _ in range(MOST_REPEATS):
        heard = take(session, octets, NOW_S + 10)
        assert heard.is_retransmission
        assert heard.session.f_cnt_up == 0
        assert heard.session.owed.ack
        session = heard.session
    assert refusal(session, octets, NOW_S + 10) == "replay"


def test_the_newest_counter_with_other_content_is_a_device_that_started_again() -> None:
    session = after(session_of(), Device(f_cnt=3).uplink(b"one"))
    assert refusal(session, Device(f_cnt=3).uplink(b"two")) == "counter_reused"


def test_a_gap_of_16384_is_taken_and_one_more_is_not() -> None:
    session = after(session_of(), Device(f_cnt=100).uplink())
    assert take(session, Device(f_cnt=100 + 16_384).uplink()).f_cnt == 16_484
    assert refusal(session, Device(f_cnt=101 + 16_384).uplink()) == "counter_gap"
    joined = session_of(activation=Activation.OTAA)
    assert refusal(joined, Device(f_cnt=16_385).uplink()) == "counter_gap"
    assert take(session_of(), Device(f_cnt=40_000).uplink()).f_cnt == 40_000


def test_an_abp_device_beyond_65535_is_found_with_its_counter_given() -> None:
    octets = Device(f_cnt=200_000).uplink(b"late")
    assert refusal(session_of(), octets) == "mic_failed"
    assert take(session_of(f_cnt_up=199_000), octets).data == b"late"


@pytest.mark.parametrize("newest", [3, 500, 70_000, 200_000])
def test_a_counter_that_starts_again_needs_an_operators_word(newest: int) -> None:
    session = session_of(f_cnt_up=newest)
    assert refusal(session, Device().uplink()) == "replay"
    once = replace(session, counter_reset=CounterReset.ONCE)
    heard = take(once, Device().uplink(b"again"))
    assert heard.counter_was_reset
    assert (heard.data, heard.session.f_cnt_up) == (b"again", 0)
    assert heard.session.counter_reset is CounterReset.NEVER
    device = Device(f_cnt=1)
    assert take(heard.session, device.uplink()).f_cnt == 1


def test_a_permission_to_start_again_is_kept_until_it_is_used() -> None:
    once = session_of(f_cnt_up=5, counter_reset=CounterReset.ONCE)
    assert take(once, Device(f_cnt=6).uplink()).session.counter_reset is CounterReset.ONCE


def test_a_device_that_always_starts_again_may_do_so_even_at_the_same_counter() -> None:
    session = session_of(counter_reset=CounterReset.ALWAYS)
    for reading in (b"a", b"b", b"c"):
        heard = take(session, Device().uplink(reading))
        assert (heard.data, heard.is_retransmission) == (reading, False)
        session = heard.session
    assert session.counter_reset is CounterReset.ALWAYS


def test_a_joined_device_never_starts_again_without_joining() -> None:
    session = session_of(activation=Activation.OTAA, f_cnt_up=50, counter_reset=CounterReset.ALWAYS)
    assert refusal(session, Device().uplink()) == "replay"


def test_a_clock_that_was_set_back_does_not_make_a_repetition_a_replay() -> None:
    octets = Device().uplink()
    session = take(session_of(), octets, NOW_S).session
    assert take(session, octets, NOW_S - 86_400).is_retransmission


@pytest.mark.parametrize("on_port_0", [False, True])
def test_mac_questions_are_answered(on_port_0: bool) -> None:  # noqa: FBT001 - a table's column
    asked = b"\x02\x0d\x02"
    octets = (
        Device().uplink(asked, f_port=0) if on_port_0 else Device().uplink(f_opts=asked, f_port=3)
    )
    heard = take_uplink({ADDRESS: [session_of()]}, octets, NOW_S, hearing(snr_db=2.5))
    assert heard.mac == (LinkCheckReq(), DeviceTimeReq(), LinkCheckReq())
    link, time = heard.session.owed.answers
    assert link == LinkCheckAns(margin_db=10, gateway_count=1)  # 2.5 dB, and SF7's floor is -7.5
    assert isinstance(time, DeviceTimeAns)
    assert time.seconds == int(NOW_S) - 315_964_800 + 18
    assert heard.wants_answer
    assert heard.data == (b"" if on_port_0 else b"\x01\x02")


def test_what_a_newer_uplink_asks_replaces_what_the_older_asked() -> None:
    device = Device()
    session = after(session_of(), device.uplink(confirmed=True, f_opts=b"\x02"), device.uplink())
    assert not session.has_something_to_say


def test_a_device_that_asks_for_any_sign_of_life_gets_one() -> None:
    assert take(session_of(), Device().uplink(adr=True, adr_ack_req=True)).wants_answer


def sent(session: Session, *, at_s: float = NOW_S) -> Session:
    window = windows(session, hearing())[0]
    return answer(session, window, at_s, command=Command(5, b"x", confirmed=True)).session


def test_a_confirmed_downlink_is_acknowledged_by_the_next_uplink_or_not() -> None:
    device = Device()
    session = sent(session_of(f_cnt_down=41))
    heard = take(session, device.uplink(ack=True))
    assert (heard.acknowledged, heard.unacknowledged) == (41, None)
    assert heard.session.awaited_ack is None
    session = sent(heard.session)
    heard = take(session, device.uplink())
    assert (heard.acknowledged, heard.unacknowledged) == (None, 42)
    assert take(heard.session, device.uplink()).unacknowledged is None


def test_a_repeated_uplink_says_nothing_of_a_downlink() -> None:
    octets = Device().uplink()
    session = sent(after(session_of(), octets))
    heard = take(session, octets)
    assert (heard.acknowledged, heard.unacknowledged) == (None, None)
    assert heard.session.awaited_ack is not None


def test_a_class_c_device_may_have_sent_before_it_heard_us() -> None:
    device = Device()
    session = sent(session_of(device_class=DeviceClass.C))
    soon = take(session, device.uplink(), NOW_S + 2)
    assert soon.unacknowledged is None
    assert take(soon.session, device.uplink(), NOW_S + 60).unacknowledged == 0


def test_an_unknown_mac_command_costs_nothing_but_itself() -> None:
    heard = take(session_of(), Device().uplink(b"data", f_opts=b"\x02\xf0\x01"))
    assert heard.mac == (LinkCheckReq(),)
    assert heard.unread_mac == b"\xf0\x01"
    assert heard.data == b"data"
