import pytest
from lorawan_devices import NOW_S, Device, hearing, session_of

from gateway.codecs.lorawan import (
    Command,
    DeviceClass,
    ReceiveWindow,
    Session,
    answer,
    ask,
    class_c_window,
    region,
    take_uplink,
    windows,
)
from gateway.codecs.lorawan.crypto import Direction
from gateway.codecs.lorawan.frames import MAX_F_CNT
from gateway.codecs.lorawan.mac_commands import (
    DevStatusReq,
    DlChannelReq,
    LinkADRAns,
    LinkADRReq,
    LinkCheckAns,
    MacCommand,
    NewChannelReq,
    RXParamSetupReq,
    RXTimingSetupReq,
    TxParamSetupReq,
    parse,
)
from gateway.codecs.lorawan.session import MOST_ATTEMPTS
from gateway.errors import BadInput


def rx1(session: Session, **heard: object) -> ReceiveWindow:
    return windows(session, hearing(**heard))[0]


def heard(session: Session, octets: bytes) -> Session:
    return take_uplink({session.dev_addr: [session]}, octets, NOW_S, hearing()).session


def test_a_command_reaches_the_device_encrypted_and_counted() -> None:
    session = session_of(f_cnt_down=65_540)
    sent = answer(session, rx1(session), NOW_S, command=Command(9, b"open valve"))
    assert b"open valve" not in sent.phy_payload
    frame = Device().open(sent.phy_payload, 65_540)
    assert (frame.f_port, frame.frm_payload, frame.f_cnt) == (9, b"open valve", 4)
    assert (sent.f_cnt, sent.session.f_cnt_down) == (65_540, 65_541)
    assert not frame.confirmed
    assert not frame.bit4


def test_a_confirmed_uplink_is_acknowledged_once() -> None:
    session = heard(session_of(), Device().uplink(confirmed=True))
    sent = answer(session, rx1(session), NOW_S)
    frame = Device().open(sent.phy_payload, 0)
    assert frame.ack
    assert frame.f_port is None
    assert len(sent.phy_payload) == 12
    assert not sent.session.has_something_to_say


def test_answers_ride_with_a_command() -> None:
    session = heard(session_of(), Device().uplink(confirmed=True, f_opts=b"\x02"))
    sent = answer(session, rx1(session), NOW_S, command=Command(2, b"go", confirmed=True))
    frame = Device().open(sent.phy_payload, 0)
    assert (frame.ack, frame.confirmed, frame.frm_payload) == (True, True, b"go")
    said, rest = parse(frame.f_opts, Direction.DOWN)
    assert said == (LinkCheckAns(13, 1),)
    assert not rest
    assert sent.session.awaited_ack is not None


def test_the_device_is_told_when_more_is_waiting() -> None:
    session = session_of()
    sent = answer(session, rx1(session), NOW_S, command=Command(2, b"1"), more_waiting=True)
    assert Device().open(sent.phy_payload, 0).bit4


MANY: list[MacCommand] = [NewChannelReq(n, 867_100_000 + n * 200_000, 0, 5) for n in range(3, 8)]


def test_many_requests_go_alone_on_port_0_and_in_part_beside_a_command() -> None:
    session = ask(session_of(), MANY)
    alone = Device().open(answer(session, rx1(session), NOW_S).phy_payload, 0)
    assert alone.f_port == 0
    assert parse(alone.frm_payload, Direction.DOWN)[0] == tuple(MANY)
    sent = answer(session, rx1(session), NOW_S, command=Command(2, b"go"))
    beside = Device().open(sent.phy_payload, 0)
    assert parse(beside.f_opts, Direction.DOWN)[0] == tuple(MANY[:2])
    assert beside.bit4
    assert [r.attempts for r in sent.session.requests] == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("spreading_factor", "most"), [(12, 51), (11, 51), (10, 51), (9, 115), (8, 242), (7, 242)]
)
def test_a_command_may_fill_its_window_and_no_more(spreading_factor: int, most: int) -> None:
    session = session_of()
    window = rx1(session, spreading_factor=spreading_factor)
    full = answer(session, window, NOW_S, command=Command(1, bytes(most)))
    assert len(full.phy_payload) == most + 13
    with pytest.raises(BadInput, match="payload_too_large"):
        answer(session, window, NOW_S, command=Command(1, bytes(most + 1)))


def test_mac_commands_yield_to_a_command_that_fills_the_window() -> None:
    session = ask(session_of(), [DevStatusReq()])
    window = rx1(session, spreading_factor=12)
    sent = answer(session, window, NOW_S, command=Command(1, bytes(51)))
    frame = Device().open(sent.phy_payload, 0)
    assert (frame.f_opts, frame.bit4) == (b"", True)
    assert sent.session.requests == session.requests


def test_nothing_at_all_fits_a_window_that_the_dwell_time_closes() -> None:
    session = session_of(region="CN470")
    window = class_c_window(session)
    assert window.max_mac_payload == 0
    with pytest.raises(BadInput, match="payload_too_large"):
        answer(session, window, NOW_S)


def test_a_counter_at_its_end_sends_nothing_more() -> None:
    session = session_of(f_cnt_down=MAX_F_CNT)
    last = answer(session, rx1(session), NOW_S)
    assert last.f_cnt == MAX_F_CNT
    with pytest.raises(BadInput, match="counter_exhausted"):
        answer(last.session, rx1(session), NOW_S)


@pytest.mark.parametrize("f_port", [0, 224, 255, -1])
def test_an_applications_port_is_from_1_to_223(f_port: int) -> None:
    with pytest.raises(BadInput, match="out_of_range"):
        Command(f_port, b"")


def test_a_request_is_sent_until_it_is_answered_or_given_up() -> None:
    session = ask(session_of(), [DevStatusReq()])
    for _ in range(MOST_ATTEMPTS):
        sent = answer(session, rx1(session), NOW_S)
        assert parse(Device().open(sent.phy_payload, sent.f_cnt).f_opts, Direction.DOWN)[0]
        assert not sent.given_up
        session = sent.session
    last = answer(session, rx1(session), NOW_S)
    assert last.given_up == (DevStatusReq(),)
    assert not last.session.requests


def test_asking_again_for_the_same_thing_replaces_the_older_request() -> None:
    session = ask(session_of(), [RXTimingSetupReq(2), *MANY[:2]])
    session = ask(session, [RXTimingSetupReq(5)])
    assert [r.command for r in session.requests] == [*MANY[:2], RXTimingSetupReq(5)]


def settled(request: MacCommand, answered: bytes, **fields: object) -> Session:
    session = ask(session_of(**fields), [request])
    session = answer(session, rx1(session), NOW_S).session
    return heard(session, Device().uplink(f_opts=answered))


def test_an_accepted_request_changes_the_windows_after_that_very_uplink() -> None:
    setup = RXParamSetupReq(rx1_dr_offset=2, rx2_data_rate=3, frequency_hz=868_500_000)
    first, second = windows(settled(setup, b"\x05\x07"), hearing())
    assert first.spreading_factor == 9
    assert (second.frequency_hz, second.spreading_factor) == (868_500_000, 9)
    timed = windows(settled(RXTimingSetupReq(5), b"\x08"), hearing())
    assert [w.opens_s for w in timed] == [5.0, 6.0]


def test_a_refused_request_changes_nothing_but_is_settled() -> None:
    setup = RXParamSetupReq(2, 3, 868_500_000)
    session = settled(setup, b"\x05\x06")
    assert session.rx == session_of().rx
    assert not session.requests


def test_an_answer_to_nothing_we_asked_changes_nothing() -> None:
    session = heard(session_of(), Device().uplink(f_opts=b"\x05\x07\x08\x03\x07"))
    assert session.rx == session_of().rx
    waiting = ask(session_of(), [RXTimingSetupReq(5)])
    assert heard(waiting, Device().uplink(f_opts=b"\x08")).rx.rx1_delay_s == 1


def test_a_moved_downlink_channel_moves_rx1() -> None:
    session = settled(DlChannelReq(1, 867_900_000), b"\x0a\x03")
    assert rx1(session, frequency_hz=868_300_000).frequency_hz == 867_900_000
    assert rx1(session).frequency_hz == 868_100_000


def test_a_made_channel_can_be_moved_too() -> None:
    session = settled(NewChannelReq(3, 867_100_000, 0, 5), b"\x07\x03")
    assert session.rx.channels == ((3, 867_100_000),)
    session = ask(session, [DlChannelReq(3, 869_525_000)])
    session = answer(session, rx1(session), NOW_S).session
    session = heard(session, Device(f_cnt=1).uplink(f_opts=b"\x0a\x03"))
    assert rx1(session, frequency_hz=867_100_000).frequency_hz == 869_525_000


def test_a_dwell_time_told_to_the_device_holds_for_its_windows() -> None:
    session = settled(TxParamSetupReq(5, 0, 0), b"\x09", region="AS923")
    window = rx1(session, frequency_hz=923_200_000, spreading_factor=12)
    assert window.spreading_factor == 12
    assert window.max_mac_payload == 59


def test_one_answer_settles_a_block_of_link_adr_requests() -> None:
    block = [LinkADRReq(5, 1, 0, mask_control=4), LinkADRReq(5, 1, 0xFF, mask_control=0)]
    session = ask(session_of(), block)
    session = answer(session, rx1(session), NOW_S).session
    taken = take_uplink(
        {session.dev_addr: [session]}, Device().uplink(f_opts=b"\x03\x07"), NOW_S, hearing()
    )
    assert [s.request for s in taken.settled] == block
    assert all(s.accepted and s.answer == LinkADRAns(1, 1, 1) for s in taken.settled)
    assert not taken.session.requests


def test_a_class_c_device_hears_in_rx2_at_any_time() -> None:
    session = session_of(device_class=DeviceClass.C)
    window = class_c_window(session)
    assert (window.name, window.opens_s) == ("rxc", 0.0)
    assert (window.frequency_hz, window.spreading_factor) == (869_525_000, 12)
    assert region("EU868").data_rate(0).spreading_factor == 12
