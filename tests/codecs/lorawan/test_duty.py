from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.codecs.lorawan import AirtimeLedger, Transmission, Wanted, region
from gateway.codecs.lorawan.duty import WINDOW_S, overlap_s

EU = region("EU868")


def wanted(
    start_s: float,
    airtime_s: float,
    frequency_hz: int = 868_300_000,
    eirp_dbm: float = 14.0,
    bandwidth_hz: int = 125_000,
) -> Wanted:
    return Wanted(start_s, airtime_s, frequency_hz, bandwidth_hz, eirp_dbm)


@dataclass(frozen=True)
class Case:
    """Packets in a row, all but the last allowed; `reason` and `earliest_s` are of the last."""

    name: str
    packets: tuple[Wanted, ...]
    reason: str = ""
    earliest_s: float | None = None


K, L, M, N, P, Q = 864_100_000, 867_100_000, 868_300_000, 868_900_000, 869_525_000, 869_850_000
CASES = [
    Case("K: a thousandth of an hour", (wanted(0, 3.6, K),)),
    Case("K: a moment more than a thousandth", (wanted(0, 3.601, K),), "duty_cycle"),
    Case("M: a hundredth of an hour in one", (wanted(0, 36, M),)),
    Case("M: a moment more than a hundredth", (wanted(0, 36.001, M),), "duty_cycle"),
    Case("M: a hundredth in two", (wanted(0, 18, M), wanted(100, 18, M))),
    Case("M: too soon after it all", (wanted(0, 36, M), wanted(100, 1, M)), "duty_cycle", 3600.0),
    Case("M: when the first leaves the window",
         (wanted(0, 18, M), wanted(100, 18, M), wanted(3618, 18, M))),
    Case("M: a second before the first has left",
         (wanted(0, 18, M), wanted(100, 18, M), wanted(3000, 18, M)), "duty_cycle", 3600.0),
    # By 3622 s, 22 of the first 36 s have left the window: 14 stay, and 12 fit on top.
    Case("M: as the oldest leaves, second by second", (wanted(0, 36, M), wanted(3610, 12, M))),
    Case("M: faster than the oldest leaves", (wanted(0, 36, M), wanted(3599, 12, M)),
         "duty_cycle", 3600.0),
    Case("L and M are counted apart", (wanted(0, 36, L), wanted(36, 36, M))),
    Case("two channels of M are counted together",
         (wanted(0, 36, 868_100_000), wanted(40, 1, 868_500_000)), "duty_cycle", 3600.0),
    Case("N: a thousandth", (wanted(0, 3.6, N), wanted(10, 0.1, N)), "duty_cycle", 3600.0),
    Case("P: a tenth, and half a watt", (wanted(0, 360, P, 29.0),)),
    Case("P: more than a tenth", (wanted(0, 361, P, 29.0),), "duty_cycle"),
    Case("Q: 5 mW may always", (wanted(0, 3600, Q, 9.0), wanted(3600, 3600, Q, 9.0))),
    Case("Q: 25 mW may a hundredth", (wanted(0, 37, Q, 14.0),), "duty_cycle"),
    Case("between M and N", (wanted(0, 1, 868_650_000),), "frequency_not_allowed"),
    Case("over the edge by half its width", (wanted(0, 1, 868_000_000),), "frequency_not_allowed"),
    Case("another continent", (wanted(0, 1, 920_000_000),), "frequency_not_allowed"),
    Case("K: too strong", (wanted(0, 1, K, 17.0),), "power_not_allowed"),
    Case("K: weaker is as good", (wanted(0, 3.6, K, 2.0),)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_duty_cycles_of_eu868(case: Case) -> None:
    ledger = AirtimeLedger(EU)
    *before, last = case.packets
    assert [ledger.book(packet) for packet in before] == [None] * len(before)
    refusal = ledger.refusal_or_none(last)
    assert (refusal.reason if refusal else "") == case.reason
    if refusal is not None:
        assert refusal.earliest_s == (
            None if case.earliest_s is None else pytest.approx(case.earliest_s)
        )


def test_a_refused_packet_is_not_counted_and_an_allowed_one_is() -> None:
    ledger = AirtimeLedger(EU)
    assert ledger.book(wanted(0, 30)) is None
    assert ledger.book(wanted(60, 30)) is not None
    assert ledger.used_s("M", 100.0) == pytest.approx(30)
    assert ledger.used_s("M", 3615.0) == pytest.approx(15)
    assert ledger.used_s("L", 100.0) == 0


def test_what_is_promised_for_later_counts_too() -> None:
    ledger = AirtimeLedger(EU)
    assert ledger.book(wanted(1000, 30)) is None
    refusal = ledger.refusal_or_none(wanted(500, 10))
    assert refusal is not None
    assert refusal.earliest_s is not None
    assert ledger.book(wanted(refusal.earliest_s, 10)) is None


def test_a_ledger_goes_on_from_what_was_stored() -> None:
    ledger = AirtimeLedger(EU)
    ledger.book(wanted(0, 36))
    again = AirtimeLedger(EU, ledger.transmissions)
    assert again.refusal_or_none(wanted(1800, 1)) == ledger.refusal_or_none(wanted(1800, 1))
    assert again.refusal_or_none(wanted(1800, 1)) is not None


def test_a_ledger_forgets_what_is_older_than_an_hour() -> None:
    ledger = AirtimeLedger(EU)
    for hour in range(100):
        assert ledger.book(wanted(hour * 3700.0, 1)) is None
    assert len(ledger.transmissions) == 1


@pytest.mark.parametrize(
    ("name", "frequency_hz", "bandwidth_hz", "airtime_s", "refused"),
    [
        ("US915", 902_300_000, 125_000, 0.400, False),
        ("US915", 902_300_000, 125_000, 0.401, True),
        ("US915", 923_300_000, 500_000, 0.412, False),
        ("AU915", 915_200_000, 125_000, 0.5, True),
        ("AS923", 923_200_000, 125_000, 0.5, True),
        ("AS923", 923_200_000, 250_000, 0.5, True),
        ("CN470", 500_300_000, 125_000, 1.01, True),
        ("CN470", 500_300_000, 125_000, 0.99, False),
        ("IN865", 865_402_500, 125_000, 2.8, False),
    ],
)
def test_the_dwell_time_of_a_region_is_kept(
    name: str,
    frequency_hz: int,
    bandwidth_hz: int,
    airtime_s: float,
    refused: bool,  # noqa: FBT001
) -> None:
    packet = Wanted(0.0, airtime_s, frequency_hz, bandwidth_hz, 14.0)
    refusal = AirtimeLedger(region(name)).refusal_or_none(packet)
    assert (refusal is not None) is refused
    if refusal is not None:
        assert (refusal.reason, refusal.earliest_s) == ("dwell_time", None)
        assert AirtimeLedger(region(name), dwell=False).refusal_or_none(packet) is None


PACKETS = st.lists(
    st.tuples(st.integers(0, 9000), st.integers(1, 20_000).map(lambda ms: ms / 1000)), max_size=40
)


def most_used_s(booked: tuple[Transmission, ...]) -> float:
    """Return the greatest share of any hour, found the slow way."""
    ends = [t.end_s for t in booked] + [t.start_s + WINDOW_S for t in booked]
    return max(
        (sum(overlap_s(t, end - WINDOW_S, end) for t in booked) for end in ends), default=0.0
    )


@settings(deadline=None)
@given(PACKETS)
def test_no_hour_ever_holds_more_than_its_share_whatever_the_order(
    packets: list[tuple[int, float]],
) -> None:
    ledger, booked = AirtimeLedger(EU), []
    for start_s, airtime_s in packets:
        kept = ledger.transmissions
        if ledger.book(wanted(float(start_s), airtime_s)) is None:
            booked.append(Transmission("M", start_s, start_s + airtime_s))
        else:
            assert ledger.transmissions == kept
    starts = [start_s for start_s, _ in packets]
    if starts == sorted(starts):
        assert most_used_s(tuple(booked)) <= 36 + 1e-6
    assert most_used_s(ledger.transmissions) <= 36 + 1e-6


@example([(0, 5.0), (0, 13.0)], 13, 20.0)  # two that were on air together
@settings(deadline=None)
@given(PACKETS, st.integers(0, 9000), st.integers(1, 20_000).map(lambda ms: ms / 1000))
def test_the_earliest_time_that_is_named_is_good_and_one_second_sooner_is_not(
    packets: list[tuple[int, float]], start_s: int, airtime_s: float
) -> None:
    ledger = AirtimeLedger(EU)
    for at_s, length_s in sorted(packets):
        ledger.book(wanted(float(at_s), length_s))
    refusal = ledger.refusal_or_none(wanted(float(start_s), airtime_s))
    if refusal is None:
        return
    assert refusal.earliest_s is not None
    assert refusal.earliest_s > start_s
    assert ledger.refusal_or_none(wanted(refusal.earliest_s, airtime_s)) is None
    promised = any(t.end_s > start_s for t in ledger.transmissions)
    if not promised and refusal.earliest_s - 1 > start_s:
        assert ledger.refusal_or_none(wanted(refusal.earliest_s - 1, airtime_s)) is not None
