r"""Semtech's UDP protocol: concentrators (SX1301, SX1302) behind a packet forwarder.

Source: Semtech/Lora-net `packet_forwarder`, PROTOCOL.TXT, protocol version 2 (and 1)::

    PUSH_DATA  02 t t 00 EUI(8) {"rxpk":[...],"stat":{...}}    ->  PUSH_ACK  02 t t 01
    PULL_DATA  02 t t 02 EUI(8)                                ->  PULL_ACK  02 t t 04
    PULL_RESP  02 t t 03 {"txpk":{...}}        to where PULL_DATA came from
    TX_ACK     02 t t 05 EUI(8) [{"txpk_ack":{"error":"TOO_LATE"}}]

The forwarder speaks first, from an address of its own for each direction; several may share one
socket. Who they are is what they say: on an open network, let a firewall decide who may.
"""

from __future__ import annotations

import base64
import json
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from gateway.codecs.radio.contract import (
    BoardCounters,
    BoardInfo,
    Collected,
    HeardFrame,
    Listening,
    NotCancelled,
    RadioCapabilities,
    RadioSettings,
    Transmit,
    TransmitOutcome,
    Turn,
    refusal,
)
from gateway.codecs.radio.counter import WRAP, Unwrapped
from gateway.codecs.radio.outgoing import NO_SUCH_PACKET
from gateway.codecs.radio.semtech_models import (
    read_base64,
    read_data_rate,
    read_packet,
    write_data_rate,
)
from gateway.errors import BadInput, ConfigError

PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)
VERSIONS = frozenset({1, 2})

LARGEST_DATAGRAM = 65_507
MOST_GATEWAYS = 64
MOST_PACKETS = 64
"""`rxpk` entries taken of one datagram; a forwarder sends at most 8 at once."""

AWAY_S = 90.0
"""Silence after which a forwarder is taken as gone: it asks every 5 to 30 s."""

TX_ACK_S = 3.0
"""How long an answer to PULL_RESP may take; older forwarders send none."""

MOST_TREE = 16
_COUNTS = frozenset({"rxnb", "rxok", "rxfw", "dwnb", "txnb"})


@dataclass(slots=True)
class _Gateway:
    """One forwarder."""

    version: int
    heard_s: float
    downlink: object | None = None
    known: bool = False
    time: Unwrapped = field(default_factory=Unwrapped)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A PULL_RESP that waits for its TX_ACK."""

    request: Transmit
    deadline_s: float
    acknowledges: bool


class SemtechUdp:
    """A dialect of `gateway.types.RadioDialect` for a datagram wire: `feed` takes one datagram."""

    name = "semtech-udp"
    capabilities = RadioCapabilities(
        transmits_at=True, inverts_iq=True, sync_words=frozenset({0x34}), spreading_factors=(5, 12)
    )

    def __init__(self) -> None:
        self._out = Collected()
        self._settings: RadioSettings | None = None
        self._gateways: OrderedDict[str, _Gateway] = OrderedDict()
        self._open: dict[int, _Sent] = {}
        self._token = 0
        self._last_heard: deque[str] = deque(maxlen=1)

    def check(self, settings: RadioSettings) -> None:
        """Take anything but turns: what the concentrator hears is in the forwarder's settings."""
        if settings.turns is not None:
            raise ConfigError(
                "packet forwarder: a concentrator hears all its channels at once; let it take no"
                " turns, and set its channels in the forwarder's own settings."
            )

    def start(self, settings: RadioSettings, now_s: float) -> Turn:  # noqa: ARG002 - the protocol's signature
        """Forget every forwarder; they speak first."""
        self._settings = settings
        self._gateways.clear()
        for token in list(self._open):
            self._end(token, TransmitOutcome.FAILED, "the socket was opened anew")
        return self._out.take()

    def feed(self, data: bytes, now_s: float, peer: object | None = None) -> Turn:
        """Take one datagram from `peer`."""
        try:
            self._datagram(data, now_s, peer)
        except BadInput as error:
            self._out.trouble(error.reason, error.detail)
        return self._out.take()

    def transmit(self, request: Transmit, now_s: float) -> Turn:
        """Send through `request.gateway_id`, or through the forwarder that heard last."""
        why = refusal("a packet forwarder", self.capabilities, request)
        settings = request.settings or self._settings
        eui = request.gateway_id or (self._last_heard[0] if self._last_heard else "")
        gateway = self._gateways.get(eui) if eui else next(iter(self._gateways.values()), None)
        if not why and (gateway is None or gateway.downlink is None):
            why = "that forwarder has not asked for packets to send"
        if not why and len(self._open) >= MOST_GATEWAYS:
            why = "too many packets wait for their TX_ACK"
        if why or gateway is None or settings is None:
            self._out.ended(request, TransmitOutcome.REFUSED, why or "no settings yet")
            return self._out.take()
        self._token = (self._token + 1) % 0x10000
        while self._token in self._open:
            self._token = (self._token + 1) % 0x10000
        body = json.dumps({"txpk": write_txpk(request, settings)}, separators=(",", ":"))
        self._out.write(
            bytes((gateway.version,))
            + self._token.to_bytes(2, "little")
            + bytes((PULL_RESP,))
            + body.encode(),
            gateway.downlink,
        )
        acknowledges = gateway.version > 1
        self._open[self._token] = _Sent(request, now_s + TX_ACK_S, acknowledges)
        return self._out.take()

    def cancel(self, id_: str, now_s: float) -> Turn:  # noqa: ARG002 - the protocol's signature
        """Say that it cannot be done: the protocol has no message to take a packet back."""
        known = any(sent.request.id == id_ for sent in self._open.values())
        why = "a packet forwarder takes no packet back" if known else NO_SUCH_PACKET
        self._out.tell(NotCancelled(id_, why))
        return self._out.take()

    def tick(self, now_s: float) -> Turn:
        """Let forwarders go that are silent, and packets whose TX_ACK did not come."""
        for token in [t for t, sent in self._open.items() if now_s >= sent.deadline_s]:
            if self._open[token].acknowledges:
                self._end(token, TransmitOutcome.FAILED, "the forwarder did not answer")
            else:
                self._end(token, TransmitOutcome.SENT, "version 1 forwarders do not say")
        for eui in [e for e, g in self._gateways.items() if now_s - g.heard_s >= AWAY_S]:
            self._gateways.pop(eui)
            self._out.trouble("forwarder_away", eui)
        return self._out.take()

    # --- what a forwarder says ---------------------------------------------------------------

    def _datagram(self, data: bytes, now_s: float, peer: object | None) -> None:
        if len(data) < 12 or len(data) > LARGEST_DATAGRAM:  # noqa: PLR2004 - head and EUI
            raise BadInput("semtech_bad_length", f"{len(data)} bytes")
        version, kind, token = data[0], data[3], data[1:3]
        if version not in VERSIONS:
            raise BadInput("semtech_bad_version", str(version))
        if kind not in {PUSH_DATA, PULL_DATA, TX_ACK}:
            raise BadInput("semtech_bad_type", str(kind))
        eui = data[4:12].hex()
        gateway = self._gateway(eui, version, now_s)
        if kind == PULL_DATA:
            gateway.downlink = peer
            self._out.write(bytes((version,)) + token + bytes((PULL_ACK,)), peer)
        elif kind == PUSH_DATA:
            self._out.write(bytes((version,)) + token + bytes((PUSH_ACK,)), peer)
            self._push(eui, gateway, _tree(data[12:]), now_s)
        else:
            self._acknowledged(int.from_bytes(token, "little"), data[12:])
        if not gateway.known:
            gateway.known = True
            self._out.tell(BoardInfo(f"packet forwarder {eui}", f"protocol {version}"))
            self._out.tell(Listening())

    def _gateway(self, eui: str, version: int, now_s: float) -> _Gateway:
        gateway = self._gateways.get(eui)
        if gateway is None:
            while len(self._gateways) >= MOST_GATEWAYS:
                self._gateways.popitem(last=False)
            gateway = self._gateways[eui] = _Gateway(version, now_s)
        self._gateways.move_to_end(eui)
        gateway.version, gateway.heard_s = version, now_s
        return gateway

    def _push(self, eui: str, gateway: _Gateway, tree: dict[str, object], now_s: float) -> None:
        packets = tree.get("rxpk", [])
        packets = packets if isinstance(packets, list) else [packets]
        for packet in packets[:MOST_PACKETS]:
            try:
                self._out.tell(self._heard(eui, gateway, packet, now_s))
                self._last_heard.append(eui)
            except BadInput as error:
                self._out.trouble(error.reason, error.detail)
        if len(packets) > MOST_PACKETS:
            self._out.trouble("semtech_too_many_rxpk", len(packets))
        stat = tree.get("stat")
        if isinstance(stat, dict):
            counts = {
                key: value
                for key, value in stat.items()
                if key in _COUNTS and type(value) is int and 0 <= value < 2**63
            }
            self._out.tell(BoardCounters(counts))

    def _heard(self, eui: str, gateway: _Gateway, tree: object, now_s: float) -> HeardFrame:
        packet = read_packet(tree)
        rate = read_data_rate(packet.datr)
        if packet.modu != "LORA" or rate is None:
            raise BadInput("semtech_not_lora", f"{packet.modu} {packet.datr}"[:60])
        payload = read_base64(packet.data)
        if not 0 < len(payload) <= 255:  # noqa: PLR2004 - a LoRa packet
            raise BadInput("semtech_bad_size", f"{len(payload)} bytes")
        if packet.size is not None and packet.size != len(payload):
            raise BadInput("semtech_bad_size", f"{len(payload)} bytes, said {packet.size}")
        rssi_dbm, snr_db = packet.signal()
        return HeardFrame(
            payload=payload,
            rssi_dbm=rssi_dbm,
            snr_db=snr_db,
            frequency_hz=round(packet.freq * 1e6),
            spreading_factor=rate[0],
            bandwidth_hz=rate[1],
            crc_ok=None if packet.stat in {None, 0} else packet.stat == 1,
            frequency_error_hz=packet.foff,
            counter_us=None if packet.tmst is None else gateway.time(packet.tmst, now_s),
            gateway_id=eui,
        )

    def _acknowledged(self, token: int, rest: bytes) -> None:
        if token not in self._open:
            raise BadInput("semtech_unknown_tx_ack", f"token {token}")
        answer = _tree(rest).get("txpk_ack") if rest.strip(b"\x00 \r\n") else None
        error = answer.get("error", "NONE") if isinstance(answer, dict) else "NONE"
        if error in {"NONE", ""}:
            self._end(token, TransmitOutcome.SENT, "taken by the forwarder")
        else:
            self._end(token, TransmitOutcome.REFUSED, f"the forwarder says {error!s:.40}")

    def _end(self, token: int, outcome: TransmitOutcome, detail: str) -> None:
        sent = self._open.pop(token)
        self._out.ended(sent.request, outcome, detail, sent.request.at_us)


def write_txpk(request: Transmit, settings: RadioSettings) -> dict[str, object]:
    """Return the `txpk` of a request."""
    time: dict[str, object] = (
        {"imme": True} if request.at_us is None else {"imme": False, "tmst": request.at_us % WRAP}
    )
    return time | {
        "freq": round(settings.frequency_hz / 1e6, 6),
        "rfch": 0,
        "powe": settings.power_dbm,
        "modu": "LORA",
        "datr": write_data_rate(settings.spreading_factor, settings.bandwidth_hz),
        "codr": f"4/{settings.coding_rate}",
        "ipol": settings.iq_inverted,
        "ncrc": not settings.crc,
        "prea": settings.preamble,
        "size": len(request.payload),
        "data": base64.b64encode(request.payload).decode(),
    }


def _tree(text: bytes) -> dict[str, object]:
    """Read the JSON object at the end of a datagram, which some end with a zero byte."""
    text = text.rstrip(b"\x00 \r\n")
    depth = most = 0
    for byte in text:
        if byte in b"[{":
            depth += 1
            most = max(most, depth)
        elif byte in b"]}":
            depth -= 1
    if most > MOST_TREE:
        raise BadInput("semtech_too_deep")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput("semtech_bad_json", str(error)) from None
    if not isinstance(tree, dict):
        raise BadInput("semtech_bad_json", "not an object")
    return tree
