"""Two valves of one pump, opened and closed in turn: it never runs without an open one."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, settings
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from server_events import ack, txack

from gateway.outcome import Outcome
from gateway.types import Downlink, DownlinkState

NORTH, SOUTH, PUMP = eui(3), eui(4), eui(5)
BY_GATEWAY = {  # a valve that stays as it is
    "open": {"f_port": 10, "effect": "open", "hex": "01", "close_with": "close", "confirmed": True},
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
}
BY_ITSELF = {  # one that closes by its own watch
    "open": {
        "f_port": 10,
        "effect": "open",
        "confirmed": True,
        "keys": {"minutes": {"type": "integer", "min": 1, "max": 120, "unit": "min"}},
        "duration_key": "minutes",
    },
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
}
STARTING = {
    "start": {"f_port": 9, "effect": "start", "hex": "01", "close_with": "stop", "confirmed": True}
    | {"needs_open": [NORTH, SOUTH]},
    "stop": {"f_port": 9, "effect": "stop", "hex": "00"},
}


class Plant:
    """Two valves and a pump that do what they are told, in the order in which it is sent.

    `open_until_s` is what the valves themselves know: the southern one closes by its own watch. A
    start for a `slow` pump waits in the network server's queue until `speak`.
    """

    def __init__(self, gateway: Bench) -> None:
        self.gateway = gateway
        self.open_until_s: dict[str, float] = {}
        self.running = False
        self.told: list[tuple[float, str, str]] = []
        self.slow = False
        self.waiting: list[Downlink] = []

    @property
    def now_s(self) -> float:
        return self.gateway.clock.now_s()

    def is_open(self, valve: str) -> bool:
        return self.open_until_s.get(valve, 0.0) > self.now_s

    def look(self) -> None:
        """Hold the pump to the promise: it never runs while both of its valves are closed."""
        assert not self.running or self.is_open(NORTH) or self.is_open(SOUTH), self.told

    async def carry(self, outcome: Outcome) -> None:
        while outcome.dispatch:
            events = []
            for one in outcome.dispatch:
                go, steps = self.gateway.assembly.desk.clear(one.id, self.now_s)
                self.gateway.assembly.stages.note(steps)
                if go is None:
                    continue
                queued = self.gateway.assembly.downlinks.queued(go.id, self.now_s)
                self.gateway.assembly.stages.note(queued)
                if self.slow and go.effect == "start":
                    self.waiting.append(go)
                else:
                    events += self.obey(go)
            outcome = await self.gateway.hear(*events)

    def obey(self, go: Downlink) -> list[tuple[str, bytes]]:
        self.told.append((self.now_s - NOW_S, go.dev_eui, go.command))
        if go.dev_eui == PUMP:
            self.running = go.effect == "start"
        else:
            lasts_s = (go.duration_s or 0.0) if go.dev_eui == SOUTH else 1e9
            self.open_until_s[go.dev_eui] = self.now_s + (lasts_s if go.effect == "open" else 0.0)
        self.look()
        at_s, name = self.now_s, go.id
        return [txack(go.dev_eui, at_s, name), ack(go.dev_eui, at_s, name)]

    async def give(self, device: str, name: str, **fields: object) -> Outcome:
        body = {"id": str(uuid.uuid4()), "command": name, **fields}
        topic = f"lora-gateway/device/{device}/set"
        outcome = await self.gateway.ask(topic, json.dumps(body).encode())
        await self.carry(outcome)
        return outcome

    async def speak(self) -> None:
        """Let the slow pump speak, and so get what waits for it."""
        waiting, self.waiting = self.waiting, []
        await self.carry(await self.gateway.hear(*(e for one in waiting for e in self.obey(one))))

    async def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.carry(await self.gateway.wait(1))
            self.look()

    def commands(self) -> list[tuple[float, str, str]]:
        names = {NORTH: "north", SOUTH: "south", PUMP: "pump"}
        return [(at_s, names[who], what) for at_s, who, what in self.told]


@asynccontextmanager
async def plant() -> AsyncIterator[Plant]:
    config = settings(
        devices={
            NORTH: {"commands": BY_GATEWAY},
            SOUTH: {"commands": BY_ITSELF},
            PUMP: {"commands": STARTING},
        },
        downlink={"per_device_per_hour": 100_000},
    )
    async with bench(config) as gateway:
        await gateway.hear(*(up(one, 1, NOW_S, {"x": 1}) for one in (NORTH, SOUTH, PUMP)))
        yield Plant(gateway)


async def test_the_pump_goes_on_while_one_of_its_valves_is_open_and_stops_with_the_last() -> None:
    async with plant() as yard:
        await yard.give(NORTH, "open", duration_s=600)
        await yard.give(PUMP, "start", duration_s=500)
        await yard.wait(60)
        await yard.give(SOUTH, "open", object={"minutes": 5})
        await yard.give(NORTH, "close")
        assert yard.running
        await yard.wait(60)
        await yard.give(SOUTH, "close")
        assert yard.commands()[-2:] == [(120.0, "pump", "stop"), (120.0, "south", "close")]
        await yard.wait(600)
        assert not yard.running
        assert [one for one in yard.commands() if one[1:] == ("pump", "start")] == [
            (0.0, "pump", "start")
        ]


async def test_the_pump_stops_before_a_valve_that_closes_by_its_own_watch() -> None:
    """Nothing is sent to that valve at its end: there is no close that the stop could follow."""
    async with plant() as yard:
        await yard.give(NORTH, "open", duration_s=1800)
        await yard.give(PUMP, "start", duration_s=1700)
        await yard.give(SOUTH, "open", object={"minutes": 5})
        await yard.give(NORTH, "close")
        await yard.wait(294)
        assert yard.running
        await yard.wait(10)
        assert yard.commands()[-1] == (295.0, "pump", "stop")


async def test_a_start_that_reached_its_pump_late_does_not_outlast_the_valve() -> None:
    """The network server keeps a start for a pump of class A until that pump speaks."""
    async with plant() as yard:
        yard.slow = True
        await yard.give(SOUTH, "open", object={"minutes": 5})
        await yard.give(PUMP, "start", duration_s=290)
        await yard.wait(100)
        await yard.speak()
        assert yard.running
        await yard.wait(300)
        assert yard.commands()[-1] == (295.0, "pump", "stop")


async def test_a_pump_whose_valve_is_closed_while_its_start_waits_is_told_to_stop() -> None:
    async with plant() as yard:
        yard.slow = True
        await yard.give(NORTH, "open", duration_s=600)
        await yard.give(PUMP, "start", duration_s=300)
        await yard.give(NORTH, "close")
        assert [what for _, who, what in yard.commands() if who == "pump"] == ["stop"]


async def test_the_pumps_stop_goes_before_the_close_and_waits_for_no_answer() -> None:
    async with plant() as yard:
        await yard.give(NORTH, "open", duration_s=600)
        await yard.give(PUMP, "start", duration_s=500)
        topic = f"lora-gateway/device/{NORTH}/set"
        outcome = await yard.gateway.ask(topic, b'{"command": "close"}')
        assert [one.command for one in outcome.dispatch] == ["stop", "close"]


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.sampled_from([NORTH, SOUTH]), st.integers(1, 6)),
        st.tuples(st.just("close"), st.sampled_from([NORTH, SOUTH]), st.just(0)),
        st.tuples(st.just("start"), st.just(PUMP), st.integers(1, 6)),
        st.tuples(st.just("stop"), st.just(PUMP), st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 20, 61, 118])),
    ),
    min_size=3,
    max_size=14,
)


@pytest.mark.timeout(300)
@effort(max_examples=60, deadline=None)
@given(acts=ACTS)
def test_in_any_order_no_pump_runs_against_closed_valves(acts: list[tuple[str, str, int]]) -> None:
    async def play() -> None:
        async with plant() as yard:
            for name, device, number in acts:
                if name == "wait":
                    await yard.wait(number)
                elif device == SOUTH and name == "open":
                    await yard.give(device, name, object={"minutes": number})
                elif name in {"open", "start"}:
                    await yard.give(device, name, duration_s=60 * number)
                else:
                    await yard.give(device, name)
            await yard.wait(400)
            assert not yard.running
            assert not yard.is_open(NORTH)
            states = {one.state for one in yard.gateway.store.downlinks_since(0.0)}
            assert states <= {
                DownlinkState.ACKED, DownlinkState.SUPERSEDED, DownlinkState.REFUSED,
                DownlinkState.FAILED,
            }  # fmt: skip

    asyncio.run(play())
