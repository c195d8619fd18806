"""What the transcripts do not show: lengths, odd spellings, bounds, refusals."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.codecs.radio import (
    DIALECTS,
    Board,
    Rak811,
    Reyax,
    Rn2483,
    RNode,
    SemtechUdp,
    read_heard,
    write_heard,
)
from gateway.codecs.radio.contract import (
    HeardFrame,
    Hop,
    RadioDialect,
    RadioSettings,
    RadioTrouble,
    Scan,
    Transmit,
    TransmitOutcome,
    Transmitted,
    airtime_bound_s,
)
from gateway.codecs.radio.conversation import Ask, Conversation, Lines
from gateway.codecs.radio.counter import Unwrapped
from gateway.codecs.radio.rak811 import Event, Received, read_recv
from gateway.codecs.radio.reyax import Packet, ReyaxStream, preamble_of
from gateway.codecs.radio.semtech_models import read_base64, read_data_rate
from gateway.codecs.radio.turns import cost_of, heard_share, preamble_for_all
from gateway.errors import BadInput, ConfigError

LORAWAN = RadioSettings(868_100_000)
PRIVATE = RadioSettings(868_100_000, sync_word=0x12)
HZ = 868_100_000
HOP = Hop((HZ, 868_300_000))
SCAN = Scan((7, 8))


def heard(dialect: RadioDialect, data: bytes, now_s: float = 1.0) -> list[HeardFrame]:
    turn = dialect.feed(data, now_s, ("192.0.2.1", 1))
    return [event for event in turn.events if isinstance(event, HeardFrame)]


# --- Reyax -----------------------------------------------------------------------------------


@given(st.binary(max_size=240), st.integers(1, 9))
def test_reyax_data_is_cut_by_its_length_whatever_is_in_it(data: bytes, cut: int) -> None:
    wire = b"+RCV=7,%d,%b,-99,40\r\n+OK\r\n" % (len(data), data)
    stream, found = ReyaxStream(), []
    for at in range(0, len(wire), cut):
        found += stream.feed(wire[at : at + cut])
    assert found == [Packet(7, data, -99.0, 40.0), b"+OK"]


def test_a_truncated_reyax_packet_does_not_swallow_the_next() -> None:
    whole = b"+RCV=50,5,HELLO,-99,40\r\n"
    for length in range(len(whole) - 2):
        stream = ReyaxStream()
        found = stream.feed(whole[:length] + whole + whole)
        found += stream.give_up()
        packets = [item for item in found if isinstance(item, Packet)]
        assert packets[-1] == Packet(50, b"HELLO", -99.0, 40.0), length
        assert len(packets) == 2, length


def test_a_reyax_packet_that_never_ends_is_given_up_after_a_second() -> None:
    reyax = Reyax()
    assert heard(reyax, b"+RCV=50,240,HELLO", 1.0) == []
    assert reyax.tick(1.5).events == ()
    assert [event for event in reyax.tick(2.5).events if isinstance(event, RadioTrouble)]
    assert [frame.payload for frame in heard(reyax, b"+RCV=1,1,x,-9,9\r\n", 3.0)] == [b"x"]


def test_reyax_memory_is_bounded() -> None:
    stream = ReyaxStream()
    for piece in (b"x" * 10_000, b"+RCV=" * 5000, b"+RCV=1,240," * 999, b"+RCV=1,999,"):
        stream.feed(piece)
        assert len(stream._held) <= 2 * ReyaxStream.LONGEST


def test_the_preamble_is_one_the_board_takes() -> None:
    assert preamble_of("RYLR89C", None, 8) == 7
    assert preamble_of("RYLR998", 18, 8) == 8
    assert preamble_of("RYLR998", 5, 8) == 12


# --- RAK811 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"at+recv=-63,7,5:48656C6C6F", Received(-63, 7, b"Hello")),
        (b"at+recv=2,-63,7,5:48656c6c6f", Received(-63, 7, b"Hello")),
        (b"at+recv=0,2,-63,7,5,48656C6C6F", Received(-63, 7, b"Hello")),
        (b"at+recv=2,-63,7,0", Received(-63, 7, b"")),
        (b"at+recv=-63,-7,0", Received(-63, -7, b"")),
        (b"\xffat+recv=-63,7,0:", Received(-63, 7, b"")),
        (b"at+recv=9,0,0", Event(9)),
        (b"at+recv=3,0,0", Event(3)),
    ],
)
def test_every_firmwares_form_is_read(line: bytes, expected: Received | Event) -> None:
    assert read_recv(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"at+recv=",
        b"at+recv=-63,7,5:4865",
        b"at+recv=-63,7,2:486",
        b"at+recv=-63,7,1:zz",
        b"at+recv=-63,7",
        b"at+recv=1,2,3,4,5,6,7,8",
        b"at+recv=-63,7,3",
    ],
)
def test_other_forms_are_refused(line: bytes) -> None:
    with pytest.raises(BadInput, match="rak811_bad_line"):
        read_recv(line)


# --- Semtech UDP -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["AQID/w==", "AQID/w", "AQID_w", "AQID_w==", " AQID/w= \n"])
def test_base64_is_read_in_all_its_spellings(text: str) -> None:
    assert read_base64(text) == b"\x01\x02\x03\xff"


@given(st.text(max_size=40))
def test_any_text_is_base64_or_refused(text: str) -> None:
    with contextlib.suppress(BadInput):
        assert isinstance(read_base64(text), bytes)


def test_data_rates_are_text_or_numbers() -> None:
    assert read_data_rate("SF7BW125") == (7, 125_000)
    assert read_data_rate(" sf12bw500 ") == (12, 500_000)
    assert read_data_rate(50_000) is None
    assert read_data_rate("50000") is None
    assert read_data_rate("SF99BW125") is None


def push(tree: object, eui: str = "0102030405060708") -> bytes:
    text = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return b"\x02\x00\x01\x00" + bytes.fromhex(eui) + text


GOOD = {"freq": 868.1, "datr": "SF7BW125", "rssi": -35, "lsnr": 5, "data": "AQ=="}


@pytest.mark.parametrize(
    "change",
    [
        {"freq": None},
        {"freq": float("nan")},
        {"freq": -1},
        {"datr": None},
        {"datr": "SF7"},
        {"data": "*"},
        {"data": ""},
        {"data": "A" * 2000},
        {"size": 9},
        {"rssi": 1e9},
        {"tmst": 2**40},
        {"stat": 7},
        {"modu": "QAM"},
    ],
    ids=repr,
)
def test_one_bad_packet_costs_no_other(change: dict[str, object]) -> None:
    assert len(heard(SemtechUdp(), push({"rxpk": [GOOD | change, GOOD]}))) == 1


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"7", b"null", b'{"rxpk":7}', b'{"rxpk":{}}', b"[" * 100_00, b"{\xff}", b'{"a":'],
    ids=lambda text: repr(text[:10]),
)
def test_a_body_that_makes_no_sense_is_counted(text: bytes) -> None:
    turn = SemtechUdp().feed(push(text), 1.0, "peer")
    assert any(isinstance(event, RadioTrouble) for event in turn.events)


def test_the_best_of_several_antennas_is_told() -> None:
    packet = {key: value for key, value in GOOD.items() if key not in {"rssi", "lsnr"}}
    packet["rsig"] = [{"ant": 0, "rssic": -100, "lsnr": 1}, {"ant": 1, "rssic": -90, "lsnr": 8}]
    (frame,) = heard(SemtechUdp(), push({"rxpk": [packet]}))
    assert (frame.rssi_dbm, frame.snr_db) == (-90, 8)


def test_answers_go_to_who_asked_and_downlinks_to_who_pulled() -> None:
    forwarder = SemtechUdp()
    forwarder.start(LORAWAN, 0.0)
    (ack,) = forwarder.feed(push({"rxpk": [GOOD]}), 1.0, "up").writes
    assert (ack.data, ack.peer) == (b"\x02\x00\x01\x01", "up")
    request = Transmit("a", b"x", gateway_id="0102030405060708")
    (refused,) = forwarder.transmit(request, 1.0).events
    assert isinstance(refused, Transmitted)
    assert refused.outcome is TransmitOutcome.REFUSED
    forwarder.feed(b"\x02\x00\x09\x02" + bytes.fromhex("0102030405060708"), 1.0, "down")
    (write,) = forwarder.transmit(request, 1.0).writes
    assert write.peer == "down"


def test_forwarders_beyond_the_bound_replace_the_oldest() -> None:
    forwarder = SemtechUdp()
    for number in range(1000):
        forwarder.feed(push({"rxpk": [GOOD]}, f"{number:016x}"), 1.0, number)
    assert len(forwarder._gateways) == 64


@pytest.mark.parametrize(
    ("dialect", "line"),
    [
        (Reyax(), b"+RCV=7,1,x,999,-999\r\n"),
        (Rak811(), b"at+recv=999999,-99999,1:78\r\n"),
    ],
)
def test_a_signal_that_cannot_be_costs_itself_and_not_the_packet(
    dialect: RadioDialect, line: bytes
) -> None:
    dialect.start(replace(PRIVATE, sync_word=0x34), 0.0)
    (frame,) = heard(dialect, line)
    assert (frame.payload, frame.rssi_dbm, frame.snr_db) == (b"x", None, None)
    assert read_heard(write_heard(frame)) == frame


# --- shared ----------------------------------------------------------------------------------


def test_lines_are_cut_at_any_ending_and_bounded() -> None:
    lines = Lines(longest=10)
    assert list(lines.feed(b"a\r\nb\rc\n\r\n\nd")) == [b"a", b"b", b"c"]
    assert list(lines.feed(b"e\n" + b"x" * 1000)) == [b"de"]
    assert len(lines._held) == 0
    assert list(lines.feed(b"more\nf\n")) == [b"f"]
    assert lines.passed_over == 1


def test_commands_wait_for_the_one_in_flight_and_are_repeated() -> None:
    talk = Conversation()
    talk.ask(Ask(b"one", "1", timeout_s=1.0, tries=2), Ask(b"two", "2"))
    assert talk.next(0.0) == b"one"
    assert talk.next(0.0) is None
    assert talk.again(0.5) is None
    assert talk.again(1.0) == b"one"
    assert talk.again(2.0) is None
    spent = talk.spent(2.0)
    assert spent is not None
    assert spent.what == "1"
    assert talk.next(2.0) == b"two"


@given(st.lists(st.floats(0.001, 2000), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_a_counter_is_unwrapped_over_any_silence(gaps_s: list[float], start: int) -> None:
    unwrapped, true_us, now_s = Unwrapped(), start, 0.0
    assert unwrapped(start, now_s) == start
    for gap_s in [*gaps_s, 20_000.0]:
        true_us += int(gap_s * 1e6)
        now_s += gap_s
        assert unwrapped(true_us % 2**32, now_s) == true_us


def test_a_late_frame_is_not_taken_for_a_wrap() -> None:
    unwrapped = Unwrapped()
    assert unwrapped(1_000_000, 1.0) == 1_000_000
    assert unwrapped(999_000, 1.0) == 999_000
    assert unwrapped(1_001_000, 1.001) == 1_001_000


def test_moments_on_a_clock_that_began_anew_are_told_from_those_before() -> None:
    unwrapped = Unwrapped()
    before_us = unwrapped(4_000_000_000, 1.0)
    unwrapped.reset()
    after_us = unwrapped(1_000_000, 2.0)
    assert after_us % 2**32 == 1_000_000
    assert unwrapped.is_of_before(before_us + 6_000_000)
    assert not unwrapped.is_of_before(after_us)
    assert unwrapped(2_000_000, 3.0) - after_us == 1_000_000


frames = st.builds(
    HeardFrame,
    payload=st.binary(max_size=255),
    rssi_dbm=st.none() | st.floats(-200, 50),
    snr_db=st.none() | st.floats(-40, 40),
    frequency_hz=st.none() | st.integers(0, 3 * 10**9),
    spreading_factor=st.none() | st.integers(5, 12),
    bandwidth_hz=st.none() | st.integers(7800, 500_000),
    crc_ok=st.none() | st.booleans(),
    frequency_error_hz=st.none() | st.integers(-(10**6), 10**6),
    counter_us=st.none() | st.integers(0, 2**60),
    dropped=st.none() | st.integers(0, 65535),
    gateway_id=st.none() | st.text(max_size=16),
    sender=st.none() | st.integers(0, 65535),
)


@given(frames)
def test_a_heard_frame_is_written_and_read_back(frame: HeardFrame) -> None:
    assert read_heard(write_heard(frame)) == frame


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"payload":"0"}',
        b'{"payload":"0g"}',
        b'{"payload":"00\\n"}',
        b'{"payload":"","rssi_dbm":"x"}',
        b'{"payload":"","rssi_dbm":1e400}',
        b'{"payload":"","more":1}',
        b'{"payload":"' + b"00" * 256 + b'"}',
    ],
)
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput, match="radio_bad_frame"):
        read_heard(body)


@pytest.mark.parametrize(
    ("dialect", "settings", "words"),
    [
        (RNode(), LORAWAN, "sync word 0x34 cannot be set; it has 0x12"),
        (RNode(), RadioSettings(868_100_000, sync_word=0x12, iq_inverted=True), "invert IQ"),
        (Rn2483(), RadioSettings(868_100_000, bandwidth_hz=62_500), "125000, 250000, 500000"),
        (Board(), RadioSettings(2_400_000_000), "137 to 1020 MHz"),
        (Board(), RadioSettings(868_100_000, spreading_factor=6), "it has 7 to 12"),
        (Rn2483(), replace(LORAWAN, turns=HOP), "cannot hop over frequencies"),
        (Rak811(), replace(LORAWAN, turns=HOP), "on 868100000 Hz alone"),
        (RNode(), replace(PRIVATE, turns=SCAN), "cannot scan"),
        (Reyax(), replace(PRIVATE, turns=SCAN), "to SF7 alone"),
        (SemtechUdp(), replace(LORAWAN, turns=HOP), "all its channels at once"),
        (Board(), replace(LORAWAN, turns=Hop(tuple(HZ + n for n in range(9)))), "at most 8"),
        (Board(), replace(LORAWAN, turns=Hop(HOP.frequencies_hz, 9)), "it has 10 to 60000"),
        (Board(), replace(LORAWAN, turns=Hop((HZ, 2_400_000_000))), "137 to 1020 MHz"),
        (Board(), RadioSettings(868_500_000, turns=HOP), "868500000 Hz is not among"),
        (Board(), replace(LORAWAN, turns=Scan((6, 7))), "it has 7 to 12"),
        (Board(), replace(LORAWAN, turns=Scan((8, 9))), "SF7 is not among"),
    ],
)
def test_what_a_board_cannot_do_is_said_before_it_is_tried(
    dialect: RadioDialect, settings: RadioSettings, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        dialect.check(settings)


@pytest.mark.parametrize("device", sorted(DIALECTS))
def test_a_transmission_always_ends_exactly_once(device: str) -> None:
    dialect = DIALECTS[device]()
    dialect.start(PRIVATE, 0.0)
    ends = []
    for number in range(200):
        turn = dialect.transmit(Transmit(str(number), b"x" * (1 + number)), 0.0)
        ends += [event.id for event in turn.events if isinstance(event, Transmitted)]
    for now_s in range(1, 300):
        turn = dialect.tick(float(now_s))
        ends += [event.id for event in turn.events if isinstance(event, Transmitted)]
    assert sorted(ends, key=int) == [str(number) for number in range(200)]


@pytest.mark.parametrize("device", sorted(DIALECTS))
def test_nothing_and_too_much_are_refused(device: str) -> None:
    dialect = DIALECTS[device]()
    for payload in (b"", b"x" * 256):
        (end,) = dialect.transmit(Transmit("a", payload), 0.0).events
        assert isinstance(end, Transmitted)
        assert end.outcome is TransmitOutcome.REFUSED


def test_the_airtime_bound_is_above_the_datasheets_figure() -> None:
    # SX1276 datasheet formula: 51 bytes at SF12, 125 kHz, 4/5, CRC: 2.466 s with optimisation.
    assert 2.4658 < airtime_bound_s(RadioSettings(868_100_000, spreading_factor=12), 51) < 6


def test_settings_outside_lora_are_no_settings() -> None:
    with pytest.raises(ValueError, match="spreading_factor = 13"):
        RadioSettings(868_100_000, spreading_factor=13)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Hop((HZ,)), "two or more"),
        (lambda: Hop((HZ, HZ)), "all different"),
        (lambda: Hop((HZ, 1)), "1 is not within"),
        (lambda: Hop((HZ, HZ + 1), 0), "dwell_ms = 0"),
        (lambda: Scan((7,)), "two or more"),
        (lambda: Scan((7, 13)), "13 is not within"),
    ],
)
def test_turns_that_are_none_are_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_what_taking_turns_misses_is_said_in_figures() -> None:
    assert cost_of(LORAWAN) == ""
    assert heard_share(LORAWAN, 7) == 1
    assert cost_of(replace(LORAWAN, turns=HOP)) == (
        "hopping over 2 frequencies hears about 1 packet in 2"
    )
    assert cost_of(replace(LORAWAN, turns=SCAN)) == (
        "scanning finds about 13% of SF7, 25% of SF8 with preambles of 8 symbols;"
        " 15 symbols find all"
    )


@given(st.sets(st.integers(7, 12), min_size=2), st.sampled_from([125_000, 250_000, 500_000]))
def test_the_preamble_said_to_be_enough_is_and_no_shorter_one(
    factors: set[int], bandwidth_hz: int
) -> None:
    scan = Scan(tuple(factors))
    wide = replace(LORAWAN, bandwidth_hz=bandwidth_hz, turns=scan)
    enough = replace(wide, preamble=preamble_for_all(wide, scan))
    assert all(heard_share(enough, factor) == 1 for factor in factors)
    assert cost_of(enough) == ""
    assert heard_share(replace(enough, preamble=enough.preamble - 1), min(factors)) < 1
