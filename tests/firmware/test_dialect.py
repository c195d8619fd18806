"""The gateway's dialect and the board's firmware understand each other, in simulated time."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from board_bench import Bench
from board_host import Host

from gateway.codecs.radio.turns import heard_share
from gateway.types import Hop, NotCancelled, RadioSettings, Scan, Transmit, TransmitOutcome

pytestmark = pytest.mark.firmware

FIXED = RadioSettings(868_100_000)
HOP = replace(FIXED, turns=Hop((868_100_000, 868_300_000, 868_500_000), dwell_ms=50))
SCAN = replace(FIXED, turns=Scan((7, 8)))


def share_heard(bench: Bench, host: Host, packets: int, **frame: object) -> float:
    """Send packets at moments that have nothing to do with the board's turns."""
    chance = random.Random(7)  # noqa: S311 - repeatable moments
    before = len(host.heard)
    for _ in range(packets):
        bench.say(cmd="inject", payload="aa" * 20, **frame)
        host.run(400_000 + chance.randrange(200_000))
    return (len(host.heard) - before) / packets


def test_a_fixed_radio_hears_everything(bench: Bench) -> None:
    assert share_heard(bench, Host(bench, FIXED), 20, freq=868_100_000) == 1


def test_hopping_hears_every_frequency_in_its_share(bench: Bench) -> None:
    host = Host(bench, HOP)
    assert host.troubles == ["hears_in_part"]
    for frequency_hz in (868_100_000, 868_300_000, 868_500_000):
        heard = share_heard(bench, host, 90, freq=frequency_hz)
        assert heard == pytest.approx(heard_share(HOP, 7), abs=0.17)
        assert {frame.frequency_hz for frame in host.heard[-10:]} == {frequency_hz}


def test_a_scan_finds_a_share_that_depends_on_the_preamble(bench: Bench) -> None:
    for preamble in (8, 12, 16):
        settings = replace(SCAN, preamble=preamble)
        host = Host(bench, settings)
        for factor in (7, 8):
            heard = share_heard(bench, host, 60, sf=factor, preamble=preamble)
            assert heard == pytest.approx(heard_share(settings, factor), abs=0.25)
            assert host.heard == [] or host.heard[-1].spreading_factor == factor
    assert host.troubles == []


def test_a_packet_armed_on_the_board_is_taken_back_or_sent_and_never_both(bench: Bench) -> None:
    host = Host(bench, FIXED)
    for number, ahead_us in enumerate((400_000, 60_000, 25_000, 15_000, 11_000)):
        before = len(bench.named("tx"))
        id_ = str(number)
        host.transmit(Transmit(id_, b"x", at_us=int(bench.now_us) + 500_000))
        host.run(500_000 - ahead_us)
        host.cancel(id_)
        host.run(1_000_000)
        sent = len(bench.named("tx")) - before
        outcome = host.ends()[id_].outcome
        assert outcome is (TransmitOutcome.SENT if sent else TransmitOutcome.CANCELLED)
        assert [one.id for one in host.of(NotCancelled)].count(id_) == sent
    assert host.ends()["0"].outcome is TransmitOutcome.CANCELLED


def test_packets_behind_a_cancelled_one_are_sent(bench: Bench) -> None:
    host = Host(bench, FIXED)
    now_us = int(bench.now_us)
    for number in range(4):
        host.transmit(Transmit(str(number), b"x", at_us=now_us + 500_000 * (1 + number)))
    host.cancel("2")
    host.run(100_000)
    host.cancel("0")
    host.run(3_000_000)
    outcomes = {id_: end.outcome for id_, end in host.ends().items()}
    sent, cancelled = TransmitOutcome.SENT, TransmitOutcome.CANCELLED
    assert outcomes == {"0": cancelled, "1": sent, "2": cancelled, "3": sent}
    assert len(bench.named("tx")) == 2
    assert share_heard(bench, host, 5, freq=868_100_000) == 1
