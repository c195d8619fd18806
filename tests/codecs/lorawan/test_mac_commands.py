from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.lorawan import mac_commands as mac
from gateway.codecs.lorawan.crypto import Direction
from gateway.codecs.lorawan.mac_commands import (
    DeviceTimeAns,
    DeviceTimeReq,
    DevStatusAns,
    DevStatusReq,
    DlChannelAns,
    DlChannelReq,
    DutyCycleAns,
    DutyCycleReq,
    LinkADRAns,
    LinkADRReq,
    LinkCheckAns,
    LinkCheckReq,
    MacCommand,
    NewChannelAns,
    NewChannelReq,
    RXParamSetupAns,
    RXParamSetupReq,
    RXTimingSetupAns,
    RXTimingSetupReq,
    TxParamSetupAns,
    TxParamSetupReq,
    answers,
    build,
    device_time,
    link_check,
    parse,
)
from gateway.errors import BadInput

UP, DOWN = Direction.UP, Direction.DOWN

# Drawn by hand from LoRaWAN 1.0.3, section 5.
BYTES: list[tuple[Direction, str, MacCommand]] = [
    (UP, "02", LinkCheckReq()),
    (DOWN, "021403", LinkCheckAns(margin_db=20, gateway_count=3)),
    (DOWN, "03520700a1", LinkADRReq(5, 2, 0x0007, mask_control=2, nb_trans=1)),
    (DOWN, "0352070071", LinkADRReq(5, 2, 0x0007, mask_control=7, nb_trans=1)),
    (UP, "0307", LinkADRAns(1, 1, 1)),
    (UP, "0305", LinkADRAns(channel_mask_ack=1, data_rate_ack=0, power_ack=1)),
    (DOWN, "040f", DutyCycleReq(15)),
    (UP, "04", DutyCycleAns()),
    (DOWN, "0523d2ad84", RXParamSetupReq(2, 3, 869_525_000)),
    (UP, "0506", RXParamSetupAns(channel_ack=0, rx2_data_rate_ack=1, rx1_dr_offset_ack=1)),
    (DOWN, "06", DevStatusReq()),
    (UP, "06fe3f", DevStatusAns(battery=254, margin_db=-1)),
    (UP, "06ff1f", DevStatusAns(battery=255, margin_db=31)),
    (UP, "060020", DevStatusAns(battery=0, margin_db=-32)),
    (DOWN, "0703184f8450", NewChannelReq(3, 867_100_000, 0, 5)),
    (UP, "0701", NewChannelAns(frequency_ack=1, data_rate_ack=0)),
    (DOWN, "0805", RXTimingSetupReq(5)),
    (UP, "08", RXTimingSetupAns()),
    (DOWN, "0925", TxParamSetupReq(max_eirp_index=5, uplink_dwell=0, downlink_dwell=1)),
    (UP, "09", TxParamSetupAns()),
    (DOWN, "0a04184f84", DlChannelReq(4, 867_100_000)),
    (UP, "0a02", DlChannelAns(frequency_ack=0, uplink_exists=1)),
    (UP, "0d", DeviceTimeReq()),
    (DOWN, "0d785634127f", DeviceTimeAns(seconds=0x12345678, fraction=0x7F)),
]


@pytest.mark.parametrize(("direction", "octets", "command"), BYTES[:2] + BYTES[3:])
def test_a_command_is_these_bytes_both_ways(
    direction: Direction, octets: str, command: MacCommand
) -> None:
    assert parse(bytes.fromhex(octets), direction) == ((command,), b"")
    assert build([command]).hex() == octets


def test_a_reserved_bit_is_ignored_when_read_and_not_written() -> None:
    direction, octets, command = BYTES[2]
    assert parse(bytes.fromhex(octets), direction)[0] == (command,)
    assert build([command]).hex() == "0352070021"


def test_the_table_has_every_command_and_each_once() -> None:
    assert {layout.command for layout in mac._LAYOUTS} == {type(c) for _, _, c in BYTES}
    assert len(mac._BY_CID) == len(mac._LAYOUTS)


@st.composite
def commands(draw: st.DrawFn, direction: Direction) -> MacCommand:
    layout = draw(st.sampled_from([x for x in mac._LAYOUTS if x.direction is direction]))
    values = {
        field.name: field.value(draw(st.integers(0, (1 << field.bits) - 1)))
        for field in layout.fields
        if field.name != "_"
    }
    return layout.command(**values)


@given(st.sampled_from(Direction).flatmap(lambda d: st.tuples(st.just(d), st.lists(commands(d)))))
def test_any_commands_in_a_row_come_out_as_they_went_in(
    pair: tuple[Direction, list[MacCommand]],
) -> None:
    direction, said = pair
    assert parse(build(said), direction) == (tuple(said), b"")


@given(st.binary(max_size=60), st.sampled_from(Direction))
def test_any_bytes_are_read_as_far_as_they_make_sense(octets: bytes, direction: Direction) -> None:
    said, rest = parse(octets, direction)
    assert octets.endswith(rest)
    assert len(build(said)) + len(rest) == len(octets)


def test_reading_stops_at_the_first_command_that_is_unknown_or_cut() -> None:
    assert parse(bytes.fromhex("0280ff02"), UP) == ((LinkCheckReq(),), bytes.fromhex("80ff02"))
    assert parse(bytes.fromhex("0206fe"), UP) == ((LinkCheckReq(),), bytes.fromhex("06fe"))


@pytest.mark.parametrize(
    "command",
    [
        LinkADRReq(16, 0, 1),
        LinkADRReq(0, 0, 0x10000),
        RXParamSetupReq(8, 0, 869_525_000),
        RXParamSetupReq(0, 0, 869_525_050),
        DevStatusAns(0, 32),
        DevStatusAns(0, -33),
        RXTimingSetupReq(-1),
        DlChannelReq(0, 1_677_721_600),
    ],
)
def test_a_value_that_does_not_fit_its_field_is_refused(command: MacCommand) -> None:
    with pytest.raises(BadInput, match="out_of_range"):
        build([command])


def test_each_request_knows_its_answer() -> None:
    for _, _, command in BYTES:
        name = type(command).__name__
        expected = name[:-3] + ("Ans" if name.endswith("Req") else "Req")
        found = answers(command)
        assert found is not None
        assert found.__name__ == expected


def test_device_time_counts_from_the_gps_epoch_without_leap_seconds() -> None:
    # 2017-01-01 00:00:00 UTC is GPS 1167264018 (the leap second of 2016 was the last).
    assert device_time(1_483_228_800.5) == DeviceTimeAns(1_167_264_018, 128)
    assert device_time(0.0) == DeviceTimeAns(0, 0)
    assert device_time(1e12).seconds == 0xFFFF_FFFF


@pytest.mark.parametrize(("margin", "said"), [(-3.0, 0), (12.4, 12), (999.0, 254), (None, 0)])
def test_a_link_check_margin_stays_in_its_byte(margin: float | None, said: int) -> None:
    assert link_check(margin) == LinkCheckAns(said, 1)


def test_a_layout_that_does_not_fit_its_command_is_a_bug() -> None:
    assert len(fields(LinkADRAns)) == 3
    with pytest.raises(ValueError, match="LinkADRAns"):
        mac._layout(LinkADRAns, 3, UP, "channel_mask_ack:1 _:7")
