"""A valve and a pump that always listen, on the gateway's own board: what opens also closes.

The real daemon, the real AVR image in its simulator, and devices that read every frame with their
own keys; commands come over MQTT as an operator's do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from board_on_air import Event, OnAir, Sent
from radio_farm import BASE, SOON_S, Farm, Node, Settle, abp, assert_like_lorawan, node_of

from gateway.codecs.lorawan import DevAddr, DeviceClass
from gateway.types import DevEui

pytestmark = [
    pytest.mark.firmware,
    pytest.mark.network,
    pytest.mark.mosquitto,
    pytest.mark.slow,
]

RX2_HZ, RX2_SF = 869_525_000, 12
VALVE, PUMP = DevEui("70b3d57ed0000011"), DevEui("70b3d57ed0000012")
OPEN, CLOSE, START, STOP = b"\x01\x11", b"\x00\x11", b"\x01\x22", b"\x00\x22"
COMMANDS = f"""
[lorawan]
class_c_wait_s = 1.0

[devices.{VALVE}.commands.open]
f_port = 10
effect = "open"
hex = "0111"
close_with = "close"
confirmed = true
max_s = 600

[devices.{VALVE}.commands.close]
f_port = 10
effect = "close"
hex = "0011"

[devices.{PUMP}.commands.start]
f_port = 11
effect = "start"
hex = "0122"
close_with = "stop"
needs_open = ["{VALVE}"]

[devices.{PUMP}.commands.stop]
f_port = 11
effect = "stop"
hex = "0022"
"""
ADDRESSES = {VALVE: DevAddr("26011be1"), PUMP: DevAddr("26011be2")}
LISTENING = tuple(
    abp(dev_eui, 61 + 10 * place, dev_addr=address, device_class=DeviceClass.C)
    for place, (dev_eui, address) in enumerate(ADDRESSES.items())
)


@dataclass
class Yard:
    """The valve and the pump on the air, and what is said to them, in order."""

    farm: Farm
    air: OnAir
    nodes: dict[DevEui, Node]
    heard_us: float = 0.0

    def hears(self, within_s: float = 20.0) -> tuple[DevEui, bytes]:
        """Return the next command on the air: for whom it is, as that device itself reads it."""
        sent = self._next(within_s)
        assert sent is not None, "nothing was transmitted"
        self.heard_us = sent.t_us
        assert_like_lorawan(sent, RX2_HZ, RX2_SF)
        address = DevAddr(sent.payload[4:0:-1].hex())  # MHDR, then DevAddr with its last byte first
        (dev_eui,) = (one for one, own in ADDRESSES.items() if own == address)
        return dev_eui, self.nodes[dev_eui].read(sent).frm_payload

    def is_quiet(self) -> bool:
        """Tell whether nothing is transmitted in the next moments."""
        return self._next(1.5) is None

    def _next(self, within_s: float) -> Sent | None:
        def is_news(event: Event) -> bool:
            return event["event"] == "tx" and float(str(event["t_us"])) > self.heard_us

        event = self.air.until(is_news, 0, within_s)
        return None if event is None else Sent.of(event)

    def give(self, dev_eui: DevEui, name: str, **fields: object) -> str:
        return self.farm.command(dev_eui, command=name, **fields)

    def ended(self, dev_eui: DevEui, name: str, state: str, within_s: float = SOON_S) -> None:
        """Wait until a command that the gateway gave by itself is told to be in this state."""
        deadline_s = time.monotonic() + within_s
        own = f"{BASE}/device/{dev_eui}/command/"
        while not any(
            topic.startswith(own) and body and (body["command"], body["state"]) == (name, state)
            for topic, body in self.farm.said
        ):
            assert time.monotonic() < deadline_s, f"no {name} of {dev_eui} is {state}"
            time.sleep(0.05)
            self.farm.mark()


@pytest.fixture(scope="module")
def yard(settle: Settle) -> Yard:
    farm, air = settle(more=COMMANDS)
    farm.register(*LISTENING)
    farm.start()
    nodes = {VALVE: node_of(air, LISTENING[0]), PUMP: node_of(air, LISTENING[1])}
    for node in nodes.values():
        node.say()
    for dev_eui in nodes:
        farm.wait(f"device/{dev_eui}/state")
    return Yard(farm, air, nodes)


def test_an_open_without_a_duration_is_refused_and_nothing_is_transmitted(yard: Yard) -> None:
    identity = yard.give(VALVE, "open")
    told = yard.farm.command_is(VALVE, identity, "refused")
    assert told["detail"].startswith("interlock: Give `duration_s`")
    assert yard.is_quiet()


def test_a_pump_is_not_started_before_its_valve_has_confirmed_that_it_is_open(yard: Yard) -> None:
    identity = yard.give(PUMP, "start", duration_s=5)
    told = yard.farm.command_is(PUMP, identity, "refused")
    assert told["detail"].startswith("interlock: None of")
    assert yard.is_quiet()


def test_a_valve_opens_and_its_pump_runs_and_stop_and_close_go_out_by_themselves(
    yard: Yard,
) -> None:
    opened = yard.give(VALVE, "open", duration_s=25)
    assert yard.hears() == (VALVE, OPEN)
    yard.farm.command_is(VALVE, opened, "sent")
    yard.nodes[VALVE].say(ack=True)
    yard.farm.command_is(VALVE, opened, "acked")

    started = yard.give(PUMP, "start", duration_s=8)
    assert yard.hears() == (PUMP, START)
    yard.farm.command_is(PUMP, started, "sent")

    assert yard.hears() == (PUMP, STOP)
    yard.nodes[PUMP].say(ack=True)
    yard.ended(PUMP, "stop", "acked")

    assert yard.hears(30.0) == (VALVE, CLOSE)
    yard.nodes[VALVE].say(ack=True)
    yard.ended(VALVE, "close", "acked")
    assert yard.is_quiet()


def test_a_close_of_the_valve_stops_the_pump_first(yard: Yard) -> None:
    opened = yard.give(VALVE, "open", duration_s=300)
    assert yard.hears() == (VALVE, OPEN)
    yard.nodes[VALVE].say(ack=True)
    yard.farm.command_is(VALVE, opened, "acked")
    started = yard.give(PUMP, "start", duration_s=200)
    assert yard.hears() == (PUMP, START)
    yard.farm.command_is(PUMP, started, "sent")
    closed = yard.give(VALVE, "close", confirmed=True)
    assert yard.hears() == (PUMP, STOP)
    assert yard.hears() == (VALVE, CLOSE)
    yard.nodes[PUMP].say(ack=True)
    yard.nodes[VALVE].say(ack=True)
    yard.farm.command_is(VALVE, closed, "acked")
    assert yard.is_quiet()


def test_a_valve_that_was_open_when_the_gateway_died_is_closed_when_it_is_back(yard: Yard) -> None:
    opened = yard.give(VALVE, "open", duration_s=4)
    assert yard.hears() == (VALVE, OPEN)
    yard.nodes[VALVE].say(ack=True)
    yard.farm.command_is(VALVE, opened, "acked")
    yard.farm.daemon.kill()
    assert yard.is_quiet()
    yard.farm.start()
    assert yard.hears(30.0) == (VALVE, CLOSE)
    yard.nodes[VALVE].say(ack=True)
    assert yard.is_quiet()
