"""The daemon takes codecs and variables from the network server's API as devices speak."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from chirpstack_events import eui, up
from daemon_in_memory import running
from fake_chirpstack import ADMIN, Server, serving
from gateways import settings

pytestmark = pytest.mark.network

PROFILE = "8ed2a8fe-c149-4996-bfe8-76f06641be93"
SCRIPT = """function decodeUplink(i) {
  return {data: {TempC_SHT: (i.bytes[0] << 8 | i.bytes[1]) / 100, depth: i.variables.depth}}; }"""


async def test_a_script_of_the_server_decodes_and_is_kept_for_the_next_start(
    tmp_path: Path,
) -> None:
    server = Server()
    tenant = server.add_tenant()
    profile = server.add_profile(tenant, "Soil probe", script=SCRIPT, id=PROFILE)
    server.add_device(eui(1), server.add_application(tenant), profile, depth="20 cm")
    async with serving(server):
        config = settings(
            store={"path": str(tmp_path / "store.db")},
            codecs={"folder": str(tmp_path / "codecs")},
            chirpstack={"api": {"server": server.address, "token": ADMIN}},
        )
        async with running(config) as farm:
            state = f"lora-gateway/device/{eui(1)}/state"
            f_cnt = 0

            def decoded() -> bool:
                return any(
                    body and body.get("depth") == "20 cm" and "air" in body
                    for body in farm.heard(state)
                )

            def told() -> bool:
                nonlocal f_cnt
                f_cnt += 1
                farm.say(*up(eui(1), f_cnt, time.time(), None, data=b"\x09\x29"))
                return decoded()

            await farm.until(told, "a reading that the server's script decoded")
            air = next(body["air"] for body in farm.heard(state) if body and "air" in body)

    assert air == {"temperature": 23.45}
    assert (tmp_path / "codecs" / "chirpstack" / f"{PROFILE}.js").read_text() == SCRIPT
    assert {method for method, _ in server.calls} >= {
        "DeviceProfile.Get",
        "Device.Get",
    }
