"""Irrigation programs through the whole middle: started, followed, and kept from starting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, settings
from server_events import ack, txack

from gateway.config import Config
from gateway.outcome import Outcome
from gateway.types import Downlink, DownlinkState, ProgramView

NORTH, SOUTH, PUMP, PROBE = eui(3), eui(4), eui(5), eui(6)
TICK_S = 10.0
VALVE = {
    "open": {"f_port": 10, "effect": "open", "hex": "01", "close_with": "close"}
    | {"confirmed": True, "flow_l_per_min": 20},
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
}
STARTING = {
    "start": {"f_port": 9, "effect": "start", "hex": "01", "close_with": "stop"}
    | {"needs_open": [NORTH, SOUTH], "confirmed": True},
    "stop": {"f_port": 9, "effect": "stop", "hex": "00"},
}
# NOW_S is Monday 2026-09-21 14:13:20 UTC.
PROGRAM: dict[str, Any] = {
    "start": ["14:20"],
    "minutes": 10,
    "time_zone": "UTC",
    "valve": [{"device": "North"}, {"device": SOUTH}],
}


def farm(program: Mapping[str, Any] = PROGRAM, **sections: Mapping[str, Any]) -> Config:
    return settings(
        devices={
            NORTH: {"name": "North", "commands": VALVE},
            SOUTH: {"commands": VALVE},
            PUMP: {"commands": STARTING},
            PROBE: {"name": "Probe"},
        },
        programs={"orchard": program},
        **sections,
    )


async def introduce(gateway: Bench) -> None:
    now_s = gateway.clock.now_s()
    await gateway.hear(*(up(one, 1, now_s, {"x": 1}) for one in (NORTH, SOUTH, PUMP, PROBE)))


class Field:
    """Valves and a pump that do at once what they are told, and confirm it."""

    def __init__(self, gateway: Bench) -> None:
        self.gateway = gateway
        self.told: list[tuple[float, str, str]] = []
        self.silent: set[str] = set()

    async def carry(self, outcome: Outcome) -> None:
        while outcome.dispatch:
            now_s = self.gateway.clock.now_s()
            events = []
            for one in outcome.dispatch:
                go, steps = self.gateway.assembly.desk.clear(one.id, now_s)
                self.gateway.assembly.stages.note(steps)
                if go is None:
                    continue
                self.told.append((now_s - NOW_S, go.dev_eui, go.command))
                queued = self.gateway.assembly.downlinks.queued(go.id, now_s)
                self.gateway.assembly.stages.note(queued)
                if go.dev_eui not in self.silent:
                    events += [txack(go.dev_eui, now_s, go.id), ack(go.dev_eui, now_s, go.id)]
            outcome = await self.gateway.hear(*events)

    async def wait(self, seconds: float) -> None:
        """Let time pass in steps, and carry out what is dispatched."""
        for _ in range(round(seconds / TICK_S)):
            await self.carry(await self.gateway.wait(TICK_S))

    def minutes(self) -> list[tuple[float, str, str]]:
        """Return what was told, at which minute after NOW_S, to whom."""
        names = {NORTH: "north", SOUTH: "south", PUMP: "pump"}
        return [(round(at_s / 60.0, 1), names[who], what) for at_s, who, what in self.told]


def reset(gateway: Bench, time_s: float) -> None:
    """Set the clock, back too, as somebody does who sets the machine's."""
    gateway.clock._now_s = time_s


def view(gateway: Bench) -> ProgramView:
    return gateway.assembly.programs.view("orchard", gateway.clock.now_s())


async def ask(gateway: Bench, verb: str, **body: object) -> Outcome:
    topic = f"lora-gateway/bridge/request/program/{verb}"
    return await gateway.ask(topic, json.dumps({"name": "orchard", **body}).encode())


def given(gateway: Bench, command: str) -> list[Downlink]:
    found = gateway.store.downlinks_since(0.0)
    return [one for one in found if one.command == command]


async def test_the_valves_open_one_after_another_and_each_is_closed_before_the_next() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        await field.wait(1800)
        assert field.minutes() == [
            (6.7, "north", "open"), (16.7, "north", "close"),
            (16.8, "south", "open"), (26.8, "south", "close"),
        ]  # fmt: skip
        shown = view(gateway)
        assert (shown.state, shown.last_outcome) == ("idle", "done")
        assert {one.by for one in given(gateway, "open")} == {"program:orchard"}
        assert shown.next_s == NOW_S + 400 + 86400


async def test_together_they_open_at_once() -> None:
    async with bench(farm(PROGRAM | {"together": True})) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        await field.wait(1200)
        assert field.minutes()[:2] == [(6.7, "north", "open"), (6.7, "south", "open")]
        assert view(gateway).last_outcome == "done"


async def test_the_pump_starts_after_a_valve_and_stops_before_it_closes() -> None:
    program = PROGRAM | {"pump": {"device": PUMP, "stop_before_s": 60}}
    async with bench(farm(program)) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        await field.wait(1200)
        assert field.minutes()[:4] == [
            (6.7, "north", "open"), (6.7, "pump", "start"),
            (15.7, "pump", "stop"), (16.7, "north", "close"),
        ]  # fmt: skip


async def test_a_pump_that_is_refused_closes_the_valves_at_once() -> None:
    async with bench(farm(PROGRAM | {"pump": {"device": PUMP}})) as gateway:
        await gateway.hear(*(up(one, 1, NOW_S, {"x": 1}) for one in (NORTH, SOUTH)))
        field = Field(gateway)
        await field.wait(1300)
        assert field.minutes()[:2] == [(6.7, "north", "open"), (6.7, "north", "close")]
        assert view(gateway).last_legs[1].state == "refused"
        assert view(gateway).last_outcome == "failed"


async def test_a_pump_that_stays_silent_is_stopped_before_its_valve_is_closed() -> None:
    async with bench(farm(PROGRAM | {"pump": {"device": PUMP}, "expiry_s": 60})) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        field.silent.add(PUMP)
        await field.wait(1300)
        assert [(who, what) for _, who, what in field.minutes()][:3] == [
            ("north", "open"), ("pump", "start"), ("pump", "stop"),
        ]  # fmt: skip
        assert ("north", "close") in {(who, what) for _, who, what in field.minutes()}
        assert view(gateway).last_outcome != "done"


async def test_a_silent_valve_costs_its_own_turn_and_not_the_next() -> None:
    async with bench(farm(PROGRAM | {"expiry_s": 60})) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        field.silent.add(NORTH)
        await field.wait(400)
        field.silent.clear()
        await field.wait(3000)
        assert [who for _, who, what in field.minutes() if what == "open"] == ["north", "south"]
        assert view(gateway).last_outcome == "partial"
        assert view(gateway).last_legs[0].detail == "Its time ran out before it was transmitted."


SKIP = {"kind": "wet", "device": "Probe", "channel": "soil.moisture", "above": 30}


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ({"enabled": False}, "It is switched off."),
        ({"skip_when": [SKIP]}, "soil.moisture is 41 %, above 30."),
        ({"valve": [{"device": NORTH, "litres": 200}], "minutes": None, "min_minutes": 11},
         "200 L. That is less than 11 min: not worth it."),
        ({"skip_when": [SKIP | {"channel": "soil.ec", "unknown": "yes"}]},
         "soil.ec of Probe is not known."),
    ],
)  # fmt: skip
async def test_what_keeps_a_program_from_starting_is_said(
    program: Mapping[str, Any], why: str
) -> None:
    config = farm({key: one for key, one in (PROGRAM | program).items() if one is not None})
    async with bench(config) as gateway:
        await introduce(gateway)
        await gateway.hear(up(PROBE, 2, NOW_S, {"water_SOIL": "41.00"}))
        field = Field(gateway)
        await field.wait(600)
        assert field.told == []
        assert (view(gateway).last_outcome, view(gateway).last_why) == ("skipped", why)


async def test_it_waters_what_the_soil_asks_for() -> None:
    program: dict[str, Any] = PROGRAM | {
        "valve": [{"device": NORTH, "area_m2": 100}],
        "deficit_device": "Probe", "deficit_channel": "field.north.irrigation",
    }  # fmt: skip
    del program["minutes"]
    async with bench(farm(program)) as gateway:
        await introduce(gateway)
        await gateway.hear(up(PROBE, 2, NOW_S, {"field.north.irrigation": 3.0}))
        field = Field(gateway)
        await field.wait(1800)
        assert field.minutes() == [(6.7, "north", "open"), (21.7, "north", "close")]  # 300 L


async def test_a_condition_starts_it_once_in_its_span() -> None:
    when = {"kind": "dry", "device": "Probe", "below": 20}
    span = {"start": [], "start_when": [when], "earliest": "14:00", "latest": "23:00"}
    program = {**PROGRAM, "minutes": 2, **span}
    async with bench(farm(program)) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        await field.wait(600)
        assert field.told == []
        await gateway.hear(up(PROBE, 2, gateway.clock.now_s(), {"water_SOIL": "12.00"}))
        await field.wait(3600)
        assert [what for _, _, what in field.minutes()] == ["open", "close"] * 2


async def test_a_start_that_was_missed_is_made_up_for_within_its_tolerance(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
    async with bench(farm(), path, start_s=NOW_S + 400 + 590) as gateway:
        await gateway.take()
        assert view(gateway).state == "running"


async def test_a_start_that_was_missed_for_longer_is_not(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
    async with bench(farm(), path, start_s=NOW_S + 400 + 700) as gateway:
        await gateway.take()
        assert (view(gateway).state, view(gateway).last_outcome) == ("idle", "missed")
        assert given(gateway, "open") == []


async def test_a_run_that_a_restart_interrupts_opens_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        await gateway.wait(400)
        assert len(given(gateway, "open")) == 1
    async with bench(farm(), path, start_s=NOW_S + 420) as gateway:
        field = Field(gateway)
        await field.wait(1800)
        assert [who for _, who, what in field.minutes() if what == "open"] == ["south"]
        assert view(gateway).last_outcome == "partial"


async def test_after_a_long_outage_the_rest_of_a_run_is_not_carried_out(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        await Field(gateway).wait(500)
    async with bench(farm(), path, start_s=NOW_S + 20_000) as gateway:
        field = Field(gateway)
        await field.wait(1800)
        assert {what for _, _, what in field.minutes()} == {"close"}
        assert view(gateway).last_outcome == "stopped"
        assert "The gateway was away" in view(gateway).last_why


async def test_a_clock_that_is_set_back_starts_nothing_again() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        await field.wait(1800)
        first = len(field.told)
        reset(gateway, NOW_S)
        await field.wait(1800)
        assert len(field.told) == first


async def test_a_clock_that_was_far_ahead_and_comes_back_starts_what_is_due_after_an_hour() -> None:
    async with bench(farm(PROGRAM | {"start": ["14:20", "17:00"]})) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        reset(gateway, NOW_S + 400 * 86400)
        await field.wait(60)
        reset(gateway, NOW_S)
        await field.wait(5000)
        assert field.told == []
        await field.wait(6000)
        assert [what for _, _, what in field.minutes()][:2] == ["open", "close"]


async def test_an_emergency_stop_ends_a_run() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        await field.wait(500)
        await field.carry(await gateway.ask("lora-gateway/bridge/request/stop", b"{}"))
        await field.carry(await gateway.ask("lora-gateway/bridge/request/resume", b"{}"))
        await field.wait(1500)
        assert [what for _, _, what in field.minutes()] == ["open", "close"]
        assert view(gateway).last_outcome == "stopped"


async def test_people_run_stop_skip_and_switch_it() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        (reply,) = (await ask(gateway, "skip")).replies
        assert reply.data["next_s"] == NOW_S + 400
        await field.wait(500)
        assert (field.told, view(gateway).last_why) == ([], "It was to be left out this time.")
        await field.carry(await ask(gateway, "run", minutes=5, by="anna"))
        assert view(gateway).why == "anna asked for it."
        assert (await ask(gateway, "run")).replies[0].error == "busy: orchard is running already."
        await field.wait(60)
        await field.carry(await ask(gateway, "stop"))
        await field.wait(60)
        assert [what for _, _, what in field.minutes()] == ["open", "close"]
        assert view(gateway).last_outcome == "stopped"
        assert (await ask(gateway, "disable")).replies[0].data["enabled"] is False
        assert view(gateway).state == "off"
        error = (await ask(gateway, "run", name="meadow")).replies[0].error
        assert error == "unknown_program: 'meadow' is no program; there are: orchard."


async def test_only_who_may_command_the_valves_may_run_it() -> None:
    operators = {"anna": {"devices": [NORTH, SOUTH]}, "ben": {"devices": [NORTH]}}
    async with bench(farm(operators=operators)) as gateway:
        await introduce(gateway)
        for who, allowed in (("", False), ("ben", False), ("anna", True)):
            (reply,) = (await ask(gateway, "run", by=who)).replies
            assert (reply.error is None) is allowed, who
        assert len(given(gateway, "open")) == 1


async def test_nobody_else_commands_in_a_programs_name() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        body = {"command": "open", "duration_s": 60, "by": "program:orchard"}
        topic = f"lora-gateway/device/{NORTH}/set"
        (answer,) = (await gateway.ask(topic, json.dumps(body).encode())).answers
        assert answer.state is DownlinkState.REFUSED
        assert answer.detail.startswith("unauthorised")


async def test_what_safety_refuses_is_said_in_the_run() -> None:
    async with bench(farm(downlink={"quiet_hours": "14:00-15:00", "timezone": "UTC"})) as gateway:
        await introduce(gateway)
        field = Field(gateway)
        await field.wait(500)
        assert field.told == []
        assert view(gateway).last_outcome == "failed"
        assert view(gateway).last_why.startswith("quiet_hours")


async def test_it_is_remembered_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        await Field(gateway).wait(1800)
        before = view(gateway)
        await ask(gateway, "disable")
    async with bench(farm(), path, start_s=NOW_S + 2000) as gateway:
        after = view(gateway)
        assert (after.last_key, after.last_legs) == (before.last_key, before.last_legs)
        assert after.state == "off"
