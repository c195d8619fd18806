"""What SPEC.md promises, asked of the real AVR image and of the core compiled for this machine."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from pathlib import Path

import pytest
from board_bench import Bench, command
from board_wire import (
    BOOT,
    CANCEL,
    CONFIGURE,
    INFO,
    PING,
    RECEIVE,
    RESET,
    STATISTICS,
    TRANSMIT,
    TRANSMITTED,
    settings,
    wire_of,
)

pytestmark = pytest.mark.firmware

TYPE, LENGTH, VALUE, BUSY, TIME, NOT_CONFIGURED, NOTHING, _RADIO, VERSION = range(1, 10)
DOWNLINK = settings(flags=1)


def transmit(at_us: int, payload: bytes = b"hello", radio: bytes = DOWNLINK) -> bytes:
    return struct.pack("<IB", at_us % 2**32, 0) + radio + payload


def hear(bench: Bench, **frame: object) -> None:
    """Put one frame on the air, to end 100 ms from now, and let it come up."""
    bench.say(cmd="inject", t_us=bench.now_us + 100_000, **({"payload": "4001"} | frame))
    bench.run(150_000)


def board_time_us(bench: Bench) -> int:
    return int.from_bytes(bench.ask(PING).body[:4], "little")


def test_a_start_is_told_with_what_the_board_is(bench: Bench) -> None:
    boot = bench.messages[0]
    info = bench.ask(INFO)

    assert (boot.type, boot.sequence) == (BOOT, 0)
    assert boot.body[:4] == bytes([1, 1, 0, 0])
    assert boot.body[5] == 0x12
    assert boot.body[13] == 1
    assert boot.body[18:] == b"lora-gateway board"
    assert info.body[:14] == boot.body[:14]


def test_a_ping_comes_back_with_the_time(bench: Bench) -> None:
    answer = bench.ask(PING, b"\x00\x01\x00")
    assert answer.body[4:] == b"\x00\x01\x00"
    first, second = board_time_us(bench), board_time_us(bench)
    assert second - first == pytest.approx(20_000, abs=2_500)


def test_a_heard_frame_comes_up_with_everything_known_of_it(bench: Bench) -> None:
    bench.listen()
    hear(bench, payload="40010203ff00", rssi=-97, snr=-7.25, freq_error=1234, cr=6)

    (frame,) = bench.received()
    assert frame.payload == bytes.fromhex("40010203ff00")
    assert frame.rssi_dbm == pytest.approx(-97, abs=1)
    assert frame.snr_db == -7.25
    assert frame.error_hz == pytest.approx(1234, abs=15)
    assert (frame.frequency_hz, frame.sf, frame.bandwidth) == (868100000, 7, 7)
    assert (frame.coding_rate, frame.crc, frame.flags, frame.dropped) == (6, 1, 0, 0)


@pytest.mark.parametrize("rssi", [-120, -60])
def test_strength_is_right_on_the_low_band_too(bench: Bench, rssi: int) -> None:
    bench.listen(settings(frequency_hz=433175000))
    hear(bench, freq=433175000, rssi=rssi, snr=5)
    assert bench.received()[0].rssi_dbm == pytest.approx(rssi, abs=1)


@pytest.mark.parametrize("length", [0, 1, 127, 204, 205, 227, 228, 254, 255])
def test_payloads_of_every_length_come_up_whole(bench: Bench, length: int) -> None:
    payload = bytes(1 + index % 255 for index in range(length))
    bench.listen()
    hear(bench, payload=payload.hex())
    hear(bench, payload=bytes(length).hex())
    assert [frame.payload for frame in bench.received()] == [payload, bytes(length)]


@pytest.mark.parametrize("code", range(10))
@pytest.mark.parametrize("sf", [7, 12])
def test_every_bandwidth_is_heard_on_its_channel(bench: Bench, code: int, sf: int) -> None:
    hz = [7800, 10400, 15600, 20800, 31250, 41700, 62500, 125000, 250000, 500000][code]
    bench.listen(settings(bandwidth=code, sf=sf))
    hear(bench, bw=hz, sf=sf, airtime_us=1000)
    assert [(frame.bandwidth, frame.sf) for frame in bench.received()] == [(code, sf)]


def test_only_frames_of_the_asked_for_kind_are_heard(bench: Bench) -> None:
    bench.listen(settings(flags=3))
    hear(bench)
    hear(bench, iq=True, sf=8)
    hear(bench, iq=True, sync=0x12)
    hear(bench, iq=True, freq=868300000)
    hear(bench, iq=True, payload="01")
    assert [(frame.payload, frame.flags) for frame in bench.received()] == [(b"\x01", 1)]


def test_a_wrong_crc_is_counted_and_told_only_when_asked_for(bench: Bench) -> None:
    bench.listen()
    hear(bench, crc_ok=False)
    assert bench.received() == []
    assert bench.error(RECEIVE, b"\x01\x01") == 0
    hear(bench, crc_ok=False)
    hear(bench, crc=False)
    assert [frame.crc for frame in bench.received()] == [2, 0]
    counted = bench.statistics()
    assert (counted["rx_bad_crc"], counted["rx_good"], counted["rx_missed"]) == (2, 1, 0)


def test_frames_are_stamped_within_10_us(bench: Bench) -> None:
    bench.listen()
    ends = []
    for index in range(40):
        ends.append(bench.now_us + 60_000 + 37.3 * index)
        bench.say(cmd="inject", t_us=ends[-1], payload="00" * (1 + 5 * index))
        if index % 3 == 0:
            bench.run_until(ends[-1] - 60)
            bench.send(STATISTICS)  # its answer keeps the UART's interrupts busy meanwhile
        bench.run_until(ends[-1] + 20_000)
    lags = [frame.time_us - end for frame, end in zip(bench.received(), ends, strict=True)]
    assert max(lags) - min(lags) < 10


def test_a_transmission_starts_a_second_after_the_uplink(bench: Bench) -> None:
    bench.listen()
    ends = []
    for index in range(20):
        ends.append(bench.now_us + 100_000.5 + 13.7 * index)
        bench.say(cmd="inject", t_us=ends[-1], payload="40" * (index + 1))
        bench.run_until(ends[-1] + 50_000)
        heard = bench.received()[-1]
        delay_us = 1_000_000 if index % 2 else 300_000
        body = transmit(heard.time_us + delay_us, bytes([index]) * 255)
        assert bench.error(TRANSMIT, body) == 0
        bench.run_until(ends[-1] + delay_us + 500_000)
        sent = bench.named("tx")[-1]
        assert float(str(sent["t_us"])) - ends[-1] == pytest.approx(delay_us, abs=100)
        assert float(str(sent["t_us"])) - ends[-1] == pytest.approx(delay_us, abs=12)
        assert sent["payload"] == (bytes([index]) * 255).hex()
    outcomes = [message.body[1] for message in bench.of_type(TRANSMITTED)]
    assert outcomes == [0] * 20


def test_a_transmission_has_the_settings_asked_for(bench: Bench) -> None:
    radio = settings(
        frequency_hz=869525000,
        sf=12,
        bandwidth=7,
        coding_rate=8,
        flags=1,
        preamble=12,
        power_dbm=20,
    )
    number = bench.send(TRANSMIT, transmit(board_time_us(bench) + 60_000, b"\x60\x01", radio))
    bench.run(3_000_000)
    (sent,) = bench.named("tx")
    assert sent["freq"] == pytest.approx(869525000, abs=31)
    assert (sent["sf"], sent["bw"], sent["cr"], sent["preamble"]) == (12, 125000, 8, 12)
    assert (sent["iq"], sent["crc"], sent["sync"], sent["power"]) == (True, False, 0x34, 20)
    (done,) = bench.of_type(TRANSMITTED)
    name, status, started, ended = struct.unpack("<BBII", done.body)
    assert (name, status) == (number, 0)
    assert ended - started == pytest.approx(float(str(sent["airtime_us"])), abs=60)


def test_the_receiver_listens_again_before_the_transmission_is_told(bench: Bench) -> None:
    bench.listen()
    bench.ask(TRANSMIT, transmit(board_time_us(bench) + 50_000))
    while not bench.of_type(TRANSMITTED):
        bench.run(200)
    bench.say(cmd="inject", payload="77")
    bench.run(200_000)
    assert [frame.payload for frame in bench.received()] == [b"\x77"]


def test_now_means_soon(bench: Bench) -> None:
    answer = bench.ask(TRANSMIT, struct.pack("<IB", 0, 1) + DOWNLINK + b"x")
    bench.run(200_000)
    assert len(bench.named("tx")) == 1
    assert struct.unpack_from("<BBI", bench.of_type(TRANSMITTED)[0].body)[2] == pytest.approx(
        int.from_bytes(answer.body, "little"), abs=50
    )


def test_one_transmission_waits_and_a_repeated_command_sends_once(bench: Bench) -> None:
    body = transmit(board_time_us(bench) + 300_000)
    assert bench.ask(TRANSMIT, body, sequence=77).type == TRANSMIT | 0x80
    assert bench.ask(TRANSMIT, body, sequence=77).type == TRANSMIT | 0x80
    assert bench.error(TRANSMIT, body) == BUSY
    bench.run(500_000)
    assert len(bench.named("tx")) == 1


@pytest.mark.parametrize("ahead_us", [40_000, 34_000, 26_200, 25_900, 25_000])
def test_a_cancelled_transmission_is_not_sent(bench: Bench, ahead_us: int) -> None:
    bench.listen()
    at_us = board_time_us(bench) + 200_000
    number = bench.ask(TRANSMIT, transmit(at_us)).sequence
    bench.run_until(bench.now_us + 160_000 - 20_000 + (40_000 - ahead_us))
    assert bench.error(CANCEL, bytes([number])) == 0
    bench.run(300_000)
    hear(bench)
    assert bench.named("tx") == []
    assert len(bench.received()) == 1
    assert bench.error(CANCEL, bytes([number])) == NOTHING


def test_a_cancel_at_any_moment_either_works_or_says_that_it_did_not(bench: Bench) -> None:
    bench.listen()
    for index in range(60):
        at_us = board_time_us(bench) + 60_000
        number = bench.ask(TRANSMIT, transmit(at_us, b"c")).sequence
        before = len(bench.named("tx"))
        bench.run(31_000 + 173 * index)
        cancelled = bench.error(CANCEL, bytes([number])) == 0
        bench.run(100_000)
        assert len(bench.named("tx")) - before == (0 if cancelled else 1)


def test_refusals_have_their_reasons(bench: Bench) -> None:
    now_us = board_time_us(bench)
    assert bench.error(RECEIVE, b"\x01\x00") == NOT_CONFIGURED
    assert bench.error(0x33) == TYPE
    assert bench.error(INFO, b"x") == LENGTH
    assert bench.error(PING, bytes(17)) == LENGTH
    assert bench.error(CONFIGURE, settings()[:-1]) == LENGTH
    assert bench.error(TRANSMIT, transmit(now_us + 10**6, b"")) == LENGTH
    assert bench.error(TRANSMIT, transmit(now_us)) == TIME
    assert bench.error(TRANSMIT, transmit(now_us - 1000)) == TIME
    assert bench.error(TRANSMIT, transmit(now_us + 1_900_000_000)) == TIME
    assert bench.error(CANCEL, b"\x07") == NOTHING
    bench.write(wire_of(bytes([2, INFO, 5])))
    bench.run(20_000)
    assert bench.messages[-1].body == bytes([INFO, VERSION])
    bad: list[dict[str, int]] = [
        {"frequency_hz": 136999999},
        {"frequency_hz": 1020000001},
        {"sf": 6},
        {"sf": 13},
        {"bandwidth": 10},
        {"coding_rate": 4},
        {"coding_rate": 9},
        {"sync_word": 0},
        {"flags": 4},
        {"preamble": 5},
        {"preamble": 4097},
        {"power_dbm": 1},
        {"power_dbm": 18},
        {"power_dbm": 21},
    ]
    assert [bench.error(CONFIGURE, settings(**one)) for one in bad] == [VALUE] * len(bad)
    bench.listen()
    for body in (b"\x04\x00", b"\x01\x02", b"\x03\x00\x00", b"\x03\x00\x40"):
        assert bench.error(RECEIVE, body) == VALUE


def test_hopping_hears_both_frequencies_and_stays_for_a_frame(bench: Bench) -> None:
    hops = struct.pack("<BBHBII", 2, 0, 50, 2, 868100000, 868300000)
    bench.listen(mode=hops)
    for index in range(24):
        bench.say(cmd="inject", payload="aa" * 40, freq=868100000 + 200000 * (index % 2))
        bench.run(131_000 + 997 * index)
    frequencies = {frame.frequency_hz for frame in bench.received()}
    assert frequencies == {868100000, 868300000}
    assert 6 <= len(bench.received()) < 24


def test_scanning_finds_frames_of_two_spreading_factors(bench: Bench) -> None:
    bench.listen(mode=b"\x03\x00\x03")
    for index in range(20):
        bench.say(cmd="inject", payload=f"{index:02x}", sf=7 + index % 2, preamble=12)
        bench.run(200_000)
    heard = bench.received()
    assert {frame.sf for frame in heard} == {7, 8}
    assert len(heard) >= 16
    counted = bench.statistics()
    assert counted["cad_hits"] >= len(heard)
    assert counted["cad_runs"] > 100


def test_line_noise_never_passes_for_a_command(bench: Bench) -> None:
    noise = random.Random(4)  # noqa: S311 - repeatable, not secret
    before = bench.statistics()["host_frames"]
    for _ in range(200):
        bench.write(noise.randbytes(40))
        bench.run(3_000)
    bench.write(b"\x00")
    bench.run(10_000)
    answers = len([message for message in bench.messages if message.type & 0x80])
    assert answers == 1
    counted = bench.statistics()
    assert counted["host_frames"] == before + 1
    assert counted["host_bad"] > 10


def test_a_frame_with_any_bit_turned_is_dropped(bench: Bench) -> None:
    wire = wire_of(bytes([1, PING, 200, 0, 7]))
    for bit in range(8 * (len(wire) - 1)):
        turned = bytearray(wire)
        turned[bit // 8] ^= 1 << bit % 8
        bench.write(bytes(turned) + b"\x00")
        bench.run(2_000)
    assert [m for m in bench.messages if m.type & 0x80] == []
    assert bench.ask(PING, b"ok").body[4:] == b"ok"


def test_a_reset_command_is_answered_and_told_after(bench: Bench) -> None:
    bench.listen()
    assert bench.ask(RESET).type == RESET | 0x80
    bench.run(1_200_000)
    boots = bench.of_type(BOOT)
    assert len(boots) == 2
    assert (boots[1].sequence, boots[1].body[13]) == (0, 5)
    assert bench.error(RECEIVE, b"\x01\x00") == NOT_CONFIGURED


def test_a_hung_loop_is_reset_by_the_watchdog(bench: Bench) -> None:
    bench.listen()
    bench.say(cmd="stick_spi")
    bench.run(4_000_000)
    assert bench.of_type(BOOT)[-1].body[13] == 4
    assert bench.ask(PING, b"alive").body[4:] == b"alive"


def test_a_radio_that_lost_its_settings_hears_again_within_two_seconds(bench: Bench) -> None:
    bench.listen()
    hear(bench)
    bench.say(cmd="brown_out")
    bench.run(2_000_000)
    hear(bench)
    assert len(bench.received()) == 2
    assert bench.statistics()["radio_restarts"] == 1


def test_a_transmission_that_never_ends_is_told_as_failed(bench: Bench) -> None:
    bench.listen()
    bench.say(cmd="mute_tx_done", on=True)
    bench.ask(TRANSMIT, transmit(board_time_us(bench) + 50_000))
    bench.run(500_000)
    bench.say(cmd="mute_tx_done", on=False)
    hear(bench)
    assert bench.of_type(TRANSMITTED)[0].body[1] == 2
    assert len(bench.received()) == 1


def test_frames_that_come_too_fast_are_counted(bench: Bench) -> None:
    bench.listen()
    for index in range(50):
        bench.say(
            cmd="inject",
            t_us=bench.now_us + 10_000 + 400 * index,
            airtime_us=100,
            payload=bytes([index] * 200).hex(),
        )
    bench.run(300_000)
    hear(bench)
    frames = bench.received()
    assert len(frames) < 51
    assert len(frames) + frames[-1].dropped == 51
    counted = bench.statistics()
    assert counted["rx_good"] + counted["rx_dropped"] + counted["rx_missed"] == 51


@pytest.mark.parametrize("machine", ["avr", "native"])
def test_two_runs_are_the_same_bit_for_bit(built: Path, machine: str) -> None:
    def run() -> tuple[object, object]:
        with Bench(command(built, machine)) as bench:
            bench.listen()
            for index in range(5):
                hear(bench, payload=f"{index:02x}" * 9)
                bench.ask(TRANSMIT, transmit(bench.received()[-1].time_us + 10**6))
                bench.run(1_200_000)
        return bench.messages, bench.events

    assert run() == run()


def test_the_image_for_115200_baud_speaks_at_that_rate(built: Path) -> None:
    image = ["--image", str(built / "avr/115200.elf")]
    with Bench([str(built / "sim/board"), *image]) as bench:
        bench.listen()
        begun_us = bench.now_us
        hear(bench, payload="55" * 255)
        assert bench.received()[0].payload == b"\x55" * 255
        last = bench.last_byte_us - begun_us - 100_000
        assert 285 * 80 < last < 285 * 95
    assert bench.violations == []


def test_the_stack_stays_within_what_is_kept_for_it(built: Path) -> None:
    with Bench(command(built, "avr")) as bench:
        bench.listen(mode=struct.pack("<BBHBII", 2, 1, 20, 2, 868100000, 868300000))
        for index in range(10):
            bench.say(cmd="inject", payload="00" * 255, airtime_us=100)
            bench.ask(TRANSMIT, transmit(board_time_us(bench) + 60_000, bytes(255)))
            bench.send(STATISTICS)
            bench.run(600_000 + 501 * index)
        free = bench.statistics()["stack_free"]
    symbols = subprocess.run(
        ["avr-nm", built / "avr/500k.elf"], capture_output=True, text=True, check=True
    ).stdout
    end = re.search(r"^(\w+) \w _end$", symbols, re.MULTILINE)
    assert end is not None
    used = 0x800900 - int(end[1], 16) - free
    assert 20 < used <= 240


def test_200_frames_a_second_for_a_minute_are_all_accounted_for(built: Path) -> None:
    total = 200 * 60
    with Bench(command(built, "avr")) as bench:
        bench.listen()
        for index in range(total):
            bench.say(
                cmd="inject",
                t_us=bench.now_us + 5_000,
                airtime_us=1000,
                payload=index.to_bytes(4, "big").hex() + "00" * 16,
            )
            bench.run(5_000)
        bench.run(50_000)
        frames = bench.received()
        counted = bench.statistics()
    assert len(frames) + counted["rx_dropped"] + counted["rx_missed"] == total
    assert [int.from_bytes(frame.payload[:4], "big") for frame in frames] == list(range(total))
    assert bench.violations == []
