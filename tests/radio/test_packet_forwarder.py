"""Packet forwarders on real UDP sockets, spoken to as Semtech's PROTOCOL.TXT says."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, free_port
from lorawan_devices import EUI, Device
from radio_farm import ATTEMPTS, Farm, abp

pytestmark = [pytest.mark.network, pytest.mark.mosquitto]

PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)
ANSWER_S = 5.0
UDP = """
[radios.roof]
dialect = "semtech-udp"
listen_port = {port}
"""


class Forwarder:
    """One concentrator's packet forwarder, with a socket for each direction as theirs have."""

    def __init__(self, port: int, eui: bytes) -> None:
        self.eui = eui
        self._token = 0
        self._up, self._down = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ud")
        for one in (self._up, self._down):
            one.connect(("127.0.0.1", port))
            one.settimeout(ANSWER_S)

    def close(self) -> None:
        """Go away."""
        self._up.close()
        self._down.close()

    def push(self, payload: bytes, tmst: int, **facts: object) -> None:
        """Hand on a packet that was heard, and take the answer."""
        packet = {
            "tmst": tmst, "chan": 0, "rfch": 0, "freq": 868.1, "stat": 1, "modu": "LORA",
            "datr": "SF7BW125", "codr": "4/5", "rssi": -71, "lsnr": 8.5, "size": len(payload),
            "data": base64.b64encode(payload).decode(), **facts,
        }  # fmt: skip
        token = self._send(self._up, PUSH_DATA, json.dumps({"rxpk": [packet]}).encode())
        assert self._up.recv(100) == b"\x02" + token + bytes((PUSH_ACK,))

    def pull(self) -> None:
        """Ask for packets to send; until the gateway listens nobody answers."""
        deadline_s = time.monotonic() + 30.0
        while True:
            try:
                token = self._send(self._down, PULL_DATA)
                assert self._down.recv(100) == b"\x02" + token + bytes((PULL_ACK,))
            except (TimeoutError, ConnectionRefusedError):
                assert time.monotonic() < deadline_s, "nobody answers"
                time.sleep(0.05)
            else:
                return

    def packet(self, error: str = "NONE") -> dict[str, Any]:
        """Return the next packet to send, and acknowledge it."""
        datagram = self._down.recv(4096)
        assert (datagram[0], datagram[3]) == (2, PULL_RESP)
        answer = json.dumps({"txpk_ack": {"error": error}}).encode()
        self._down.send(b"\x02" + datagram[1:3] + bytes((TX_ACK,)) + self.eui + answer)
        packet: dict[str, Any] = json.loads(datagram[4:])["txpk"]
        return packet

    def is_asked_nothing(self) -> bool:
        """Tell whether no packet comes within a second."""
        self._down.settimeout(1.0)
        try:
            self._down.recv(4096)
        except TimeoutError:
            return True
        finally:
            self._down.settimeout(ANSWER_S)
        return False

    def _send(self, way: socket.socket, kind: int, body: bytes = b"") -> bytes:
        self._token = (self._token + 1) % 0x10000
        token = self._token.to_bytes(2, "big")
        way.send(b"\x02" + token + bytes((kind,)) + self.eui + body)
        return token


@pytest.fixture
def roof(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[tuple[Farm, Forwarder, Forwarder]]:
    port = free_port()
    with (
        closing(Farm(tmp_path, mosquitto, UDP.format(port=port))) as farm,
        closing(Forwarder(port, bytes.fromhex("aa555a0000000101"))) as first,
        closing(Forwarder(port, bytes.fromhex("aa555a0000000102"))) as second,
    ):
        farm.register(abp(EUI, 1, codec="dragino/lse01"))
        farm.daemon.start()
        first.pull()
        second.pull()
        farm.wait_listening("roof")
        yield farm, first, second


def test_a_packet_forwarder_hears_and_sends_a_second_later(
    roof: tuple[Farm, Forwarder, Forwarder],
) -> None:
    farm, near, far = roof
    device, tmst = Device(), 2**32 - 500_000
    for _ in range(ATTEMPTS):
        identity = farm.command(EUI, hex="010004b0", f_port=2, confirmed=True)
        up = device.uplink(bytes.fromhex("0e10000004d205dc006410"))
        near.push(up, tmst)
        far.push(up, 123_456, lsnr=-3.0)
        packet = near.packet()
        farm.command_is(EUI, identity, "sent")
        near.push(device.uplink(ack=True), (tmst + 5_000_000) % 2**32)
        farm.command_is(EUI, identity, "acked")
        if packet["freq"] == 868.1:
            break
    # The concentrator's counter wraps between the uplink and the answer to it.
    assert packet["tmst"] == (tmst + 1_000_000) % 2**32
    assert (packet["imme"], packet["ipol"], packet["ncrc"]) == (False, True, True)
    assert (packet["datr"], packet["codr"], packet["modu"]) == ("SF7BW125", "4/5", "LORA")
    payload = base64.b64decode(packet["data"])
    assert packet["size"] == len(payload)
    down = device.open(payload, int.from_bytes(payload[6:8], "little"))
    assert down.frm_payload == bytes.fromhex("010004b0")

    assert farm.wait(f"device/{EUI}/state")["soil"]["moisture"] == 12.34
    assert far.is_asked_nothing()
    assert farm.daemon.stored() == device.f_cnt
    counts = farm.health()["network"]["counts"]
    assert counts["copies"] == device.f_cnt // 2


def test_what_a_forwarder_refuses_waits_for_the_second_window(
    roof: tuple[Farm, Forwarder, Forwarder],
) -> None:
    farm, near, _ = roof
    device = Device()
    identity = farm.command(EUI, hex="aa", f_port=2)
    near.push(device.uplink(), 1_000_000)
    near.packet("TOO_LATE")
    second = near.packet()
    assert (second["tmst"], second["freq"], second["datr"]) == (3_000_000, 869.525, "SF12BW125")
    farm.command_is(EUI, identity, "sent")
