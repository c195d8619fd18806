"""Frames that our radios hear, and what our own network server makes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lorawan_devices import ADDRESS, EUI, Device, Joiner, key
from radio_network import NODE, RADIO, Network, abp, class_c, otaa, private, private_frame, radio

from gateway.codecs.lorawan import CounterReset, NoncePolicy, RxSettings, region
from gateway.codecs.lorawan.crypto import Direction
from gateway.codecs.lorawan.frames import decode
from gateway.codecs.lorawan.mac_commands import DeviceTimeReq, LinkCheckReq, build
from gateway.codecs.lorawan.private import open_private
from gateway.errors import BadInput
from gateway.types import DownlinkState, HeardFrame, Join, RadioSettings, TransmitOutcome, Uplink


def uplink_of(taken: object) -> Uplink:
    (event,) = taken.events  # type: ignore[attr-defined]
    assert isinstance(event, Uplink)
    return event


# --- uplinks ---------------------------------------------------------------------------------


def test_an_uplink_of_a_registered_device_is_one_like_the_network_servers() -> None:
    network = Network(abp(codec="dragino/lse01", profile="Soil"))
    uplink = uplink_of(network.hear(Device().uplink(b"\x0b\xb8", f_port=2)))
    assert (uplink.device.dev_eui, uplink.device.name) == (EUI, "Probe")
    assert (uplink.device.profile, uplink.device.tags) == ("Soil", {"codec": "dragino/lse01"})
    assert (uplink.dev_addr, uplink.f_cnt, uplink.f_port) == (ADDRESS, 0, 2)
    assert (uplink.data, uplink.object) == (b"\x0b\xb8", None)
    assert (uplink.time_s, uplink.received_s) == (network.now_s, network.now_s)
    (reception,) = uplink.receptions
    assert (reception.gateway_id, reception.rssi_dbm, reception.snr_db) == (RADIO, -90.0, 6.0)
    assert (uplink.frequency_hz, uplink.spreading_factor) == (868_100_000, 7)


def test_what_a_board_does_not_say_of_a_frame_is_as_it_listens() -> None:
    listens = RadioSettings(868_300_000, spreading_factor=9)
    network = Network(abp(), radios=(radio(settings=listens),))
    uplink = uplink_of(
        network.hear(
            Device().uplink(), frequency_hz=None, spreading_factor=None, bandwidth_hz=None,
            rssi_dbm=None,
        )
    )  # fmt: skip
    assert (uplink.frequency_hz, uplink.spreading_factor) == (868_300_000, 9)
    assert uplink.receptions == ()


def test_the_session_is_in_the_changes_that_go_with_the_uplink() -> None:
    network = Network(abp())
    taken = network.hear(Device(f_cnt=41).uplink())
    (session,) = taken.changes.sessions.values()
    assert session.f_cnt_up == 41


def test_the_same_packet_heard_by_two_radios_is_one_uplink() -> None:
    network = Network(abp(), radios=(radio(), radio("hill")))
    frame = Device().uplink(confirmed=True)
    first = network.hear(frame)
    network.later(0.05)
    assert network.hear(frame, on="hill") == type(first)()
    assert len(first.transmissions) == 1


def test_a_device_that_repeats_itself_is_answered_again_and_its_data_is_not_new() -> None:
    network = Network(abp())
    frame = Device().uplink(confirmed=True)
    network.sent(network.hear(frame))
    network.later(3)
    again = network.hear(frame)
    assert again.events == []
    assert len(again.transmissions) == 1


def test_a_recorded_frame_is_refused_after_a_restart_too() -> None:
    network = Network(abp())
    device = Device()
    old = device.uplink()
    network.hear(old)
    network.later(10)
    network.hear(device.uplink())
    network.restart()
    network.later(10)
    with pytest.raises(BadInput, match="replay"):
        network.hear(old)


def test_strangers_are_shown_with_what_to_do_and_are_no_bad_input() -> None:
    network = Network(abp(), otaa(dev_eui="70b3d57ed0000009"))
    elsewhere = Device(dev_addr="01020304")  # type: ignore[arg-type]
    impostor = Device(keys=replace(Device().keys, nwk_s_key=key(9)))  # type: ignore[arg-type]
    for frame in (
        elsewhere.uplink(),
        impostor.uplink(),
        Joiner(dev_eui="1122334455667788").request(1),  # type: ignore[arg-type]
        Joiner(dev_eui="70b3d57ed0000009", app_key=key(7)).request(1),  # type: ignore[arg-type]
        private_frame(1, b"x", None),
        b"\xffhello, this is another radio",
    ):
        taken = network.hear(frame)
        assert not taken.events
        assert not taken.changes
    shown = network.server.health(network.now_s)["strangers"]
    reasons = {one["reason"]: one["who"] for one in shown["newest"]}
    assert reasons["unknown_dev_addr"] == "01020304"
    assert reasons["mic_failed"] == ADDRESS
    assert reasons["unknown_device"] == "1122334455667788"
    assert reasons["join_mic_failed"] == "70b3d57ed0000009"
    assert reasons["unknown_node"] == "00c0ffee"
    assert "not_lorawan" in reasons
    assert all(one["advice"] for one in shown["newest"])


# --- answers ---------------------------------------------------------------------------------


def test_a_confirmed_uplink_is_acknowledged_one_second_after_its_end() -> None:
    network = Network(abp())
    device = Device()
    transmission = network.sent(network.hear(device.uplink(confirmed=True)))
    first, second = transmission.tries
    assert first.request.at_us == 5_000_000 + 1_000_000
    assert second.request.at_us == 5_000_000 + 2_000_000
    settings = first.request.settings
    assert settings is not None
    assert (settings.frequency_hz, settings.spreading_factor) == (868_100_000, 7)
    assert (settings.iq_inverted, settings.crc) == (True, False)
    assert second.request.settings is not None
    assert second.request.settings.frequency_hz == 869_525_000
    answer = device.open(first.request.payload, 0)
    assert (answer.ack, answer.f_port) == (True, None)
    assert first.request.payload == second.request.payload


def test_link_check_and_device_time_are_answered() -> None:
    network = Network(abp())
    device = Device()
    asked = build([LinkCheckReq(), DeviceTimeReq()])
    transmission = network.sent(network.hear(device.uplink(f_opts=asked)))
    answer = device.open(transmission.tries[0].request.payload, 0)
    assert (answer.f_opts[0], answer.f_opts[3]) == (0x02, 0x0D)


def test_an_answer_that_is_too_late_for_rx1_goes_in_rx2_and_later_not_at_all() -> None:
    for late_s, windows in ((0.9, ["rx2"]), (2.0, [])):
        network = Network(abp())
        frame = Device().uplink(confirmed=True)
        heard_s = network.now_s
        network.later(late_s)
        taken = network.server.take(
            RADIO, HeardFrame(frame, -90.0, 6.0, counter_us=7), heard_s, network.now_s
        )
        assert [t.tries[0].window for t in taken.transmissions] == windows


def test_a_board_that_cannot_time_never_answers_a_class_a_device() -> None:
    network = Network(abp(), radios=(radio(times=False),))
    command = network.command()
    taken = network.hear(Device().uplink(confirmed=True), counter_us=None)
    assert taken.transmissions == []
    assert network.state(command) is None
    assert taken.steps[-1].state is DownlinkState.FAILED
    assert "cannot transmit at a given moment" in taken.steps[-1].detail


# --- commands --------------------------------------------------------------------------------


def test_a_confirmed_command_goes_from_accepted_to_acked() -> None:
    network = Network(abp())
    device = Device()
    command = network.command(b"\x01\x02", f_port=10, confirmed=True)
    assert network.state(command) is DownlinkState.ACCEPTED
    taken = network.hear(device.uplink())
    assert network.state(command) is DownlinkState.QUEUED
    down = device.open(taken.transmissions[0].tries[0].request.payload, 0)
    assert (down.confirmed, down.f_port, down.frm_payload) == (True, 10, b"\x01\x02")
    network.sent(taken)
    assert network.state(command) is DownlinkState.SENT
    network.later(60)
    steps = network.hear(device.uplink(ack=True)).steps
    assert [one.state for one in steps] == [DownlinkState.ACKED]
    assert network.state(command) is None


def test_a_confirmed_command_that_the_device_does_not_acknowledge_is_nacked() -> None:
    network = Network(abp())
    device = Device()
    network.command(confirmed=True)
    network.sent(network.hear(device.uplink()))
    network.later(60)
    steps = network.hear(device.uplink()).steps
    assert [one.state for one in steps] == [DownlinkState.NACKED]


def test_what_may_no_longer_be_done_is_turned_down_when_the_device_speaks() -> None:
    for device, hears in ((abp(), True), (class_c(abp()), False)):
        network = Network(device)
        command = network.command()
        network.objection = "quiet_hours: nothing is opened now"
        taken = network.hear(Device().uplink()) if hears else network.plan()
        assert taken.transmissions == []
        assert [(one.id, one.state) for one in taken.steps] == [(command, DownlinkState.FAILED)]


def test_commands_go_one_by_one_in_their_order_and_say_that_more_waits() -> None:
    network = Network(abp())
    device = Device()
    commands = [network.command(bytes([n])) for n in range(3)]
    for place in range(3):
        taken = network.hear(device.uplink())
        down = device.open(network.sent(taken).tries[0].request.payload, place)
        assert down.frm_payload == bytes([place])
        assert down.bit4 is (place < 2)
        network.later(60)
    assert network.hear(device.uplink()).transmissions == []
    assert all(network.state(one) is DownlinkState.SENT for one in commands)


def test_what_was_certainly_not_transmitted_waits_for_the_next_uplink_under_a_new_counter() -> None:
    network = Network(abp())
    device = Device()
    command = network.command(b"\x07")
    (transmission,) = network.hear(device.uplink()).transmissions
    (step,) = network.ended(transmission, TransmitOutcome.REFUSED, "it missed its time")
    assert step.state is DownlinkState.ACCEPTED
    assert "it missed its time" in step.detail
    network.later(60)
    again = network.sent(network.hear(device.uplink()))
    assert again.f_cnt == 1
    assert device.open(again.tries[0].request.payload, 1).frm_payload == b"\x07"
    assert network.state(command) is DownlinkState.SENT


def test_whether_a_confirmed_command_was_transmitted_the_device_will_tell() -> None:
    network = Network(abp())
    device = Device()
    network.command(confirmed=True)
    (transmission,) = network.hear(device.uplink()).transmissions
    (step,) = network.ended(transmission, TransmitOutcome.FAILED, "the port was unplugged")
    assert step.state is DownlinkState.QUEUED
    assert "next uplink will tell" in step.detail
    network.later(60)
    taken = network.hear(device.uplink(ack=True))
    assert [one.state for one in taken.steps] == [DownlinkState.ACKED]
    assert taken.transmissions == []


def test_a_frame_without_a_time_leaves_a_command_waiting_for_one_that_has_it() -> None:
    network = Network(abp())
    device = Device()
    command = network.command()
    assert network.hear(device.uplink(), counter_us=None).transmissions == []
    assert network.state(command) is DownlinkState.ACCEPTED
    network.later(60)
    assert network.hear(device.uplink()).transmissions


def test_what_may_have_been_transmitted_is_not_sent_again() -> None:
    network = Network(abp())
    device = Device()
    network.command()
    (transmission,) = network.hear(device.uplink()).transmissions
    (step,) = network.ended(transmission, TransmitOutcome.FAILED, "the port was unplugged")
    assert step.state is DownlinkState.FAILED
    network.later(60)
    assert network.hear(device.uplink()).transmissions == []


@pytest.mark.parametrize(
    ("confirmed", "state"), [(False, DownlinkState.FAILED), (True, DownlinkState.QUEUED)]
)
def test_a_command_that_was_with_the_radio_when_the_gateway_stopped_is_not_sent_twice(
    confirmed: bool,  # noqa: FBT001 - pytest gives it
    state: DownlinkState,
) -> None:
    network = Network(abp())
    device = Device()
    command = network.command(confirmed=confirmed)
    network.hear(device.uplink())
    (step,) = network.restart()
    assert (step.id, step.state) == (command, state)
    network.later(60)
    taken = network.hear(device.uplink(ack=confirmed))
    assert taken.transmissions == []
    if confirmed:
        assert taken.steps[0].state is DownlinkState.ACKED


def test_the_downlink_counter_goes_on_after_a_restart() -> None:
    network = Network(abp())
    device = Device()
    used = set()
    for _ in range(5):
        used.add(network.sent(network.hear(device.uplink(confirmed=True))).f_cnt)
        network.later(5)
        network.restart()
    assert used == {0, 1, 2, 3, 4}


def test_a_command_too_long_for_the_data_rate_fails_and_the_answer_goes_without_it() -> None:
    network = Network(abp())
    device = Device()
    network.command(bytes(243))
    taken = network.hear(device.uplink(confirmed=True), spreading_factor=12)
    assert taken.steps[-1].state is DownlinkState.FAILED
    assert "data rate" in taken.steps[-1].detail
    (transmission,) = taken.transmissions
    assert device.open(transmission.tries[0].request.payload, 0).ack


def test_airtime_that_is_used_up_is_said_with_the_reason_and_the_earliest_time() -> None:
    network = Network(abp())
    device = Device()
    said = ""
    for _ in range(300):
        command = network.command(bytes(50))
        taken = network.hear(device.uplink(), spreading_factor=12)
        if not taken.transmissions:
            said = taken.steps[-1].detail
            break
        network.sent(taken)
        network.later(4)
    assert network.state(command) is DownlinkState.ACCEPTED
    assert "duty_cycle" in said
    assert "not before" in said
    used = network.server.health(network.now_s)["airtime"][RADIO]
    assert all(one["used_s"] <= one["allowed_s"] for one in used.values())
    network.restart()
    assert network.hear(device.uplink(), spreading_factor=12).transmissions == []


# --- class C ---------------------------------------------------------------------------------


def test_a_class_c_device_gets_its_command_at_once_from_the_radio_that_heard_it() -> None:
    network = Network(class_c(abp()), radios=(radio(), radio("hill")))
    device = Device()
    command = network.command()
    assert network.plan().transmissions == []
    assert network.state(command) is DownlinkState.ACCEPTED
    network.hear(device.uplink(), on="hill", counter_us=None)  # RX1 cannot be timed
    network.restart()
    taken = network.plan()
    transmission = network.sent(taken)
    assert transmission.radio == "hill"
    (only,) = transmission.tries
    assert (only.window, only.request.at_us) == ("rxc", None)
    assert only.request.settings is not None
    assert only.request.settings.frequency_hz == 869_525_000
    assert network.state(command) is DownlinkState.SENT


def test_a_class_c_device_has_time_to_confirm_before_the_next_command() -> None:
    network = Network(class_c(abp()))
    first = network.command(confirmed=True)
    network.sent(network.plan())
    second = network.command()
    assert network.plan().transmissions == []
    network.later(9)
    network.hear(Device().uplink(ack=True))
    assert network.state(first) is None
    assert network.state(second) is DownlinkState.QUEUED  # it rode on the answer's window


# --- joining ---------------------------------------------------------------------------------


def test_a_device_joins_at_five_seconds_and_speaks_in_its_new_session() -> None:
    network = Network(otaa())
    joiner = Joiner()
    taken = network.hear(joiner.request(7))
    (event,) = taken.events
    assert isinstance(event, Join)
    transmission = network.sent(taken)
    assert [one.request.at_us for one in transmission.tries] == [10_000_000, 11_000_000]
    accept, device = joiner.accept(transmission.tries[0].request.payload, 7)
    assert accept.rx_delay_s == 1
    network.restart()
    network.later(10)
    assert uplink_of(network.hear(device.uplink(b"\x09"))).data == b"\x09"


def test_a_join_request_is_good_once_also_after_a_restart() -> None:
    network = Network(otaa())
    request = Joiner().request(7)
    network.hear(request)
    network.restart()
    network.later(60)
    with pytest.raises(BadInput, match="dev_nonce_used"):
        network.hear(request)


def test_the_old_session_is_good_until_the_new_one_speaks() -> None:
    network = Network(otaa())
    joiner = Joiner()
    _, old = joiner.accept(
        network.sent(network.hear(joiner.request(1))).tries[0].request.payload, 1
    )
    network.later(10)
    network.hear(old.uplink())
    network.later(10)
    _, new = joiner.accept(
        network.sent(network.hear(joiner.request(2))).tries[0].request.payload, 2
    )
    network.later(10)
    assert network.hear(old.uplink()).events
    network.later(10)
    assert network.hear(new.uplink()).events
    network.later(10)
    assert not network.hear(old.uplink()).events
    assert len(network.sessions) == 1


def test_a_device_with_another_app_key_begins_anew() -> None:
    network = Network(otaa())
    joiner = Joiner()
    network.hear(joiner.request(7))
    network.registered = [otaa(app_key=key(8))]
    network.restart()
    network.later(10)
    other = Joiner(app_key=key(8))  # type: ignore[arg-type]
    assert network.hear(other.request(7)).events


def test_an_operators_word_lets_nonces_come_again_once() -> None:
    network = Network(otaa(nonce_policy=NoncePolicy.RISING))
    joiner = Joiner()
    network.hear(joiner.request(7))
    network.registered = [otaa(nonce_policy=NoncePolicy.RISING, restart_s=network.now_s)]
    network.commit(network.server.take_up(network.registered))
    network.later(10)
    assert network.hear(joiner.request(1)).events
    network.restart()
    network.later(10)
    with pytest.raises(BadInput, match="dev_nonce_used"):
        network.hear(Joiner(join_eui=joiner.join_eui).request(1))


# --- the register ----------------------------------------------------------------------------


def test_a_device_is_served_from_its_registration_on_and_not_after_its_removal() -> None:
    network = Network()
    device = Device()
    assert not network.hear(device.uplink()).events
    network.commit(network.server.take_up([abp()]))
    network.later(2)
    assert network.hear(device.uplink()).events
    network.commit(network.server.take_up([]))
    network.later(2)
    assert not network.hear(device.uplink()).events
    assert not network.server.serves(EUI)


def test_a_device_that_comes_back_with_its_keys_goes_on_counting() -> None:
    network = Network(abp())
    device = Device(f_cnt=100)
    old = device.uplink()
    network.hear(old)
    network.registered = []
    network.restart()
    network.registered = [abp()]
    network.restart()
    network.later(1000)
    with pytest.raises(BadInput, match="replay"):
        network.hear(old)


def test_a_counter_may_start_again_only_by_an_operators_word() -> None:
    network = Network(abp())
    network.hear(Device(f_cnt=500).uplink())
    network.later(10)
    with pytest.raises(BadInput, match="replay"):
        network.hear(Device().uplink())
    network.registered = [abp(restart_s=network.now_s)]
    network.commit(network.server.take_up(network.registered))
    fresh = Device()
    network.later(10)
    assert uplink_of(network.hear(fresh.uplink(b"\x05"))).f_cnt == 0
    network.restart()
    network.later(10)
    with pytest.raises(BadInput, match="counter_reused"):
        network.hear(Device().uplink(b"\x06"))


def test_a_device_that_forgets_its_counter_at_every_battery_may_do_so_always() -> None:
    network = Network(abp(counter_reset=CounterReset.ALWAYS))
    for life in range(3):
        device = Device()
        for _ in range(3):
            assert network.hear(device.uplink(bytes([life]))).events
            network.later(10)
        network.restart()


def test_how_a_device_listens_is_as_it_was_registered() -> None:
    network = Network(abp(rx_delay_s=5, rx2_frequency_hz=868_500_000, rx2_data_rate=3))
    transmission = network.sent(network.hear(Device().uplink(confirmed=True)))
    assert transmission.tries[0].request.at_us == 10_000_000
    second = transmission.tries[1].request.settings
    assert second is not None
    assert (second.frequency_hz, second.spreading_factor) == (868_500_000, 9)
    assert RxSettings.default(region("EU868")).rx2_frequency_hz != second.frequency_hz


# --- home-made nodes -------------------------------------------------------------------------


@pytest.mark.parametrize("sealed", [True, False])
def test_a_home_made_node_is_heard_and_answered(sealed: bool) -> None:  # noqa: FBT001
    secret = key(5) if sealed else None
    network = Network(private(secret, name="Gate"))
    command = network.command(b"\xaa", dev_eui=NODE)
    taken = network.hear(private_frame(3, b"\x01\x02", secret))
    uplink = uplink_of(taken)
    assert (uplink.device.dev_eui, uplink.f_cnt, uplink.data) == (NODE, 3, b"\x01\x02")
    if not sealed:  # nobody could know the answer to be ours
        assert taken.steps[-1].state is DownlinkState.FAILED
        return
    transmission = network.sent(taken)
    (only,) = transmission.tries
    assert only.request.at_us == 6_000_000
    assert only.request.settings is not None
    assert (only.request.settings.iq_inverted, only.request.settings.crc) == (False, True)
    assert open_private(only.request.payload, secret).payload == b"\xaa"
    assert network.state(command) is DownlinkState.SENT


def test_a_sealed_nodes_recorded_frame_is_refused_after_a_restart() -> None:
    network = Network(private(key(5)))
    frame = private_frame(3, b"\x01", key(5))
    network.hear(frame)
    network.restart()
    network.later(100)
    with pytest.raises(BadInput, match="replay"):
        network.hear(frame)


def test_a_downlink_heard_as_an_echo_is_nobodys() -> None:
    network = Network(abp())
    down = network.sent(network.hear(Device().uplink(confirmed=True)))
    echo = down.tries[0].request.payload
    assert decode(echo).frame.direction is Direction.DOWN  # type: ignore[union-attr]
    assert not network.hear(echo).events
