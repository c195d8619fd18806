"""Confirmed commands that the network server drops are given again, within limits."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from chirpstack_events import eui, up
from gateways import NOW_S, Bench, bench, settings
from server_events import ack, log, txack

from gateway.config import Config
from gateway.outcome import Outcome
from gateway.types import Downlink, DownlinkState

PROBE = eui(3)
ID = "11111111-2222-4333-8444-555555555555"
COMMANDS = {
    "interval": {
        "f_port": 3, "keys": {"minutes": {"type": "integer", "min": 1, "max": 99}},
    },
    "open": {"f_port": 10, "effect": "open", "hex": "01", "close_with": "close"},
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
}  # fmt: skip


def farm(**downlink: object) -> Config:
    return settings(devices={PROBE: {"commands": COMMANDS}}, downlink=downlink)


async def command(gateway: Bench, name: str = "interval", **more: object) -> Outcome:
    body = {"id": ID, "command": name, "confirmed": True, **more}
    if name == "interval":
        body.setdefault("object", {"minutes": 10})
    return await gateway.ask(f"lora-gateway/device/{PROBE}/set", json.dumps(body).encode())


async def introduce(gateway: Bench) -> None:
    await gateway.hear(up(PROBE, 1, NOW_S, {"x": 1}))


def handed(gateway: Bench, outcome: Outcome) -> list[Downlink]:
    for one in outcome.dispatch:
        queued = gateway.assembly.downlinks.queued(one.id, gateway.clock.now_s())
        gateway.assembly.stages.note(queued)
    return outcome.dispatch


async def dropped(gateway: Bench, identity: str) -> Outcome:
    now_s = gateway.clock.now_s()
    await gateway.hear(txack(PROBE, now_s, identity))
    return await gateway.hear(ack(PROBE, now_s, identity, acknowledged=False))


async def test_a_nacked_command_is_given_again_under_an_id_of_its_own() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway))
        seen, identity, waits = [ID], ID, []
        for wait_s in (15, 30):
            await dropped(gateway, identity)
            assert (await gateway.wait(wait_s - 1)).dispatch == []
            (again,) = handed(gateway, await gateway.wait(2))
            waits.append(wait_s)
            assert (again.retry_of, again.attempt) == (ID, len(waits))
            identity = again.id
            seen.append(identity)
        await dropped(gateway, identity)
        assert (await gateway.wait(600)).dispatch == []
        assert len(set(seen)) == 3


@pytest.mark.parametrize(("code", "again"), [("F_CNT_DOWN", 1), ("DOWNLINK_PAYLOAD_SIZE", 0)])
async def test_only_a_reason_that_passes_leads_to_a_retry(code: str, again: int) -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway))
        await gateway.hear(log(PROBE, gateway.clock.now_s(), code, ID))
        assert len((await gateway.wait(20)).dispatch) == again


@pytest.mark.parametrize(
    ("retries", "more"),
    [(0, {}), (2, {"confirmed": False}), (2, {"expires_in_s": 10})],
    ids=["none wanted", "unconfirmed", "expired by then"],
)
async def test_beyond_its_limits_it_is_not(retries: int, more: dict[str, object]) -> None:
    async with bench(farm(retries=retries)) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, **more))
        await dropped(gateway, ID)
        assert (await gateway.wait(20)).dispatch == []


async def test_an_open_is_never_given_again() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway, "open", duration_s=600))
        await dropped(gateway, ID)
        commands = [(await gateway.wait(15)).dispatch for _ in range(6)]
        assert {one.command for step in commands for one in step} <= {"close"}


async def test_a_retry_does_not_undo_what_was_given_since() -> None:
    async with bench(farm()) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway))
        await dropped(gateway, ID)
        await command(gateway, id=str(uuid.uuid4()), object={"minutes": 20})
        outcome = await gateway.wait(20)
        assert outcome.dispatch == []
        assert [one.state for one in outcome.downlinks] == [DownlinkState.SUPERSEDED]


async def test_a_retry_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with bench(farm(), path) as gateway:
        await introduce(gateway)
        handed(gateway, await command(gateway))
        await dropped(gateway, ID)
    async with bench(farm(), path, start_s=NOW_S + 60) as gateway:
        (again,) = (await gateway.take()).dispatch
        assert again.retry_of == ID
