"""Fuzz what strangers' bytes reach in LoRaWAN and private LoRa (atheris; not collected by pytest).

    python tests/fuzz/fuzz_lorawan.py -max_total_time=300 CORPUS

Run from the repository's root with `atheris` installed. The first byte chooses the target. Anything
but a value or `BadInput` is a finding, and so is a frame that was accepted twice.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

with atheris.instrument_imports(include=["gateway.codecs.lorawan"]):
    from lorawan_devices import (
        ADDRESS,
        EUI,
        NOW_S,
        Device,
        Joiner,
        hearing,
        key,
        session_of,
    )

    from gateway.codecs.lorawan import (
        Activation,
        AppKey,
        JoinDevice,
        NetId,
        PrivateNode,
        answer,
        from_record,
        take_join_request,
        take_private,
        take_uplink,
        to_record,
        windows,
    )
    from gateway.codecs.lorawan.crypto import Direction, data_mic, join_mic
    from gateway.codecs.lorawan.frames import (
        DataFrame,
        JoinRequest,
        Proprietary,
        RejoinRequest,
        decode,
        decode_join_accept,
        encode,
        encode_join_accept,
    )
    from gateway.codecs.lorawan.identity import to_wire
    from gateway.codecs.lorawan.mac_commands import build, parse
    from gateway.codecs.lorawan.private import PrivateFrame, Version, open_private, seal_private
    from gateway.errors import BadInput

DEVICE = JoinDevice(EUI, AppKey(key(3)), "EU868")


def fuzz_frame(octets: bytes) -> None:
    """Decode, and encode again: the same but for reserved bits."""
    phy = decode(octets)
    if isinstance(phy.frame, JoinRequest | DataFrame | RejoinRequest | Proprietary):
        again = decode(encode(phy.frame) + phy.mic)
        if again.frame != phy.frame:
            raise AssertionError("a frame changed when it was encoded")


def fuzz_join_accept(octets: bytes) -> None:
    """Decode a plain body, and encode it again."""
    accept = decode_join_accept(octets)
    if decode_join_accept(encode_join_accept(accept)[1:]) != accept:
        raise AssertionError("a join-accept changed when it was encoded")


def fuzz_mac(octets: bytes) -> None:
    """Parse MAC commands in both directions; what was read must be as long as it was."""
    for direction in Direction:
        commands, rest = parse(octets, direction)
        if len(build(commands)) + len(rest) != len(octets):
            raise AssertionError("MAC commands changed their length")


def fuzz_session(octets: bytes) -> None:
    """Take a frame with a right MIC over any body, answer it, store the session, take it again."""
    address = to_wire(ADDRESS)
    signed = octets[:1] + address + octets[1:247]
    on_air = int.from_bytes(signed[6:8], "little")
    session = session_of(activation=Activation.OTAA)
    mic = data_mic(session.keys.nwk_s_key, Direction.UP, address, on_air, signed)
    heard = take_uplink({ADDRESS: [session]}, signed + mic, NOW_S, hearing())
    stored = from_record(to_record(heard.session), session.keys)
    if stored != heard.session:
        raise AssertionError("a session changed when it was stored")
    sent = answer(stored, windows(stored, hearing())[0], NOW_S)
    Device().open(sent.phy_payload, sent.f_cnt)
    if not take_uplink({ADDRESS: [stored]}, signed + mic, NOW_S, hearing()).is_retransmission:
        raise AssertionError("a frame was accepted twice")


def fuzz_raw_uplink(octets: bytes) -> None:
    """Take bytes that nobody signed: they must never be accepted."""
    phy = octets[:1] + to_wire(ADDRESS) + octets[1:]
    take_uplink({ADDRESS: [session_of()]}, phy, NOW_S, hearing())
    raise AssertionError("an unsigned frame was accepted")


def fuzz_join(octets: bytes) -> None:
    """Take a join-request with a right MIC over any body, and read our own join-accept."""
    phy = octets + join_mic(DEVICE.app_key, octets)
    joined = take_join_request({EUI: DEVICE}, phy, NOW_S, hearing(), net_id=NetId("000013"))
    Joiner().accept(joined.phy_payload, int.from_bytes(octets[17:19], "little"))
    try:
        take_join_request({EUI: joined.device}, phy, NOW_S, hearing(), net_id=NetId("000013"))
    except BadInput:
        return
    raise AssertionError("a join-request was accepted twice")


def fuzz_private(octets: bytes) -> None:
    """Take any bytes as a private frame, and any payload through sealing and opening."""
    payload = octets[:200]
    frame = PrivateFrame(Version.SEALED_UP, 7, 9, payload)
    if open_private(seal_private(frame, key(5)), key(5)) != frame:
        raise AssertionError("a private frame changed when it was sealed")
    node = PrivateNode(int.from_bytes(octets[1:5], "big"))
    heard = take_private(node, octets)
    if take_private(replace(heard.node, newest=None), octets).frame != heard.frame:
        raise AssertionError("a private frame was read in two ways")


TARGETS = (
    fuzz_frame,
    fuzz_join_accept,
    fuzz_mac,
    fuzz_session,
    fuzz_raw_uplink,
    fuzz_join,
    fuzz_private,
)


def one_input(octets: bytes) -> None:
    """Run the target that the first byte chooses; only `BadInput` is allowed."""
    if not octets:
        return
    try:
        TARGETS[octets[0] % len(TARGETS)](octets[1:])
    except BadInput as refused:
        if not refused.reason.isidentifier():
            raise


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
