"""One command to many: each member's checked, in turn, and their states told together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, settings
from server_events import ack, txack

from gateway.config import Config
from gateway.control import sign
from gateway.outcome import Outcome
from gateway.types import DownlinkState

ONE, TWO, THREE = eui(3), eui(4), eui(5)
ID = "11111111-2222-4333-8444-555555555555"
VALVE: dict[str, Any] = {
    "open": {"f_port": 10, "effect": "open", "hex": "01", "close_with": "close"},
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
    "locate": {"f_port": 12, "hex": "05"},
}
LIMITED: dict[str, Any] = VALVE | {"open": VALVE["open"] | {"max_s": 60}}
GROUPS: dict[str, Any] = {"valves": {"devices": ["One", TWO, THREE], "spacing_s": 20}}


def farm(groups: dict[str, Any] = GROUPS, **sections: Any) -> Config:  # noqa: ANN401
    return settings(
        devices={
            ONE: {"name": "One", "commands": VALVE},
            TWO: {"commands": VALVE},
            THREE: {"commands": LIMITED},
        },
        groups=groups,
        **sections,
    )


async def introduce(gateway: Bench) -> None:
    await gateway.hear(*(up(one, 1, NOW_S, {"x": 1}) for one in (ONE, TWO, THREE)))


async def ask(gateway: Bench, group: str = "valves", **body: object) -> Outcome:
    topic = f"lora-gateway/group/{group}/set"
    return await gateway.ask(topic, json.dumps({"id": ID, **body}).encode())


def handed(gateway: Bench, outcome: Outcome) -> list[str]:
    """Hand over what is to be dispatched, as the daemon does."""
    taken = []
    for one in outcome.dispatch:
        go, steps = gateway.assembly.desk.clear(one.id, gateway.clock.now_s())
        gateway.assembly.stages.note(steps)
        if go is not None:
            queued = gateway.assembly.downlinks.queued(go.id, gateway.clock.now_s())
            gateway.assembly.stages.note(queued)
            taken.append(go.dev_eui)
    return taken


async def test_members_are_told_one_after_another() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        outcome = await ask(gateway, command="locate")
        (view,) = outcome.groups
        assert (view.state, view.counts) == ("under_way", {"accepted": 1, "held": 2})
        assert handed(gateway, outcome) == [ONE]
        assert handed(gateway, await gateway.wait(19)) == []
        assert handed(gateway, await gateway.wait(1)) == [TWO]
        assert handed(gateway, await gateway.wait(20)) == [THREE]


async def test_the_group_is_at_its_end_when_all_are(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        outcome = await ask(gateway, command="locate", confirmed=True)
        ids = outcome.groups[0].ids
        for wait_s in (0, 20, 20):
            handed(gateway, outcome if not wait_s else await gateway.wait(wait_s))
            await gateway.take()
        await gateway.hear(*(txack(one, gateway.clock.now_s(), ids[one]) for one in ids))
        await gateway.hear(*(ack(one, gateway.clock.now_s(), ids[one]) for one in (ONE, TWO)))
    async with bench(farm(), path, start_s=NOW_S + 60) as gateway:
        outcome = await gateway.hear(ack(THREE, NOW_S + 60, ids[THREE]))
        (view,) = outcome.groups
        assert (view.state, view.counts) == ("done", {"acked": 3})
        assert gateway.store.control() == {}


async def test_a_member_that_refuses_does_not_hold_up_the_others() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        (view,) = (await ask(gateway, command="open", duration_s=600)).groups
        assert view.members[THREE] == "refused"
        assert view.details[THREE].startswith("limit: 600 s are too long")
        assert view.counts == {"accepted": 1, "held": 1, "refused": 1}


async def test_a_close_waits_for_nobodys_turn_and_supersedes_opens_that_do() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        await ask(gateway, command="open", duration_s=30)
        other = "22222222-2222-4333-8444-555555555555"
        outcome = await ask(gateway, id=other, command="close")
        assert {one.dev_eui for one in outcome.dispatch if one.command == "close"} == {
            ONE, TWO, THREE,
        }  # fmt: skip
        later = await gateway.wait(60)
        assert [one.command for one in later.dispatch if one.effect == "open"] == []


async def test_an_open_that_waits_for_its_turn_is_not_carried_out_after_a_restart(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        view = (await ask(gateway, command="open", duration_s=30)).groups[0]
    async with bench(farm(), path, start_s=NOW_S + 5) as gateway:
        await gateway.take()
        assert [
            one.command for one in (await gateway.wait(60)).dispatch if one.effect == "open"
        ] == []
        waited = gateway.store.downlink(view.ids[TWO])
        assert waited is not None
        assert waited.state is DownlinkState.EXPIRED


async def test_the_same_id_again_gives_nothing_twice() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        first = await ask(gateway, command="locate")
        again = await ask(gateway, command="locate")
        assert again.dispatch == []
        assert gateway.assembly.groups.known(ID) is not None
        assert len(first.dispatch) == 1


async def test_members_are_found_by_profile_and_tag() -> None:
    groups = {"probes": {"profile": "Soil probe"}, "tagged": {"tag": "row=4"}}
    async with bench(farm(groups)) as gateway:
        await introduce(gateway)
        assert len((await ask(gateway, "probes", command="close")).groups[0].members) == 3
        (view,) = (await ask(gateway, "tagged", command="close")).groups
        assert view.detail == "no_members: No device of tagged has been heard yet."
        (view,) = (await ask(gateway, "fruit", command="close")).groups
        assert view.detail.startswith("unknown_group")


async def test_only_who_may_command_a_member_reaches_it() -> None:
    operators = {"anna": {}, "ben": {"devices": [ONE]}, "eve": {"role": "viewer"}}
    async with bench(farm(operators=operators)) as gateway:
        await introduce(gateway)
        assert (await ask(gateway, command="close")).groups[0].state == "refused"
        assert (await ask(gateway, command="close", by="eve")).groups[0].state == "refused"
        (view,) = (await ask(gateway, command="close", by="ben")).groups
        assert [view.members[one] for one in (ONE, TWO)] == ["accepted", "refused"]


async def test_a_signature_holds_for_the_group_it_was_made_for(tmp_path: Path) -> None:
    key_file = tmp_path / "anna"
    key_file.write_text("k" * 32)
    config = farm(
        {**GROUPS, "others": {"devices": [ONE]}}, operators={"anna": {"key_file": str(key_file)}}
    )
    body = {"command": "close", "by": "anna", "id": ID, "time": "2026-09-21T14:13:20Z"}
    body["signature"] = sign(b"k" * 32, "", {**body, "group": "valves"})
    async with bench(config) as gateway:
        await introduce(gateway)
        assert (await ask(gateway, "others", **body)).groups[0].detail.startswith("signature")
        (view,) = (await ask(gateway, **body)).groups
        assert view.state == "under_way"
        assert all(one.signed for one in gateway.store.open_downlinks())


async def test_a_request_is_answered_with_the_counts() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        body = {"group": "valves", "command": "locate", "transaction": 7}
        topic = "lora-gateway/bridge/request/downlink"
        (reply,) = (await gateway.ask(topic, json.dumps(body).encode())).replies
        assert reply.data["counts"] == {"accepted": 1, "held": 2}
        key = "lora-gateway/group/valves/set/close"
        (view,) = (await gateway.ask(key, b"true")).groups
        assert view.counts == {"accepted": 3}


MULTICAST = {"valves": {"devices": [ONE, TWO], "multicast_group_id": ID}}
API = {"chirpstack": {"api": {"server": "127.0.0.1:1", "token_file": "/nowhere"}}}


async def test_a_multicast_group_gets_one_frame_that_nobody_acknowledges() -> None:
    async with bench(farm(MULTICAST, **API)) as gateway:
        await introduce(gateway)
        outcome = await ask(gateway, command="locate")
        (frame,) = outcome.multicasts
        assert (frame.f_port, frame.data, outcome.dispatch) == (12, b"\5", [])
        gateway.assembly.stages.instructions.note_multicast(ID, "queued", "The server has it.")
        (view,) = (await gateway.take()).groups
        assert (view.state, view.counts, view.multicast) == ("queued", {"queued": 2}, True)
        (again,) = (await ask(gateway, command="locate")).groups
        assert again.detail.startswith("id_in_use")


async def test_what_opens_or_closes_is_told_to_each_member_of_a_multicast_group() -> None:
    async with bench(farm(MULTICAST, **API)) as gateway:
        await introduce(gateway)
        outcome = await ask(gateway, command="close")
        assert (outcome.multicasts, len(outcome.dispatch)) == ([], 2)


async def test_a_multicast_frame_is_not_sent_again_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(MULTICAST, **API), path) as gateway:
        await introduce(gateway)
        await ask(gateway, command="locate")
    async with bench(farm(MULTICAST, **API), path, start_s=NOW_S + 5) as gateway:
        outcome = await gateway.take()
        assert ([view.state for view in outcome.groups], outcome.multicasts) == (["failed"], [])
