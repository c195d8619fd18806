"""Handing commands over to a server that does not take each: none stands in another's way."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import integration
from chirpstack_events import APPLICATION, eui, up
from daemon_in_memory import Farm, running
from fake_chirpstack import Device, Queues, Server, serving
from google.protobuf import json_format

from gateway.config import Config

pytestmark = [pytest.mark.network]

OURS, THEIRS = eui(3), eui(4)
TOKEN = "tenants-own-key"  # noqa: S105 - of a server on loopback
COMMANDS = {
    "open": {"f_port": 10, "effect": "open", "hex": "01", "close_with": "close"},
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
    "level": {"f_port": 11, "keys": {"level": {"type": "integer"}}},
}


@dataclass
class Field:
    """A daemon and what it says of commands."""

    farm: Farm

    def command(self, device: str, name: str, **fields: object) -> str:
        identity = str(uuid.uuid4())
        body = {"id": identity, "command": name, **fields}
        self.farm.say(f"lora-gateway/device/{device}/set", json.dumps(body).encode())
        return identity

    def told(self, device: str, identity: str) -> list[dict[str, Any]]:
        heard = self.farm.heard(f"lora-gateway/device/{device}/command/{identity}")
        return [one for one in heard if one is not None]

    async def until(self, device: str, identity: str, state: str, words: str = "") -> None:
        await self.farm.until(
            lambda: any(
                one["state"] == state and words in one["detail"]
                for one in self.told(device, identity)[-1:]
            ),
            f"{state} {words!r} instead of {self.told(device, identity)[-1:]}",
        )


def settings_of(tmp_path: Path, **more: object) -> Config:
    return Config.model_validate(
        {
            "inference": {"enabled": False},
            "store": {"path": str(tmp_path / "gateway.db"), "commit_wait_s": 0},
            "codecs": {"fetch": False, "folder": str(tmp_path / "codecs")},
            "devices": {OURS: {"commands": COMMANDS}, THEIRS: {"commands": COMMANDS}},
            **more,
        }
    )


@asynccontextmanager
async def tenants(tmp_path: Path) -> AsyncIterator[tuple[Field, Server]]:
    """Give a daemon with the key of a tenant to whom only one of the two valves belongs."""
    server = Server()
    for device, key in ((OURS, TOKEN), (THEIRS, "anothers-key")):
        tenant = server.add_tenant(key=key)
        application = server.add_application(tenant)
        profile = server.add_profile(tenant, "Valve")
        server.devices[device] = Device(device, application, profile.id)
    async with serving(server):
        api = {"server": server.address, "token": TOKEN}
        config = settings_of(tmp_path, chirpstack={"api": api}, downlink={"via": "api"})
        async with running(config) as farm:
            for device in (OURS, THEIRS):
                farm.say(*up(device, 1, time.time(), {"x": 1}))
                await farm.until(
                    lambda device=device: farm.heard(f"lora-gateway/device/{device}/state")
                )
            yield Field(farm), server


async def test_a_command_the_key_may_not_give_says_so_and_holds_up_no_other_device(
    tmp_path: Path,
) -> None:
    async with tenants(tmp_path) as (field, server):
        stuck = field.command(THEIRS, "level", object={"level": 1})
        await field.until(THEIRS, stuck, "accepted", "could not be told yet: ChirpStack at")
        assert "API keys" in field.told(THEIRS, stuck)[-1]["detail"]
        closed = field.command(OURS, "close")
        await field.until(OURS, closed, "queued")
        assert [item.data for item in server.queues.items[OURS]] == [b"\0"]


async def test_a_device_s_commands_keep_their_order_while_the_server_takes_none(
    tmp_path: Path,
) -> None:
    async with tenants(tmp_path) as (field, server):
        given = [field.command(THEIRS, "level", object={"level": one}) for one in (1, 2, 3)]
        await field.until(THEIRS, given[0], "accepted", "could not be told yet")
        tenant = server.keys[TOKEN]
        server.applications[server.devices[THEIRS].application_id] = tenant
        for one in given:
            await field.until(THEIRS, one, "queued")
        queued = [item.id for item in server.queues.items[THEIRS]]
        assert len(queued) == 3
        changed = [field.told(THEIRS, one)[-1]["changed"] for one in given]
        assert changed == sorted(changed)


async def test_what_the_servers_codec_cannot_encode_fails_with_its_words(tmp_path: Path) -> None:
    async with tenants(tmp_path) as (field, server):
        (profile,) = [
            one for one in server.profiles.values() if one.id == server.devices[OURS].profile_id
        ]
        profile.script = "throw new Error()"
        given = field.command(OURS, "level", object={"level": 1})
        await field.until(OURS, given, "failed", "no such valve")
        profile.script = ""
        good = field.command(OURS, "level", object={"level": 2})
        await field.until(OURS, good, "queued")


async def test_a_server_that_speaks_protobuf_is_told_in_protobuf(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path)) as farm:
        field, queues = Field(farm), Queues()
        queues.json = False
        topic, body = up(OURS, 1, time.time(), {"x": 1})
        event = json_format.ParseDict(json.loads(body), integration.UplinkEvent())
        farm.say(topic, event.SerializeToString())
        await farm.until(lambda: farm.heard(f"lora-gateway/device/{OURS}/state"))
        for name, fields in (("close", {"confirmed": True}), ("level", {"object": {"level": 1}})):
            await field.until(OURS, field.command(OURS, name, **fields), "queued")
        topic = f"application/{APPLICATION}/device/{OURS}/command/down"
        for message in farm.broker.published:
            if message.topic == topic:
                queues.command(topic, message.payload)
        assert queues.log == []
        first, second = queues.items[OURS]
        assert (first.data, first.f_port, first.confirmed) == (b"\0", 10, True)
        assert first.expires_s is not None
        assert second.f_port == 11


async def test_an_open_that_a_key_was_not_let_give_goes_once_the_key_may(tmp_path: Path) -> None:
    """A server that does not accept the key has queued nothing: nothing is in doubt."""
    async with tenants(tmp_path) as (field, server):
        given = field.command(THEIRS, "open", duration_s=60)
        await field.until(THEIRS, given, "accepted", "could not be told yet")
        server.applications[server.devices[THEIRS].application_id] = server.keys[TOKEN]
        await field.until(THEIRS, given, "queued")
