"""The whole daemon against a ChirpStack with a real gRPC API, and queues that behave as its own."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from chirpstack_events import APPLICATION, eui, up
from daemon_in_memory import Farm, running
from fake_chirpstack import ADMIN, Device, Item, Server, serving

from gateway.config import ChirpStackApiConfig, Config
from gateway.errors import LinkRefused
from gateway.links import ChirpStackApi
from gateway.types import Downlink, DownlinkState

pytestmark = [pytest.mark.network]

VALVE = eui(3)
COMMANDS = {
    "open": {"f_port": 10, "effect": "open", "hex": "01", "close_with": "close"},
    "close": {"f_port": 10, "effect": "close", "hex": "00"},
    "mode": {"f_port": 11, "keys": {"level": {"min": 0, "max": 9}}},
    "locate": {"f_port": 12, "hex": "05"},
}


@dataclass
class Field:
    """A daemon, the server it speaks to, and the valve between them."""

    farm: Farm
    server: Server

    def speak(self, f_cnt: int, *, acknowledges: bool = False) -> None:
        """Let the valve speak, and the server do what follows."""
        now_s = time.time()
        for event in (
            up(VALVE, f_cnt, now_s, {"x": f_cnt}),
            *self.server.queues.uplink(VALVE, now_s, acknowledges=acknowledges),
        ):
            self.farm.say(*event)

    def command(self, name: str, **fields: object) -> str:
        identity = str(uuid.uuid4())
        body = {"id": identity, "command": name, **fields}
        self.farm.say(f"lora-gateway/device/{VALVE}/set", json.dumps(body).encode())
        return identity

    def states(self, identity: str) -> list[str]:
        heard = self.farm.heard(f"lora-gateway/device/{VALVE}/command/{identity}")
        return [one["state"] for one in heard if one is not None]

    async def until(self, identity: str, state: str) -> None:
        await self.farm.until(lambda: self.states(identity)[-1:] == [state], f"{identity} {state}")

    def sent(self) -> list[bytes]:
        return [data for _, _, data in self.server.queues.transmitted]


@asynccontextmanager
async def commanding(tmp_path: Path, server: Server | None = None) -> AsyncIterator[Field]:
    made = server or Server()
    if not made.devices:
        profile = made.add_profile(made.add_tenant(), "Valve")
        made.applications[APPLICATION] = next(iter(made.tenants))
        made.devices[VALVE] = Device(VALVE, APPLICATION, profile.id, "valve")
    async with serving(made):
        config = Config.model_validate(
            {
                "inference": {"enabled": False},
                "store": {"path": str(tmp_path / "gateway.db"), "commit_wait_s": 0},
                "chirpstack": {"api": {"server": made.address, "token": ADMIN}},
                "codecs": {"fetch": False, "folder": str(tmp_path / "codecs")},
                "downlink": {"via": "api"},
                "devices": {VALVE: {"commands": COMMANDS}},
            }
        )
        async with running(config) as farm:
            field = Field(farm, made)
            field.speak(1)
            await farm.until(lambda: farm.heard(f"lora-gateway/device/{VALVE}/state"))
            yield field


async def test_a_command_is_queued_under_the_servers_id_and_followed_to_its_end(
    tmp_path: Path,
) -> None:
    async with commanding(tmp_path) as field:
        given = field.command("locate", confirmed=True)
        await field.until(given, "queued")
        (item,) = field.server.queues.items[VALVE]
        assert item.id != given
        assert (item.data, item.confirmed) == (b"\x05", True)
        assert item.expires_s == pytest.approx(time.time() + 86400, abs=60)
        field.speak(2)
        await field.until(given, "sent")
        field.speak(3, acknowledges=True)
        await field.until(given, "acked")


async def test_a_confirmed_one_that_is_not_answered_ends_honestly(tmp_path: Path) -> None:
    async with commanding(tmp_path) as field:
        given = field.command("locate", confirmed=True)
        await field.until(given, "queued")
        field.speak(2)
        field.speak(3)
        await field.until(given, "nacked")
        assert field.server.queues.items[VALVE] == []


async def test_a_close_takes_back_the_open_that_still_waits_at_the_server(tmp_path: Path) -> None:
    async with commanding(tmp_path) as field:
        first = field.command("locate")
        await field.until(first, "queued")
        opened = field.command("open", duration_s=60)
        await field.until(opened, "queued")
        closed = field.command("close")
        await field.until(opened, "superseded")
        await field.until(closed, "queued")
        await field.farm.until(lambda: len(field.server.queues.items[VALVE]) == 2)
        for number in range(2, 6):
            field.speak(number)
        await field.until(closed, "sent")
        await field.until(first, "sent")
        assert sorted(field.sent()) == [b"\0", b"\x05"]


async def test_an_open_that_is_on_the_air_is_followed_by_its_close(tmp_path: Path) -> None:
    async with commanding(tmp_path) as field:
        opened = field.command("open", duration_s=600, confirmed=True)
        await field.until(opened, "queued")
        field.speak(2)
        await field.until(opened, "sent")
        closed = field.command("close")
        await field.until(closed, "queued")
        field.speak(3, acknowledges=True)
        await field.until(opened, "acked")
        await field.until(closed, "sent")
        assert field.sent() == [b"\1", b"\0"]


async def test_a_call_that_was_not_answered_is_looked_for_and_not_made_twice(
    tmp_path: Path,
) -> None:
    async with commanding(tmp_path) as field:
        field.server.unanswered = 1
        given = field.command("locate")
        await field.until(given, "queued")
        assert len(field.server.queues.items[VALVE]) == 1
        field.speak(2)
        await field.until(given, "sent")
        assert field.sent() == [b"\x05"]


async def test_an_open_that_was_not_answered_and_is_not_queued_is_not_sent_again(
    tmp_path: Path,
) -> None:
    async with commanding(tmp_path) as field:
        put = field.server.queues.put
        field.server.queues.put = lambda *_: True  # type: ignore[method-assign, assignment]
        field.server.unanswered = 1
        opened = field.command("open", duration_s=60)
        await field.until(opened, "accepted")
        await field.farm.until(lambda: not field.server.unanswered)
        field.server.queues.put = put  # type: ignore[method-assign]
        await field.until(opened, "failed")
        told = field.farm.heard(f"lora-gateway/device/{VALVE}/command/{opened}")[-2]
        assert "not sent again" in told["detail"]
        # It may have gone out all the same, so its close goes at once.
        await field.farm.until(lambda: field.server.queues.items.get(VALVE), "the close")
        assert [item.data for item in field.server.queues.items[VALVE]] == [b"\0"]


async def test_what_the_server_refuses_has_failed_with_its_words(tmp_path: Path) -> None:
    async with commanding(tmp_path) as field:
        del field.server.devices[VALVE]
        given = field.command("locate")
        await field.until(given, "failed")
        told = field.farm.heard(f"lora-gateway/device/{VALVE}/command/{given}")[-2]
        assert "ChirpStack at" in told["detail"]


async def test_a_txack_that_overtakes_the_servers_answer_is_not_lost(tmp_path: Path) -> None:
    async with commanding(tmp_path) as field:
        put = field.server.queues.put

        def put_and_transmit(dev_eui: str, item: Item) -> bool:
            done = put(dev_eui, item)
            field.speak(2)
            return done

        field.server.queues.put = put_and_transmit  # type: ignore[method-assign]
        given = field.command("locate")
        await field.until(given, "sent")


async def test_the_api_gives_and_empties_a_queue() -> None:
    server = Server()
    profile = server.add_profile(server.add_tenant(), "Valve")
    server.applications[APPLICATION] = next(iter(server.tenants))
    server.devices[VALVE] = Device(VALVE, APPLICATION, profile.id)
    async with serving(server):
        api = ChirpStackApi(ChirpStackApiConfig(server=server.address, token=ADMIN))
        downlink = Downlink(
            str(uuid.uuid4()), VALVE, APPLICATION, 3, b"\1\2", None, True, time.time() + 60,  # type: ignore[arg-type]
            0.0, 0.0, DownlinkState.ACCEPTED,
        )  # fmt: skip
        first = await api.enqueue(downlink)
        (item,) = await api.queue(VALVE)
        assert (item.id, item.f_port, item.data, item.confirmed) == (first, 3, b"\1\2", True)
        server.queues.uplink(VALVE, time.time())
        second = await api.enqueue(downlink, flush=True)
        third = await api.enqueue(downlink, flush=True)
        assert [one.id for one in await api.queue(VALVE)] == [first, third]
        assert second != third
        await api.flush(VALVE)
        assert await api.queue(VALVE) == ()
        with pytest.raises(LinkRefused):
            await api.queue(eui(99))
        await api.close()
