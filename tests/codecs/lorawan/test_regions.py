"""Spot checks against RP002-1.0.x (section of each region) and EN 300 220-2 annex B."""

import pytest
from lorawan_devices import hearing, session_of

from gateway.codecs.lorawan import RxSettings, join_windows, region, regions, windows
from gateway.codecs.lorawan.crypto import Direction
from gateway.errors import BadInput

NAMES = ("EU868", "US915", "AU915", "AS923", "IN865", "CN470")


def test_there_are_these_regions_and_their_case_does_not_matter() -> None:
    assert tuple(sorted(regions())) == tuple(sorted(NAMES))
    assert region("eu868") is region("EU868")
    with pytest.raises(BadInput, match="unknown_region"):
        region("EU433")


@pytest.mark.parametrize("name", NAMES)
def test_a_regions_tables_hang_together(name: str) -> None:
    plan = region(name)
    width = {len(row) for row in plan.rx1.values()}
    assert len(width) == 1
    for uplink, row in plan.rx1.items():
        assert uplink in plan.data_rates
        assert set(row) <= set(plan.data_rates)
    assert set(plan.payload) == set(plan.payload_dwell) == set(plan.data_rates)
    assert all(plan.payload_dwell[i] <= plan.payload[i] <= 250 for i in plan.data_rates)
    for channel in plan.channels:
        for index in (channel.min_data_rate, channel.max_data_rate):
            rate = plan.data_rate(index)
            assert plan.data_rate_index(rate.spreading_factor, rate.bandwidth_hz) == index
            assert plan.band(channel.frequency_hz, rate.bandwidth_hz, plan.max_eirp_dbm)
    rx2 = plan.data_rate(plan.rx2_data_rate)
    assert plan.band(plan.rx2_frequency_hz, rx2.bandwidth_hz, plan.max_eirp_dbm)


@pytest.mark.parametrize(
    ("name", "count", "first", "last", "rx2", "rx2_rate"),
    [
        ("EU868", 3, 868_100_000, 868_500_000, 869_525_000, (12, 125_000)),
        ("US915", 72, 902_300_000, 914_200_000, 923_300_000, (12, 500_000)),
        ("AU915", 72, 915_200_000, 927_100_000, 923_300_000, (12, 500_000)),
        ("AS923", 2, 923_200_000, 923_400_000, 923_200_000, (10, 125_000)),
        ("IN865", 3, 865_062_500, 865_985_000, 866_550_000, (10, 125_000)),
        ("CN470", 96, 470_300_000, 489_300_000, 505_300_000, (12, 125_000)),
    ],
)
def test_channels_and_rx2_are_the_documents(  # noqa: PLR0917 - a table's columns
    name: str, count: int, first: int, last: int, rx2: int, rx2_rate: tuple[int, int]
) -> None:
    plan = region(name)
    assert len(plan.channels) == count
    assert (plan.channels[0].frequency_hz, plan.channels[-1].frequency_hz) == (first, last)
    assert plan.rx2_frequency_hz == rx2
    rate = plan.data_rate(plan.rx2_data_rate)
    assert (rate.spreading_factor, rate.bandwidth_hz) == rx2_rate


def test_the_middle_channels_of_us915_and_in865_are_the_documents() -> None:
    assert region("US915").channels[63].frequency_hz == 914_900_000
    assert region("US915").channels[64].frequency_hz == 903_000_000
    assert region("AU915").channels[63].frequency_hz == 927_800_000
    assert region("IN865").channels[1].frequency_hz == 865_402_500


@pytest.mark.parametrize(
    ("name", "uplink_hz", "rx1_hz"),
    [
        ("EU868", 867_100_000, 867_100_000),
        ("US915", 902_300_000, 923_300_000),
        ("US915", 903_900_000, 923_300_000),  # channel 8
        ("US915", 914_900_000, 927_500_000),  # channel 63
        ("US915", 904_600_000, 923_900_000),  # channel 65, 500 kHz
        ("AU915", 916_800_000, 923_300_000),  # channel 8
        ("AU915", 927_100_000, 927_500_000),  # channel 71
        ("AS923", 923_400_000, 923_400_000),
        ("CN470", 470_300_000, 500_300_000),
        ("CN470", 489_300_000, 509_700_000),  # channel 95
    ],
)
def test_rx1_is_on_the_channel_that_the_uplink_means(
    name: str, uplink_hz: int, rx1_hz: int
) -> None:
    assert region(name).rx1_frequency_hz(uplink_hz) == rx1_hz


@pytest.mark.parametrize(
    ("name", "uplink", "offset", "dwell", "rx1"),
    [
        ("EU868", 5, 0, False, 5), ("EU868", 5, 5, False, 0), ("EU868", 2, 3, False, 0),
        ("EU868", 6, 1, False, 5),
        ("US915", 0, 0, False, 10), ("US915", 3, 0, False, 13), ("US915", 4, 1, False, 13),
        ("US915", 0, 3, False, 8), ("US915", 2, 3, False, 9),
        ("AU915", 0, 0, False, 8), ("AU915", 5, 0, False, 13), ("AU915", 6, 5, False, 9),
        ("AS923", 0, 0, True, 2), ("AS923", 5, 5, True, 2), ("AS923", 5, 5, False, 0),
        ("AS923", 3, 7, False, 5), ("AS923", 2, 6, True, 3),
        ("IN865", 0, 7, False, 2), ("IN865", 4, 7, False, 5), ("IN865", 3, 1, False, 2),
        ("CN470", 5, 5, False, 0), ("CN470", 4, 1, False, 3),
    ],
)  # fmt: skip
def test_rx1_has_the_data_rate_of_the_offset_table(
    name: str,
    uplink: int,
    offset: int,
    dwell: bool,  # noqa: FBT001
    rx1: int,
) -> None:
    assert region(name).rx1_data_rate(uplink, offset, dwell=dwell) == rx1


@pytest.mark.parametrize(
    ("name", "index", "dwell", "most"),
    [
        ("EU868", 0, False, 59), ("EU868", 3, False, 123), ("EU868", 4, False, 250),
        ("US915", 0, False, 19), ("US915", 2, False, 133), ("US915", 8, False, 61),
        ("US915", 9, False, 137),
        ("AU915", 2, True, 19), ("AU915", 2, False, 59), ("AU915", 8, True, 61),
        ("AS923", 1, True, 0), ("AS923", 2, True, 19), ("AS923", 2, False, 123),
        ("AS923", 4, True, 133), ("AS923", 4, False, 250),
        ("IN865", 2, False, 59), ("IN865", 5, False, 250),
        ("CN470", 1, True, 31), ("CN470", 3, True, 123), ("CN470", 1, False, 59),
    ],
)  # fmt: skip
def test_the_largest_payload_is_the_documents(
    name: str,
    index: int,
    dwell: bool,  # noqa: FBT001
    most: int,
) -> None:
    assert region(name).max_mac_payload(index, dwell=dwell) == most


@pytest.mark.parametrize(
    ("name", "most"),
    [("EU868", 16.0), ("US915", 30.0), ("AU915", 30.0), ("AS923", 16.0), ("CN470", 19.15)],
)
def test_the_most_power_of_a_device_is_the_documents(name: str, most: float) -> None:
    assert region(name).max_eirp_dbm == most


def test_sf8_at_500_khz_is_another_data_rate_up_than_down() -> None:
    for name, up in (("US915", 4), ("AU915", 6)):
        assert region(name).data_rate_index(8, 500_000) == up
        assert region(name).data_rate_index(8, 500_000, Direction.DOWN) == 12
    assert region("CN470").data_rate_index(7, 125_000, Direction.DOWN) == 5
    with pytest.raises(BadInput, match="unknown_data_rate"):
        region("US915").data_rate_index(12, 500_000)


def test_what_a_region_does_not_have_is_refused() -> None:
    plan = region("US915")
    for ask in (
        lambda: plan.data_rate(7),
        lambda: plan.rx1_data_rate(8, 0),
        lambda: plan.rx1_data_rate(0, 4),
        lambda: plan.rx1_frequency_hz(868_100_000),
        lambda: plan.max_mac_payload(14),
    ):
        with pytest.raises(BadInput):
            ask()


# --- windows ---------------------------------------------------------------------------------


def test_windows_open_one_and_two_seconds_after_an_uplink_with_inverted_iq() -> None:
    first, second = windows(session_of(), hearing(spreading_factor=9))
    assert (first.name, first.opens_s, first.frequency_hz) == ("rx1", 1.0, 868_100_000)
    assert (first.spreading_factor, first.bandwidth_hz) == (9, 125_000)
    assert (second.name, second.opens_s, second.frequency_hz) == ("rx2", 2.0, 869_525_000)
    assert first.iq_inverted
    assert second.iq_inverted


def test_rx1_of_us915_is_at_500_khz_on_a_downlink_channel() -> None:
    heard = hearing(frequency_hz=904_100_000, spreading_factor=10)  # channel 9, DR0
    first, second = windows(session_of(region="US915"), heard)
    assert (first.frequency_hz, first.spreading_factor, first.bandwidth_hz) == (
        923_900_000, 10, 500_000,
    )  # fmt: skip
    assert (second.frequency_hz, second.spreading_factor) == (923_300_000, 12)


def test_an_uplink_off_the_plan_has_no_rx1_but_still_rx2() -> None:
    off = hearing(frequency_hz=910_000_001)
    assert [w.name for w in windows(session_of(region="US915"), off)] == ["rx2"]
    odd = hearing(bandwidth_hz=62_500)
    assert [w.name for w in windows(session_of(), odd)] == ["rx2"]


def test_a_join_in_as923_is_answered_within_the_dwell_time() -> None:
    heard = hearing(frequency_hz=923_200_000, spreading_factor=12)
    first, second = join_windows(region("AS923"), heard)
    assert (first.opens_s, first.spreading_factor) == (5.0, 10)
    assert (second.opens_s, second.spreading_factor) == (6.0, 10)
    assert RxSettings.default(region("AS923")).downlink_dwell


def test_a_downlink_is_on_air_without_a_payload_crc() -> None:
    window = windows(session_of(), hearing(spreading_factor=12))[0]
    assert not window.modulation.crc
    assert window.airtime_s(bytes(12)) == pytest.approx(0.991232)
