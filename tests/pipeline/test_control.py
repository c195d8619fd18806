"""Commands that open and close: what they bring along, and what stands in their way."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, settings
from server_events import ack, log, txack

from gateway.config import Config
from gateway.outcome import Outcome
from gateway.store import verify
from gateway.types import Downlink, DownlinkState

VALVE, PUMP = eui(3), eui(4)
ID = "11111111-2222-4333-8444-555555555555"
TIMED = {  # a valve that closes by itself
    "open": {
        "f_port": 10,
        "effect": "open",
        "confirmed": True,
        "keys": {"minutes": {"type": "integer", "min": 1, "max": 120, "unit": "min"}},
        "duration_key": "minutes",
        "max_s": 3600,
        "max_day_s": 5400,
        "flow_l_per_min": 10,
        "max_day_l": 800,
        "verify": {"channel": "valve.state", "value": "open", "within_s": 3600},
    },
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
}
PLAIN = {  # a valve that stays as it is
    "open": {"f_port": 10, "effect": "open", "hex": "01", "close_with": "close", "confirmed": True},
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
}
STARTING = {
    "start": {"f_port": 9, "effect": "start", "hex": "01", "close_with": "stop"}
    | {"needs_open": [VALVE]},
    "stop": {"f_port": 9, "effect": "stop", "hex": "00"},
}
CHANNELS = {"valve": {"channel": "valve.state", "kind": "enum"}}


def farm(commands: Mapping[str, Any] = PLAIN, **sections: Mapping[str, Any]) -> Config:
    return settings(
        devices={
            VALVE: {"commands": commands, "channels": CHANNELS},
            PUMP: {"commands": STARTING},
        },
        **sections,
    )


async def introduce(gateway: Bench) -> None:
    await gateway.hear(up(VALVE, 1, NOW_S, {"valve": "closed"}), up(PUMP, 1, NOW_S, {"x": 1}))


async def command(gateway: Bench, name: str, device: str = VALVE, **fields: object) -> Outcome:
    body = {"id": str(uuid.uuid4()), "command": name, **fields}
    return await gateway.ask(f"lora-gateway/device/{device}/set", json.dumps(body).encode())


async def order(gateway: Bench, verb: str, **body: object) -> Outcome:
    return await gateway.ask(f"lora-gateway/bridge/request/{verb}", json.dumps(body).encode())


def handed(gateway: Bench, outcome: Outcome) -> list[Downlink]:
    """Hand over what is to be dispatched, as the daemon does."""
    taken = []
    for one in outcome.dispatch:
        go, steps = gateway.assembly.desk.clear(one.id, gateway.clock.now_s())
        gateway.assembly.stages.note(steps)
        if go is not None:
            taken.append(go)
            now_s = gateway.clock.now_s()
            gateway.assembly.stages.note(gateway.assembly.downlinks.queued(go.id, now_s))
    return taken


def why(outcome: Outcome) -> str:
    (answer,) = outcome.answers
    assert answer.state is DownlinkState.REFUSED
    return answer.detail


def named(gateway: Bench, name: str) -> list[Downlink]:
    found = gateway.store.downlinks_since(0.0)
    return [one for one in found if one.command == name]


async def test_an_open_without_a_duration_is_refused() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        assert why(await command(gateway, "open")).startswith("interlock: Give `duration_s`")
        assert gateway.store.open_downlinks() == []


async def test_an_open_brings_its_close_which_goes_when_its_time_has_come() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        outcome = await command(gateway, "open", duration_s=600, id=ID)
        assert [one.state.value for one in outcome.downlinks] == ["accepted", "held"]
        (opened,) = handed(gateway, outcome)
        assert opened.data == b"\x01"
        await gateway.wait(100)
        await gateway.hear(txack(VALVE, gateway.clock.now_s(), ID))
        (close,) = named(gateway, "close")
        assert (close.ends, close.held_until_s) == (ID, NOW_S + 700)
        assert (await gateway.wait(599)).dispatch == []
        (due,) = (await gateway.wait(1)).dispatch
        assert (due.id, due.data, due.confirmed) == (close.id, b"\0", True)


async def test_the_close_survives_a_restart_and_the_open_does_not(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        await command(gateway, "open", duration_s=600, id=ID)
    async with bench(farm(), path, start_s=NOW_S + 5) as gateway:
        outcome = await gateway.take()
        (close,) = outcome.dispatch
        assert (close.command, close.ends) == ("close", ID)
        assert gateway.store.downlink(ID).state is DownlinkState.FAILED  # type: ignore[union-attr]


async def test_what_the_server_could_not_be_told_is_sent_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        (close,) = (await command(gateway, "close")).dispatch
        gateway.assembly.stages.unreached(close)
        assert (await gateway.take()).dispatch == []
    async with bench(farm(), path, start_s=NOW_S + 5) as gateway:
        (again,) = (await gateway.take()).dispatch
        assert again.id == close.id
        assert handed(gateway, await gateway.take()) == []
        gateway.assembly.stages.unreached(again)
        await gateway.take()
        assert gateway.assembly.stages.reached()
        assert [one.id for one in (await gateway.take()).dispatch] == [close.id]
        assert not gateway.assembly.stages.reached()


async def test_a_close_that_two_restarts_interrupt_is_not_sent_twice(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        await command(gateway, "open", duration_s=600, id=ID)
    async with bench(farm(), path, start_s=NOW_S + 5) as gateway:
        (close,) = (await gateway.take()).dispatch
        kept = gateway.store.downlink(close.id)
        assert kept is not None
        assert kept.offered
    async with bench(farm(), path, start_s=NOW_S + 10) as gateway:
        assert (await gateway.take()).dispatch == []
        (again,) = (await gateway.wait(15)).dispatch
        assert (again.command, again.id != close.id) == ("close", True)


async def test_a_close_held_over_a_restart_goes_in_time(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "open", duration_s=600, id=ID))
        await gateway.hear(txack(VALVE, NOW_S, ID))
    async with bench(farm(), path, start_s=NOW_S + 30) as gateway:
        assert (await gateway.wait(300)).dispatch == []
        assert [one.command for one in (await gateway.wait(300)).dispatch] == ["close"]


async def test_with_the_clock_set_back_over_a_restart_it_closes_at_once(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "open", duration_s=600, id=ID))
        await gateway.hear(txack(VALVE, NOW_S, ID))
    async with bench(farm(), path, start_s=NOW_S - 86400) as gateway:
        assert [one.command for one in (await gateway.take()).dispatch] == ["close"]


async def test_an_open_that_was_never_sent_needs_no_close() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        await command(gateway, "open", duration_s=600, id=ID)
        await gateway.wait(4000)
        assert gateway.store.downlink(ID).state is DownlinkState.EXPIRED  # type: ignore[union-attr]
        (close,) = named(gateway, "close")
        assert close.state is DownlinkState.SUPERSEDED


async def test_an_open_that_failed_after_it_was_handed_over_is_closed_at_once() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "open", duration_s=600, id=ID))
        outcome = await gateway.hear(ack(VALVE, NOW_S, ID, acknowledged=False))
        assert [one.command for one in outcome.dispatch] == ["close"]


async def test_an_open_the_server_could_not_be_told_in_time_is_not_sent_late() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        outcome = await command(gateway, "open", duration_s=600, id=ID)
        gateway.clock.observe(NOW_S + 301)
        assert handed(gateway, outcome) == []
        await gateway.take()
        assert gateway.store.downlink(ID).state is DownlinkState.FAILED  # type: ignore[union-attr]
        assert named(gateway, "close")[0].state is DownlinkState.SUPERSEDED


async def test_a_close_supersedes_opens_that_wait_and_the_close_of_one_that_ran() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        await command(gateway, "open", duration_s=600, id=ID)
        outcome = await command(gateway, "close")
        states = {one.id: one.state.value for one in outcome.downlinks}
        assert states[ID] == "superseded"
        assert [one.command for one in outcome.dispatch] == ["close"]
        assert sorted(states.values()) == ["accepted", "superseded", "superseded"]


async def test_a_close_that_was_sent_makes_the_scheduled_one_needless() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "open", duration_s=600, id=ID))
        await gateway.hear(txack(VALVE, NOW_S, ID))
        assert why(await command(gateway, "open", duration_s=600)).startswith("interlock: An earl")
        other = str(uuid.uuid4())
        handed(gateway, await command(gateway, "close", id=other))
        assert (await gateway.wait(5)).downlinks[0].state is DownlinkState.QUEUED
        outcome = await gateway.hear(txack(VALVE, gateway.clock.now_s(), other))
        assert [one.state.value for one in outcome.downlinks] == ["sent", "superseded"]
        assert (await command(gateway, "open", duration_s=60)).answers == []


async def test_a_close_that_does_not_arrive_is_given_again() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "close", id=ID, confirmed=True))
        await gateway.hear(txack(VALVE, NOW_S, ID), ack(VALVE, NOW_S, ID, acknowledged=False))
        (again,) = (await gateway.wait(15)).dispatch
        assert (again.command, again.data, again.attempt) == ("close", b"\0", 1)
        assert again.id != ID
        handed(gateway, await command(gateway, "close"))
        await gateway.wait(1)
        outcome = await gateway.hear(log(VALVE, NOW_S, "F_CNT_DOWN", again.id))
        assert [one.state.value for one in outcome.downlinks] == ["failed"]


async def test_a_close_that_the_server_lost_is_given_again() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "close", id=ID))
        for number in range(2, 8):  # the valve speaks, and nothing is transmitted
            await gateway.hear(up(VALVE, number, NOW_S + number, {"valve": "open"}))
        assert gateway.store.downlink(ID).state is DownlinkState.FAILED  # type: ignore[union-attr]
        (again,) = (await gateway.wait(15)).dispatch
        assert (again.command, again.attempt) == ("close", 1)


async def test_closing_is_never_held_up_by_rate_quiet_hours_or_a_stop() -> None:
    config = farm(downlink={"per_device_per_hour": 2, "quiet_hours": "00:00-23:59"})
    async with bench(config) as gateway:
        await introduce(gateway)
        await order(gateway, "stop")
        for _ in range(2):
            assert (await command(gateway, "close")).answers == []


async def test_an_operator_has_a_rate_over_all_devices_and_closing_is_free() -> None:
    locating = {**PLAIN, "locate": {"f_port": 12, "hex": "05"}}
    limits = {"per_operator_per_hour": 2}
    async with bench(farm(locating, operators=TWO, downlink=limits)) as gateway:
        await introduce(gateway)
        for name in ("open", "locate", "close", "close"):
            outcome = await command(gateway, name, by="anna", duration_s=60)
            assert outcome.answers == []
        assert why(await command(gateway, "locate", by="anna")).startswith("rate: anna")
        assert (await command(gateway, "locate", by="otto")).answers == []
        await gateway.wait(3601)
        assert (await command(gateway, "locate", by="anna")).answers == []


@pytest.mark.parametrize(
    ("timezone", "refused"), [("UTC", True), ("Asia/Tokyo", False), ("America/New_York", False)]
)
async def test_in_quiet_hours_nothing_is_opened(timezone: str, refused: bool) -> None:  # noqa: FBT001
    # NOW_S is 14:13 in UTC, 23:13 in Tokyo, 10:13 in New York.
    quiet = {"quiet_hours": "12:00-15:00", "timezone": timezone}
    async with bench(farm(downlink=quiet)) as gateway:
        await introduce(gateway)
        outcome = await command(gateway, "open", duration_s=60)
        assert bool(outcome.answers) is refused


async def test_more_than_a_day_may_have_is_refused() -> None:
    async with bench(farm(TIMED)) as gateway:
        await introduce(gateway)
        assert "3600 s at once" in why(await command(gateway, "open", object={"minutes": 61}))
        for minutes in (60, 20):
            opened = str(uuid.uuid4())
            handed(gateway, await command(gateway, "open", object={"minutes": minutes}, id=opened))
            await gateway.hear(ack(VALVE, gateway.clock.now_s(), opened))
        assert "800 L" in why(await command(gateway, "open", object={"minutes": 1}))
        await gateway.wait(86401)
        assert (await command(gateway, "open", object={"minutes": 1})).answers == []


async def test_a_pump_starts_only_while_a_valve_is_known_to_be_open() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        refused = why(await command(gateway, "start", PUMP, duration_s=60))
        assert refused.startswith("interlock: None of")
        handed(gateway, await command(gateway, "open", duration_s=600, id=ID))
        await gateway.hear(txack(VALVE, NOW_S, ID))
        assert why(await command(gateway, "start", PUMP, duration_s=60)).startswith("interlock")
        await gateway.hear(ack(VALVE, NOW_S, ID))
        assert "run on" in why(await command(gateway, "start", PUMP, duration_s=601))
        outcome = await command(gateway, "start", PUMP, duration_s=500)
        assert outcome.answers == []
        await command(gateway, "close")
        assert handed(gateway, outcome) == []  # it was looked at once more


async def test_a_pump_is_stopped_when_its_last_valve_closes() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "open", duration_s=600, id=ID))
        await gateway.hear(ack(VALVE, NOW_S, ID))
        handed(gateway, await command(gateway, "start", PUMP, duration_s=500))
        await gateway.wait(10)
        outcome = await command(gateway, "close")
        assert sorted(one.command for one in outcome.dispatch) == ["close", "stop"]
        again = await command(gateway, "close")
        assert [one.command for one in again.dispatch] == ["close"]


async def test_an_emergency_stop_closes_and_refuses_until_an_admin_lifts_it(tmp_path: Path) -> None:
    operators = {"anna": {}, "root": {"role": "admin"}}
    config, path = farm(TIMED, operators=operators), tmp_path / "gateway.db"
    async with bench(config, path) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "open", object={"minutes": 9}, by="anna", id=ID))
        await gateway.hear(txack(VALVE, NOW_S, ID))
        stopped = await order(gateway, "stop", by="anyone", reason="a pipe burst")
        assert [one.command for one in stopped.dispatch] == ["close"]
        assert why(await command(gateway, "open", object={"minutes": 1}, by="anna")).startswith(
            "emergency_stop"
        )
        (reply,) = (await order(gateway, "resume", by="anna")).replies
        assert reply.error is not None
    async with bench(config, path, start_s=NOW_S + 60) as gateway:
        refused = await command(gateway, "open", object={"minutes": 1}, by="anna")
        assert "a pipe burst" not in why(refused)
        assert why(refused).startswith("emergency_stop")
        old = {"by": "root", "time": "2026-09-21T14:13:10Z"}
        assert "older" in str((await order(gateway, "resume", **old)).replies[0].error)
        (reply,) = (await order(gateway, "resume", by="root")).replies
        assert reply.data == {"stopped": False, "stood_s": 60}
        assert (await command(gateway, "open", object={"minutes": 1}, by="anna")).answers == []
        assert gateway.store.control() == {}


async def test_an_emergency_stop_takes_back_what_has_not_gone() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        outcome = await command(gateway, "open", duration_s=60, id=ID)
        stopped = await order(gateway, "stop")
        assert handed(gateway, outcome) == []
        states = {one.id: one.state.value for one in stopped.downlinks}
        assert states[ID] == "superseded"


CRITICAL = {**PLAIN, "open": {**PLAIN["open"], "severity": "critical"}}
TWO = {
    "anna": {},
    "otto": {"devices": [VALVE]},
    "paul": {"devices": [PUMP]},
    "x": {"role": "viewer"},
}


async def test_a_critical_command_waits_for_a_second_person() -> None:
    async with bench(farm(CRITICAL, operators=TWO)) as gateway:
        await introduce(gateway)
        outcome = await command(gateway, "open", duration_s=60, by="anna", id=ID)
        assert (outcome.dispatch, outcome.downlinks[0].state) == ([], DownlinkState.HELD)
        for wrong in ("anna", "paul", "x", "nobody", ""):
            (reply,) = (await order(gateway, "confirm", command=ID, by=wrong)).replies
            assert reply.error is not None
        confirmed = await order(gateway, "confirm", command=ID.upper(), by="otto")
        (opened,) = handed(gateway, confirmed)
        assert (opened.id, opened.confirmed_by, opened.by) == (ID, "otto", "anna")
        (reply,) = (await order(gateway, "confirm", command=ID, by="otto")).replies
        assert reply.error is not None


async def test_a_critical_command_that_nobody_confirms_expires() -> None:
    async with bench(farm(CRITICAL, operators=TWO)) as gateway:
        await introduce(gateway)
        await command(gateway, "open", duration_s=60, by="anna", id=ID)
        await gateway.wait(601)
        assert gateway.store.downlink(ID).state is DownlinkState.EXPIRED  # type: ignore[union-attr]
        assert named(gateway, "close")[0].state is DownlinkState.SUPERSEDED


async def test_a_critical_command_without_a_second_person_is_refused() -> None:
    async with bench(farm(CRITICAL, operators={"anna": {}, "paul": TWO["paul"]})) as gateway:
        await introduce(gateway)
        outcome = await command(gateway, "open", duration_s=60, by="anna")
        assert why(outcome).startswith("two_persons")
        assert gateway.store.open_downlinks() == []


async def test_a_reading_proves_the_command() -> None:
    async with bench(farm(TIMED)) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "open", object={"minutes": 9}, id=ID))
        await gateway.hear(up(VALVE, 2, NOW_S + 10, {"valve": "open"}), received_s=NOW_S + 10)
        assert gateway.store.downlink(ID).state is DownlinkState.QUEUED  # type: ignore[union-attr]
        await gateway.hear(txack(VALVE, NOW_S + 20, ID), received_s=NOW_S + 20)
        await gateway.hear(up(VALVE, 3, NOW_S + 30, {"valve": "closed"}), received_s=NOW_S + 30)
        assert gateway.store.downlink(ID).state is DownlinkState.SENT  # type: ignore[union-attr]
        outcome = await gateway.hear(
            ack(VALVE, NOW_S + 40, ID), up(VALVE, 4, NOW_S + 40, {"valve": "OPEN"}),
            received_s=NOW_S + 40,
        )  # fmt: skip
        assert [one.state.value for one in outcome.downlinks] == ["acked", "verified"]


async def test_what_was_acknowledged_is_proved_after_a_restart_too(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(TIMED), path) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "open", object={"minutes": 9}, id=ID))
        await gateway.hear(ack(VALVE, NOW_S, ID))
    async with bench(farm(TIMED), path, start_s=NOW_S + 60) as gateway:
        event = up(VALVE, 4, NOW_S + 90, {"valve": "open"})
        outcome = await gateway.hear(event, received_s=NOW_S + 90)
        assert [one.state.value for one in outcome.downlinks] == ["verified"]


async def test_what_no_reading_proves_in_time_is_said_to_be_unproved() -> None:
    async with bench(farm(TIMED)) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "open", object={"minutes": 9}, id=ID))
        await gateway.hear(ack(VALVE, NOW_S, ID))
        (last,) = (await gateway.wait(3700)).downlinks
        assert (last.state, "No reading of" in last.detail) == (
            DownlinkState.ACKED,
            True,
        )


async def test_a_command_says_when_it_may_be_sent() -> None:
    async with bench(farm()) as gateway:
        for number in range(6):
            at_s = NOW_S + 900 * number
            await gateway.hear(up(VALVE, number, at_s, {"valve": "closed"}), received_s=at_s)
        gateway.clock.observe(at_s + 100)
        (given, *_) = (await command(gateway, "open", duration_s=60)).downlinks
        assert given.eta_s == at_s + 900


async def test_a_request_is_answered_with_the_commands_id_or_its_refusal() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        body = {"dev_eui": VALVE.upper(), "command": "close", "id": ID, "transaction": 7}
        (reply,) = (await order(gateway, "downlink", **body)).replies
        assert reply.data == {"id": ID, "state": "accepted", "detail": ""}
        (reply,) = (await order(gateway, "downlink", dev_eui=VALVE, hex="01")).replies
        assert str(reply.error).startswith("not_in_schema")
        (reply,) = (await order(gateway, "downlink", dev_eui="x", hex="01")).replies
        assert str(reply.error).startswith("unknown_device")


async def test_a_dry_run_of_everything_sends_nothing() -> None:
    async with bench(farm(downlink={"dry_run": True})) as gateway:
        await introduce(gateway)
        outcome = await command(gateway, "close")
        assert [one.state.value for one in outcome.answers] == ["rehearsed"]
        assert (outcome.dispatch, gateway.store.open_downlinks()) == ([], [])


async def test_all_of_it_is_in_the_audit_log() -> None:
    async with bench(farm(operators=TWO)) as gateway:
        await introduce(gateway)
        await command(gateway, "open", duration_s=60, by="anna")
        await command(gateway, "open", duration_s=60, by="mallory")
        await order(gateway, "stop", by="otto")
        await order(gateway, "resume", by="otto")
        rows = gateway.store.audit()
        assert verify(rows, gateway.store.audit_head()).fault is None
        bodies = [json.loads(row.body) for row in rows]
        told = [
            (one["kind"], one["detail"].get("state") or one["detail"]["what"]) for one in bodies
        ]
        assert told == [
            ("command", "accepted"),
            ("command", "held"),
            ("command", "refused"),
            ("order", "emergency_stop"),
            ("command", "superseded"),
            ("command", "superseded"),
            ("order_refused", "resume"),
        ]
