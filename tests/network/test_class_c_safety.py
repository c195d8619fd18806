"""A valve and a pump that always listen, on a radio of our own: safety and the radio together."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from gateways import NOW_S, Bench, bench, delivery, settings
from lorawan_devices import EUI, Device
from radio_farm import abp

from gateway.codecs.lorawan import DevAddr, DeviceClass
from gateway.codecs.radio import write_heard
from gateway.network import Ended, Transmission, to_record
from gateway.outcome import Outcome
from gateway.store import database
from gateway.store import radio as register
from gateway.types import DevEui, DownlinkState, HeardFrame, TransmitOutcome

PUMP = DevEui("70b3d57ed00000aa")
COMMANDS: dict[str, Any] = {
    EUI: {
        "commands": {
            "open": {"f_port": 10, "effect": "open", "hex": "01", "close_with": "close"}
            | {"confirmed": True},
            "close": {"f_port": 10, "effect": "close", "hex": "00"},
        }
    },
    PUMP: {
        "commands": {
            "start": {"f_port": 9, "effect": "start", "hex": "01", "close_with": "stop"}
            | {"needs_open": [EUI]},
            "stop": {"f_port": 9, "effect": "stop", "hex": "00"},
        }
    },
}
PROGRAM = {
    "start": ["04:00"],
    "minutes": 10,
    "valve": [{"device": EUI}],
    "pump": {"device": PUMP, "stop_before_s": 60},
}


class Yard:
    """A gateway with one radio, which transmits all it is given."""

    def __init__(self, gateway: Bench) -> None:
        self.gateway = gateway
        self.valve = Device()
        self.sent: list[tuple[float, str]] = []

    async def take(self, outcome: Outcome, *, confirms: bool = True) -> Outcome:
        """Transmit what an outcome has for the air; the valve confirms what asks for it."""
        while outcome.transmissions:
            for one in outcome.transmissions:
                self._air(one)
            outcome = await self.gateway.take()
            if confirms and not outcome.transmissions:
                outcome = await self.speak(ack=True)
        return outcome

    def _air(self, one: Transmission) -> None:
        now_s = self.gateway.clock.now_s()
        command = next(
            item
            for item in self.gateway.assembly.downlinks.open()
            if item.state is DownlinkState.QUEUED and item.dev_eui == one.dev_eui
        )
        self.sent.append((now_s - NOW_S, command.command))
        ended = self.gateway.assembly.network.transmitted(Ended(one, TransmitOutcome.SENT), now_s)
        self.gateway.assembly.stages.note(ended)

    async def speak(self, *, ack: bool) -> Outcome:
        now_s = self.gateway.clock.now_s()
        frame = HeardFrame(
            self.valve.uplink(ack=ack), -80.0, 9.0, frequency_hz=868_100_000, spreading_factor=7,
            bandwidth_hz=125_000, counter_us=5_000_000,
        )  # fmt: skip
        heard = delivery(("radio/board", write_heard(frame)), now_s, source="board")
        return await self.gateway.take(heard)

    async def ask(self, device: str, **body: object) -> Outcome:
        topic = f"lora-gateway/device/{device}/set"
        return await self.gateway.ask(topic, json.dumps(body).encode())

    async def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 10)):
            await self.take(await self.gateway.wait(10))

    def commands(self) -> Sequence[str]:
        return [what for _, what in self.sent]


@asynccontextmanager
async def yard(path: Path) -> AsyncIterator[Yard]:
    devices = [
        abp(EUI, 1, device_class=DeviceClass.C),
        abp(PUMP, 21, device_class=DeviceClass.C, dev_addr=DevAddr("26011bdd")),
    ]
    with closing(database.prepare(path)) as connection, connection:
        register.put(connection, [to_record(one, NOW_S) for one in devices])
    config = settings(
        radios={"board": {"port": "/dev/null"}}, devices=COMMANDS, programs={"yard": PROGRAM}
    )
    async with bench(config, path) as gateway:
        yield Yard(gateway)


async def test_the_pump_waits_for_a_valve_that_has_confirmed_over_the_air(tmp_path: Path) -> None:
    async with yard(tmp_path / "gateway.db") as made:
        (refused,) = (await made.ask(PUMP, command="start", duration_s=60)).answers
        assert refused.detail.startswith("interlock: None of")
        await made.take(await made.ask(EUI, command="open", duration_s=600), confirms=False)
        (refused,) = (await made.ask(PUMP, command="start", duration_s=60)).answers
        assert refused.detail.startswith("interlock: None of")
        await made.speak(ack=True)
        await made.take(await made.ask(PUMP, command="start", duration_s=60))
        assert made.commands() == ["open", "start"]


async def test_the_valve_is_closed_when_its_time_is_over(tmp_path: Path) -> None:
    async with yard(tmp_path / "gateway.db") as made:
        await made.take(await made.ask(EUI, command="open", duration_s=600))
        await made.wait(700)
        assert made.sent == [(0.0, "open"), (600.0, "close")]


async def test_an_emergency_stop_goes_on_air_at_once(tmp_path: Path) -> None:
    async with yard(tmp_path / "gateway.db") as made:
        await made.take(await made.ask(EUI, command="open", duration_s=600))
        await made.take(await made.ask(PUMP, command="start", duration_s=300))
        await made.wait(60)
        await made.take(await made.gateway.ask("lora-gateway/bridge/request/stop", b"{}"))
        await made.wait(60)
        assert sorted(made.commands()) == ["close", "open", "start", "stop"]
        assert all(at_s <= 120 for at_s, _ in made.sent)


async def test_a_program_waters_over_a_radio_of_our_own(tmp_path: Path) -> None:
    async with yard(tmp_path / "gateway.db") as made:
        body = json.dumps({"name": "yard"}).encode()
        await made.take(await made.gateway.ask("lora-gateway/bridge/request/program/run", body))
        await made.wait(900)
        assert made.commands() == ["open", "start", "stop", "close"]
        view = made.gateway.assembly.programs.view("yard", made.gateway.clock.now_s())
        # The pump never speaks here: that it stopped is not known, and is not claimed.
        assert [leg.state for leg in view.legs] == ["done", "closing"]
