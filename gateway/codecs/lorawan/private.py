"""Private LoRa: frames of home-made nodes that do not speak LoRaWAN.

Every frame begins alike; numbers are most significant byte first::

    byte  0          1..4        5..8        9 ..            last 4
         +----------+-----------+-----------+---------------+-------+
         | version  | node id   | counter   | payload       | MIC   |
         +----------+-----------+-----------+---------------+-------+

    version  0x50  plain, up: no MIC at the end, the payload goes on to the last byte
             0x51  sealed, up     (node to gateway)
             0x52  sealed, down   (gateway to node)
    node id  32 bits, the owner's choice
    counter  32 bits, goes up by at least 1 with every frame of a direction, never back

A sealed frame is encrypted, then authenticated, with two keys made of the device's one key K::

    KE = AES128(K, "lora private enc")      KM = AES128(K, "lora private mac")
    payload on air = payload XOR AES-CTR(KE, first block = bytes 0..8 of the frame, then 7 zeros)
    MIC = first 4 bytes of AES-CMAC(KM, all bytes before the MIC)

The first block differs by direction, node and counter, and its last seven bytes count the blocks,
so no key stream is used twice as long as no counter is. Plain frames prove nothing: anybody can
send them, and a counter that goes back only means that the node restarted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from gateway.codecs.lorawan.aes import BLOCK_BYTES, cmac, crypt_stream, encrypt_blocks
from gateway.codecs.lorawan.crypto import MIC_BYTES, same
from gateway.codecs.lorawan.frames import MAX_PHY_BYTES
from gateway.codecs.lorawan.identity import AesKey
from gateway.errors import BadInput
from gateway.types import DevEui

HEADER_BYTES = 9
MAX_COUNTER = 0xFFFF_FFFF
_MAX_NODE_ID = 0xFFFF_FFFF


class Version(IntEnum):
    """The first byte."""

    PLAIN = 0x50
    SEALED_UP = 0x51
    SEALED_DOWN = 0x52


@dataclass(frozen=True, slots=True)
class PrivateFrame:
    """A frame with its payload in plain. Validated: `out_of_range`, `too_long`."""

    version: Version
    node_id: int
    counter: int
    payload: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.node_id <= _MAX_NODE_ID or not 0 <= self.counter <= MAX_COUNTER:
            raise BadInput("out_of_range", f"node {self.node_id}, counter {self.counter}")
        mic = 0 if self.version is Version.PLAIN else MIC_BYTES
        if HEADER_BYTES + len(self.payload) + mic > MAX_PHY_BYTES:
            raise BadInput("too_long", f"{len(self.payload)} bytes of payload")

    @property
    def header(self) -> bytes:
        """Return bytes 0 to 8."""
        numbers = self.node_id.to_bytes(4, "big") + self.counter.to_bytes(4, "big")
        return bytes((self.version,)) + numbers


@dataclass(frozen=True, slots=True)
class PrivateNode:
    """What is known of a node. `key` None: it sends plain frames, and only those are taken.

    `newest` is the newest accepted counter, None before the first; `next_down` the next to use.
    `may_restart` is an operator's word: one sealed frame may start the counter again.
    """

    node_id: int
    key: AesKey | None = None
    newest: int | None = None
    next_down: int = 0
    may_restart: bool = False


@dataclass(frozen=True, slots=True)
class HeardPrivate:
    """An accepted frame. **Store `node` first**, then use the payload."""

    node: PrivateNode
    frame: PrivateFrame
    restarted: bool


def dev_eui_of(node_id: int) -> DevEui:
    """Return the name a node goes by: a locally administered EUI-64 with its id at the end."""
    return DevEui(f"02000000{node_id:08x}")


def peek(octets: bytes) -> tuple[Version, int]:
    """Return version and node id, to find the node by: nothing is proven yet.

    Raises
    ------
    BadInput
        `too_short`, `too_long`, or `unknown_version`.

    """
    if len(octets) > MAX_PHY_BYTES:
        raise BadInput("too_long", f"{len(octets)} bytes")
    if len(octets) < HEADER_BYTES:
        raise BadInput("too_short", f"{len(octets)} bytes")
    try:
        version = Version(octets[0])
    except ValueError:
        raise BadInput("unknown_version", f"{octets[0]:#04x}") from None
    if version is not Version.PLAIN and len(octets) < HEADER_BYTES + MIC_BYTES:
        raise BadInput("too_short", f"{len(octets)} bytes with a MIC")
    return version, int.from_bytes(octets[1:5], "big")


def seal_private(frame: PrivateFrame, key: AesKey | None) -> bytes:
    """Return the frame as it goes on air.

    Raises
    ------
    BadInput
        `no_key` for a sealed frame.

    """
    if frame.version is Version.PLAIN:
        return frame.header + frame.payload
    if key is None:
        raise BadInput("no_key", f"node {frame.node_id:08x}")
    signed = frame.header + _crypted(key, frame.header, frame.payload)
    return signed + _mic(key, signed)


def open_private(octets: bytes, key: AesKey | None) -> PrivateFrame:
    """Return a frame in plain, its MIC checked where it is sealed.

    Raises
    ------
    BadInput
        Those of `peek`, `no_key`, or `mic_failed`.

    """
    version, node_id = peek(octets)
    counter = int.from_bytes(octets[5:9], "big")
    if version is Version.PLAIN:
        return PrivateFrame(version, node_id, counter, bytes(octets[HEADER_BYTES:]))
    if key is None:
        raise BadInput("no_key", f"node {node_id:08x}")
    signed, mic = bytes(octets[:-MIC_BYTES]), bytes(octets[-MIC_BYTES:])
    if not same(_mic(key, signed), mic):
        raise BadInput("mic_failed", f"node {node_id:08x}")
    payload = _crypted(key, signed[:HEADER_BYTES], signed[HEADER_BYTES:])
    return PrivateFrame(version, node_id, counter, payload)


def take_private(node: PrivateNode, octets: bytes) -> HeardPrivate:
    """Take an uplink of this node.

    A sealed counter must rise, by any step. A plain one that goes back is a restart; the same one
    again is a repetition.

    Raises
    ------
    BadInput
        Those of `open_private`, `unknown_device` (of another node), `not_an_uplink`, `not_sealed`
        (plain from a node with a key), or `replay`.

    """
    frame = open_private(octets, node.key)
    if frame.node_id != node.node_id:
        raise BadInput("unknown_device", f"node {frame.node_id:08x}")
    if frame.version is Version.SEALED_DOWN:
        raise BadInput("not_an_uplink", f"node {frame.node_id:08x}")
    plain = frame.version is Version.PLAIN
    if plain and node.key is not None:
        raise BadInput("not_sealed", f"node {frame.node_id:08x}")
    back = node.newest is not None and frame.counter <= node.newest
    repeated = frame.counter == node.newest
    if back and (repeated if plain else not node.may_restart):
        raise BadInput("replay", f"counter {frame.counter}, newest {node.newest}")
    still = node.may_restart and (plain or not back)
    return HeardPrivate(replace(node, newest=frame.counter, may_restart=still), frame, back)


def answer_private(node: PrivateNode, payload: bytes) -> tuple[PrivateNode, bytes]:
    """Return the node to store first, and the sealed downlink to send then.

    Raises
    ------
    BadInput
        `no_key`, `too_long`, or `counter_exhausted`.

    """
    if node.next_down > MAX_COUNTER:
        raise BadInput("counter_exhausted", f"node {node.node_id:08x} must get a new key")
    frame = PrivateFrame(Version.SEALED_DOWN, node.node_id, node.next_down, payload)
    octets = seal_private(frame, node.key)
    return replace(node, next_down=node.next_down + 1), octets


def _crypted(key: AesKey, header: bytes, payload: bytes) -> bytes:
    made = AesKey(encrypt_blocks(key, b"lora private enc"))
    block = header.ljust(BLOCK_BYTES, b"\0")
    return crypt_stream(made, block, payload)


def _mic(key: AesKey, signed: bytes) -> bytes:
    made = AesKey(encrypt_blocks(key, b"lora private mac"))
    return cmac(made, signed)[:MIC_BYTES]
