import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.lorawan.airtime import Modulation, airtime_s, payload_symbols
from gateway.errors import BadInput


# Worked by hand from the SX1276/77/78/79 datasheet, section 4.1.1.7:
# SF7, 13 bytes: (8+4.25+8+ceil((104-28+44)/28)*5) = 45.25 symbols of 1.024 ms.
@pytest.mark.parametrize(
    ("payload", "modulation", "milliseconds"),
    [
        (13, Modulation(7, 125_000), 46.336),
        (13, Modulation(12, 125_000), 1155.072),
        (24, Modulation(10, 125_000), 370.688),
        (64, Modulation(12, 125_000), 2793.472),
        (20, Modulation(7, 250_000), 28.288),
        (33, Modulation(12, 500_000), 411.648),
        (10, Modulation(7, 125_000, coding_rate=8), 53.504),
        (10, Modulation(9, 125_000, explicit_header=False, crc=False), 123.904),
        (0, Modulation(12, 125_000, crc=False, explicit_header=False), 663.552),
        (10, Modulation(7, 125_000, preamble_symbols=16), 49.408),
    ],
)
def test_the_time_on_air_is_the_datasheets(
    payload: int, modulation: Modulation, milliseconds: float
) -> None:
    assert airtime_s(payload, modulation) * 1000 == pytest.approx(milliseconds)


@pytest.mark.parametrize(
    ("spreading_factor", "bandwidth_hz", "on"),
    [
        (10, 125_000, False), (11, 125_000, True), (12, 125_000, True), (11, 250_000, False),
        (12, 250_000, True), (12, 500_000, False), (7, 7_800, True), (9, 31_250, True),
    ],
)  # fmt: skip
def test_low_data_rate_optimisation_is_on_above_16_ms_a_symbol(
    spreading_factor: int,
    bandwidth_hz: int,
    on: bool,  # noqa: FBT001
) -> None:
    assert Modulation(spreading_factor, bandwidth_hz).low_data_rate_optimised is on
    forced = Modulation(spreading_factor, bandwidth_hz, low_data_rate=not on)
    assert forced.low_data_rate_optimised is not on


@given(st.integers(0, 254), st.integers(6, 12), st.sampled_from([125_000, 250_000, 500_000]))
def test_a_longer_packet_is_never_shorter_on_air(
    payload: int, spreading_factor: int, bandwidth_hz: int
) -> None:
    modulation = Modulation(spreading_factor, bandwidth_hz)
    assert airtime_s(payload, modulation) <= airtime_s(payload + 1, modulation)
    assert payload_symbols(payload, modulation) >= 8


@pytest.mark.parametrize(
    "fields", [(5, 125_000), (13, 125_000), (7, 0), (7, 125_000, 4), (7, 125_000, 9)]
)
def test_a_setting_that_no_radio_has_is_refused(fields: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="out_of_range"):
        Modulation(*fields)
