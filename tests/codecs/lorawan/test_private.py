from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lorawan_devices import key

from gateway.codecs.lorawan import AesKey, PrivateNode, answer_private, take_private
from gateway.codecs.lorawan.private import (
    MAX_COUNTER,
    PrivateFrame,
    Version,
    dev_eui_of,
    open_private,
    peek,
    seal_private,
)
from gateway.errors import BadInput

KEY = key(7)
NODE = PrivateNode(0xCAFE0001, KEY)


def up(counter: int, payload: bytes = b"reading", secret: AesKey | None = KEY) -> bytes:
    version = Version.PLAIN if secret is None else Version.SEALED_UP
    return seal_private(PrivateFrame(version, NODE.node_id, counter, payload), secret)


def refusal(node: PrivateNode, octets: bytes) -> str:
    with pytest.raises(BadInput) as refused:
        take_private(node, octets)
    return refused.value.reason


def test_the_bytes_are_as_they_are_drawn() -> None:
    assert up(5, b"ab", None).hex() == "50cafe0001000000056162"
    sealed = up(0x01020304, b"ab")
    assert sealed[:9].hex() == "51cafe000101020304"
    assert len(sealed) == 9 + 2 + 4
    assert b"ab" not in sealed
    assert peek(sealed) == (Version.SEALED_UP, NODE.node_id)


@given(
    st.sampled_from(Version), st.integers(0, 2**32 - 1), st.integers(0, MAX_COUNTER),
    st.binary(max_size=242),
)  # fmt: skip
def test_a_frame_comes_out_as_it_went_in(
    version: Version, node_id: int, counter: int, payload: bytes
) -> None:
    frame = PrivateFrame(version, node_id, counter, payload)
    assert open_private(seal_private(frame, KEY), KEY) == frame


def test_no_flipped_bit_and_no_cut_of_a_sealed_frame_is_accepted() -> None:
    octets = up(3)
    for bit in range(8 * len(octets)):
        flipped = bytearray(octets)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refusal(NODE, bytes(flipped)) in {"mic_failed", "unknown_version", "not_sealed",
                                                 "unknown_device"}  # fmt: skip
    for end in range(len(octets)):
        assert refusal(NODE, octets[:end]) in {"too_short", "mic_failed"}


@given(st.binary(max_size=300))
def test_noise_is_never_a_frame_of_a_node_with_a_key(octets: bytes) -> None:
    assert refusal(NODE, octets).isidentifier()


@given(st.lists(st.integers(0, 30), max_size=60))
def test_a_sealed_counter_never_goes_back_and_no_frame_is_taken_twice(sent: list[int]) -> None:
    node, taken = NODE, []
    for counter in sent:
        try:
            node = take_private(node, up(counter)).node
        except BadInput as refused:
            assert refused.reason == "replay"  # noqa: PT017 - either outcome is right
        else:
            taken.append(counter)
    assert taken == sorted(set(taken))


def test_a_node_may_restart_once_with_an_operators_word() -> None:
    node = replace(NODE, newest=900)
    assert refusal(node, up(0)) == "replay"
    heard = take_private(replace(node, may_restart=True), up(0))
    assert heard.restarted
    assert not heard.node.may_restart
    assert refusal(heard.node, up(0)) == "replay"
    assert take_private(replace(node, may_restart=True), up(901)).node.may_restart


def test_plain_frames_are_taken_from_a_node_without_a_key_alone() -> None:
    plain = PrivateNode(NODE.node_id)
    heard = take_private(plain, up(8, secret=None))
    assert heard.frame.payload == b"reading"
    assert refusal(heard.node, up(8, secret=None)) == "replay"
    assert take_private(heard.node, up(0, secret=None)).restarted
    assert refusal(NODE, up(9, secret=None)) == "not_sealed"
    assert refusal(plain, up(9)) == "no_key"


def test_frames_of_others_are_refused_with_their_reason() -> None:
    other = seal_private(PrivateFrame(Version.SEALED_UP, 1, 1, b""), KEY)
    assert refusal(NODE, other) == "unknown_device"
    _, down = answer_private(NODE, b"open")
    assert refusal(NODE, down) == "not_an_uplink"
    assert refusal(NODE, b"\x40" + bytes(20)) == "unknown_version"
    assert refusal(NODE, bytes(256)) == "too_long"


def test_an_answer_counts_by_itself_and_ends_with_its_counter() -> None:
    node, octets = answer_private(NODE, b"open")
    assert open_private(octets, KEY) == PrivateFrame(Version.SEALED_DOWN, NODE.node_id, 0, b"open")
    assert answer_private(node, b"open")[1] != octets
    with pytest.raises(BadInput, match="counter_exhausted"):
        answer_private(replace(NODE, next_down=MAX_COUNTER + 1), b"")
    with pytest.raises(BadInput, match="no_key"):
        answer_private(PrivateNode(1), b"")
    with pytest.raises(BadInput, match="too_long"):
        answer_private(NODE, bytes(243))


def test_the_same_payload_never_looks_the_same() -> None:
    bodies = {up(counter)[9:-4] for counter in range(50)}
    assert len(bodies) == 50


def test_a_node_has_a_name_of_its_own_making() -> None:
    assert dev_eui_of(0xCAFE0001) == "02000000cafe0001"
