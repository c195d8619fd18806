import pytest
from hypothesis import given
from hypothesis import strategies as st
from lorawan_devices import ADDRESS, Device, Joiner, key

from gateway.codecs.lorawan import AppKey, DevAddr, JoinEui, NetId
from gateway.codecs.lorawan.crypto import Direction
from gateway.codecs.lorawan.frames import (
    MAX_F_CNT,
    CFListFrequencies,
    CFListMasks,
    DataFrame,
    JoinAccept,
    JoinRequest,
    MType,
    Proprietary,
    RejoinRequest,
    decode,
    decode_join_accept,
    encode,
    encode_join_accept,
    m_type_of,
)
from gateway.codecs.lorawan.identity import dev_addr, dev_eui, from_wire, join_eui, net_id, to_wire
from gateway.codecs.lorawan.sealing import (
    open_join_accept,
    open_join_request,
    seal,
    seal_join_accept,
    seal_join_request,
    unseal,
)
from gateway.errors import BadInput
from gateway.types import DevEui

MIC = b"\1\2\3\4"


def hex_of(size: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size, max_size=size).map(bytes.hex)


KEYS = Device().keys
FREQUENCIES = st.integers(0, 0xFF_FFFF).map(lambda step: step * 100)
CF_LISTS = st.one_of(
    st.none(),
    st.lists(FREQUENCIES, min_size=5, max_size=5).map(lambda hz: CFListFrequencies(tuple(hz))),
    st.lists(st.integers(0, 0xFFFF), min_size=6, max_size=6).map(lambda m: CFListMasks(tuple(m))),
)
JOIN_REQUESTS = st.builds(
    JoinRequest, hex_of(8).map(JoinEui), hex_of(8).map(DevEui), st.integers(0, 0xFFFF)
)
JOIN_ACCEPTS = st.builds(
    JoinAccept,
    join_nonce=st.integers(0, 0xFF_FFFF),
    net_id=hex_of(3).map(NetId),
    dev_addr=hex_of(4).map(DevAddr),
    rx1_dr_offset=st.integers(0, 7),
    rx2_data_rate=st.integers(0, 15),
    rx_delay_s=st.integers(1, 15),
    cf_list=CF_LISTS,
)


@st.composite
def data_frames(draw: st.DrawFn) -> DataFrame:
    direction = draw(st.sampled_from(Direction))
    f_port = draw(st.none() | st.integers(0, 255))
    return DataFrame(
        direction=direction,
        confirmed=draw(st.booleans()),
        dev_addr=DevAddr(draw(hex_of(4))),
        f_cnt=draw(st.integers(0, 0xFFFF)),
        adr=draw(st.booleans()),
        adr_ack_req=direction is Direction.UP and draw(st.booleans()),
        ack=draw(st.booleans()),
        bit4=draw(st.booleans()),
        f_opts=b"" if f_port == 0 else draw(st.binary(max_size=15)),
        f_port=f_port,
        frm_payload=b"" if f_port is None else draw(st.binary(max_size=222)),
    )


@given(data_frames())
def test_a_data_frame_decodes_to_what_was_encoded(frame: DataFrame) -> None:
    phy = decode(encode(frame) + MIC)
    assert phy.frame == frame
    assert phy.signed + phy.mic == encode(frame) + MIC
    assert phy.signed[0] >> 5 == m_type_of(frame)


@given(data_frames(), st.integers(0, 0xFFFF))
def test_a_sealed_data_frame_unseals_to_what_it_was(frame: DataFrame, turns: int) -> None:
    f_cnt = turns << 16 | frame.f_cnt
    assert unseal(decode(seal(frame, f_cnt, KEYS)), f_cnt, KEYS) == frame


@given(data_frames(), st.integers(0, MAX_F_CNT))
def test_no_counter_but_the_right_one_unseals_a_frame(frame: DataFrame, other: int) -> None:
    phy = decode(seal(frame, frame.f_cnt, KEYS))
    if other != frame.f_cnt:
        with pytest.raises(BadInput, match="mic_failed"):
            unseal(phy, other, KEYS)


@given(JOIN_REQUESTS)
def test_a_join_request_comes_out_as_it_went_in(request_: JoinRequest) -> None:
    sealed = seal_join_request(request_, AppKey(key(3)))
    assert len(sealed) == 23
    assert open_join_request(decode(sealed), AppKey(key(3))) == request_


@given(JOIN_ACCEPTS)
def test_a_join_accept_comes_out_as_it_went_in(accept: JoinAccept) -> None:
    sealed = seal_join_accept(accept, AppKey(key(3)))
    assert len(sealed) == (17 if accept.cf_list is None else 33)
    assert open_join_accept(decode(sealed), AppKey(key(3))) == accept
    assert decode_join_accept(encode_join_accept(accept)[1:]) == accept


@given(st.sampled_from([RejoinRequest, Proprietary]), st.binary(max_size=250))
def test_frames_without_a_form_of_ours_keep_their_bytes(
    kind: type[RejoinRequest | Proprietary], body: bytes
) -> None:
    assert decode(encode(kind(body)) + MIC).frame == kind(body)


SHORT_CF_LIST = CFListFrequencies((867_100_000, 867_300_000))
SEALED = {
    "uplink": Device(f_cnt=70_000).uplink(b"twenty bytes of text", f_opts=b"\x02\x0d"),
    "downlink": seal(DataFrame(Direction.DOWN, True, ADDRESS, 5, ack=True), 5, KEYS),
    "join_request": Joiner().request(77),
    "join_accept": seal_join_accept(
        JoinAccept(1, NetId("000013"), ADDRESS, cf_list=SHORT_CF_LIST), AppKey(key(3))
    ),
}
COUNTERS = {"uplink": 70_000, "downlink": 5}


def opens(name: str, octets: bytes) -> bool:
    try:
        phy = decode(octets)
        match name:
            case "join_request":
                open_join_request(phy, AppKey(key(3)))
            case "join_accept":
                open_join_accept(phy, AppKey(key(3)))
            case _:
                unseal(phy, COUNTERS[name], KEYS)
    except BadInput as refused:
        assert refused.reason.isidentifier()  # noqa: PT017 - either outcome is right
        return False
    return True


@pytest.mark.parametrize("name", SEALED)
def test_no_single_flipped_bit_is_ever_accepted(name: str) -> None:
    octets = SEALED[name]
    assert opens(name, octets)
    for bit in range(8 * len(octets)):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not opens(name, bytes(flipped)), f"bit {bit}"


@pytest.mark.parametrize("name", SEALED)
def test_no_truncated_or_longer_frame_is_accepted(name: str) -> None:
    octets = SEALED[name]
    assert not any(opens(name, octets[:end]) for end in range(len(octets)))
    assert not any(opens(name, octets + bytes(more)) for more in range(1, 20))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_bad_input(octets: bytes) -> None:
    try:
        phy = decode(octets)
    except BadInput as refused:
        assert refused.reason.isidentifier()  # noqa: PT017 - either outcome is right
    else:
        assert phy.signed + phy.mic == octets


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "too_short"),
        ("40f17dbe", "too_short"),
        ("40f17dbe49000200d65d27aa", ""),
        ("40f17dbe490002d65d27aa", "too_short"),
        ("41f17dbe49000200d65d27aa", "unknown_major"),
        ("40f17dbe49010200d65d27aa", "f_opts_truncated"),
        ("40f17dbe490102000200d65d27aa", "f_opts_with_port_0"),
        ("00" * 22, "wrong_length"),
        ("00" * 24, "wrong_length"),
        ("20" + "00" * 17, "wrong_length"),
        ("e0" + "00" * 255, "too_long"),
    ],
)
def test_a_malformed_frame_is_refused_with_its_reason(octets: str, reason: str) -> None:
    if not reason:
        assert decode(bytes.fromhex(octets)).frame
        return
    with pytest.raises(BadInput) as refused:
        decode(bytes.fromhex(octets))
    assert refused.value.reason == reason


def test_bits_reserved_for_later_are_ignored_when_read() -> None:
    plain, odd = (decode(bytes.fromhex(f"{m}f17dbe49400200d65d27aa")) for m in ("60", "7c"))
    assert plain.frame == odd.frame
    assert plain.signed != odd.signed


def test_an_unknown_cf_list_is_refused_and_a_missing_delay_means_one_second() -> None:
    body = bytes(11) + b"\x00"
    assert decode_join_accept(body).rx_delay_s == 1
    with pytest.raises(BadInput, match="unknown_cf_list"):
        decode_join_accept(body + bytes(15) + b"\x02")


@pytest.mark.parametrize(
    "fields",
    [
        {"f_cnt": 65536},
        {"f_cnt": -1},
        {"f_port": 256},
        {"f_port": None, "frm_payload": b"x"},
        {"f_port": 0, "f_opts": b"\x02"},
        {"f_opts": bytes(16)},
        {"direction": Direction.DOWN, "adr_ack_req": True},
    ],
)
def test_a_data_frame_that_cannot_be_is_not_made(fields: dict[str, object]) -> None:
    whole: dict[str, object] = {
        "direction": Direction.UP, "confirmed": False, "dev_addr": ADDRESS, "f_cnt": 1, "f_port": 1,
    }  # fmt: skip
    with pytest.raises(BadInput):
        DataFrame(**{**whole, **fields})  # type: ignore[arg-type]


def test_a_counter_that_is_not_the_frames_own_seals_nothing() -> None:
    frame = DataFrame(Direction.UP, confirmed=False, dev_addr=ADDRESS, f_cnt=1)
    with pytest.raises(BadInput, match="out_of_range"):
        seal(frame, 2, KEYS)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (dev_eui, "70-B3-D5-7E-D0-00-00-01", "70b3d57ed0000001"),
        (join_eui, "70:b3:d5:7e:d0:00:00:01", "70b3d57ed0000001"),
        (dev_addr, "26 01 1B DA", "26011bda"),
        (net_id, "000013", "000013"),
    ],
)
def test_identifiers_are_read_as_people_write_them(read: object, text: str, value: str) -> None:
    assert callable(read)
    assert read(text) == value
    assert from_wire(to_wire(value)) == value
    assert to_wire(value)[0] == int(value[-2:], 16)
    with pytest.raises(BadInput):
        read(text + "0")
    with pytest.raises(BadInput):
        read(text[:-1] + "g")


def test_every_message_type_is_one_of_eight() -> None:
    assert [m_type.value for m_type in MType] == list(range(8))
