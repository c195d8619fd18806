"""Multicast frames through the whole daemon, to a ChirpStack with a real gRPC API."""

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
from chirpstack_events import eui, up
from daemon_in_memory import Farm, running
from fake_chirpstack import ADMIN, Server, serving

from gateway.config import Config

pytestmark = [pytest.mark.network]

LAMPS = (eui(3), eui(4))
DIM = {"dim": {"f_port": 7, "hex": "32"}}
GROUP_ID = "77777777-2222-4333-8444-555555555555"


@dataclass
class Street:
    """A daemon, its server, and lamps of one multicast group."""

    farm: Farm
    server: Server

    async def command(self, **fields: object) -> list[dict[str, Any]]:
        """Command the group; return what was told of it until its end."""
        identity = str(uuid.uuid4())
        body = {"id": identity, "command": "dim", **fields}
        self.farm.say("lora-gateway/group/lamps/set", json.dumps(body).encode())
        topic = f"lora-gateway/group/lamps/command/{identity}"

        def ended() -> bool:
            return self.farm.heard(topic)[-1:] == [None]

        await self.farm.until(ended, "the end of the command")
        return [one for one in self.farm.heard(topic) if one is not None]


@asynccontextmanager
async def lit(tmp_path: Path, *, known: bool = True) -> AsyncIterator[Street]:
    server = Server()
    if known:
        server.multicasts[GROUP_ID] = []
    async with serving(server):
        config = Config.model_validate(
            {
                "inference": {"enabled": False},
                "store": {"path": str(tmp_path / "gateway.db"), "commit_wait_s": 0},
                "chirpstack": {"api": {"server": server.address, "token": ADMIN}},
                "codecs": {"fetch": False, "folder": str(tmp_path / "codecs")},
                "devices": {
                    one: {"commands": {"dim": {"f_port": 7, "hex": "32"}}} for one in LAMPS
                },
                "groups": {"lamps": {"devices": LAMPS, "multicast_group_id": GROUP_ID}},
            }
        )
        async with running(config) as farm:
            for one in LAMPS:
                farm.say(*up(one, 1, time.time(), {"x": 1}))
                await farm.until(
                    lambda one=one: farm.heard(f"lora-gateway/device/{one}/state"), "a lamp"
                )
            yield Street(farm, server)


async def test_one_frame_reaches_the_servers_group_and_its_state_says_what_is_known(
    tmp_path: Path,
) -> None:
    async with lit(tmp_path) as street:
        told = await street.command()
        assert [(one["state"], one["multicast"]) for one in told] == [
            ("under_way", True),
            ("queued", True),
        ]
        assert told[-1]["counts"] == {"queued": 2}
        assert "No device acknowledges a multicast frame" in told[-1]["detail"]
        (frame,) = street.server.multicasts[GROUP_ID]
        assert (frame.f_port, frame.data) == (7, b"2")
        assert frame.expires_s is not None
        assert frame.expires_s > time.time()


async def test_a_group_that_the_server_does_not_have_fails_with_its_words(tmp_path: Path) -> None:
    async with lit(tmp_path, known=False) as street:
        told = await street.command()
        assert told[-1]["state"] == "failed"
        assert told[-1]["detail"].startswith("The network server refuses it")


async def test_a_frame_that_was_not_answered_is_not_sent_again(tmp_path: Path) -> None:
    async with lit(tmp_path) as street:
        street.server.unanswered = 1
        told = await street.command()
        assert told[-1]["state"] == "failed"
        assert told[-1]["detail"].startswith("Whether the network server has it is not known")
        assert len(street.server.multicasts[GROUP_ID]) == 1


async def test_a_confirmed_command_goes_to_each_lamp(tmp_path: Path) -> None:
    async with lit(tmp_path) as street:
        body = {"id": str(uuid.uuid4()), "command": "dim", "confirmed": True}
        street.farm.say("lora-gateway/group/lamps/set", json.dumps(body).encode())
        topic = f"lora-gateway/group/lamps/command/{body['id']}"
        await street.farm.until(lambda: street.farm.heard(topic), "an answer")
        assert street.farm.heard(topic)[0]["multicast"] is False
        assert street.server.multicasts[GROUP_ID] == []
