"""The doctor tries everything and goes on past what fails."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, free_port
from chirpstack_events import eui, up
from fake_chirpstack import ADMIN, Device, Server, serving
from gateways import NOW_S, bench, settings
from pty_boards import answers_of, plugged_in

from gateway.commands import doctor, wire
from gateway.config import Config
from gateway.errors import ConfigError

pytestmark = [pytest.mark.network]


def examine(
    capsys: pytest.CaptureFixture[str], folder: Path, port: int, more: str = ""
) -> tuple[int, dict[str, Any]]:
    path = folder / "c.toml"
    path.write_text(
        f"[store]\npath = '{folder / 'gateway.db'}'\n[mqtt]\nport = {port}\n"
        f"[chirpstack.mqtt]\nport = {port}\n{more}"
    )
    status = doctor.run(path, as_json=True)
    findings = json.loads(capsys.readouterr().out)
    return status, {finding["what"]: finding for finding in findings}


@pytest.mark.mosquitto
def test_where_all_is_well_every_finding_is_good(
    tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = examine(capsys, tmp_path, mosquitto.port)
    assert {what for what, finding in found.items() if not finding["good"]} == set()
    assert status == 0
    assert list(found) == [
        "machine", "disk", "database", "model pack", "ChirpStack's broker", "our broker",
    ]  # fmt: skip
    assert "will be made at the first start" in found["database"]["detail"]


@pytest.mark.parametrize(
    ("token", "tenant", "device", "words"),
    [
        ("farms-key", "farm", eui(3), "answers and shows 2 devices"),
        (ADMIN, "", eui(3), "answers and shows 3 devices"),
        ("wrong-key", "farm", eui(3), "does not accept our token: it is wrong, expired or"),
        ("farms-key", "", eui(3), "set `tenant_id` to yours, or check the token"),
        ("farms-key", "other", eui(3), "the key may not see this; make one in ChirpStack"),
        ("farms-key", "no-uuid", eui(3), "is it an id of this server?"),
        ("farms-key", "farm", eui(5), f"but not {eui(5)}, which the settings command"),
        ("empty-key", "empty", eui(3), "shows no device to our key. Is `tenant_id`"),
    ],
)
async def test_the_servers_api_is_tried_and_what_is_wrong_is_told_with_its_remedy(
    tmp_path: Path, token: str, tenant: str, device: str, words: str
) -> None:
    server = Server()
    tenants = {name: server.add_tenant(name, key=f"{name}s-key") for name in ("farm", "other")}
    tenants["empty"] = server.add_tenant("empty", key="empty-key")
    for number, name in ((3, "farm"), (4, "farm"), (5, "other")):
        profile = server.add_profile(tenants[name], "Valve")
        application = server.add_application(tenants[name])
        server.devices[eui(number)] = Device(eui(number), application, profile.id)
    async with serving(server):
        api = {"server": server.address, "token": token, "tenant_id": tenants.get(tenant, tenant)}
        commands = {"close": {"f_port": 1, "effect": "close", "hex": "00"}}
        config = Config.model_validate(
            {
                "store": {"path": str(tmp_path / "none.db")},
                "chirpstack": {"enabled": False, "api": api},
                "devices": {device: {"commands": commands}},
            }
        )
        (finding,) = await asyncio.to_thread(doctor._sources, config)
    assert (finding.what, finding.good) == ("ChirpStack's API", words.startswith("answers"))
    assert words in finding.detail


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "store": {"path": str(tmp_path / "none.db")},
            "chirpstack": {
                "enabled": False,
                "api": {"server": f"127.0.0.1:{free_port()}", "token": "x", "timeout_s": 5.0},
            },
        }
    )
    (finding,) = doctor._sources(config)
    assert not finding.good
    assert "Nothing listens at 127.0.0.1:" in finding.detail


async def test_a_database_that_the_gateway_is_using_is_looked_at_from_beside(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gateway.db"
    async with bench(settings(), path) as gateway:
        await gateway.hear(up(eui(1), 1, NOW_S, {"t": 20}))
        config = Config.model_validate({"store": {"path": str(path)}})
        assert doctor._database(config) == f"{path}: 1 uplinks of 1 devices"


def test_what_fails_is_told_and_the_rest_is_still_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "CONNECT_S", 1.0)
    pack = tmp_path / "pack.zip"
    pack.write_bytes(b"none")
    (tmp_path / "gateway.db").write_bytes(b"no database " * 500)
    more = f"[inference]\npack = '{pack}'\n"
    status, found = examine(capsys, tmp_path, free_port(), more)
    assert status == 1
    assert {what for what, finding in found.items() if not finding["good"]} == {
        "database", "model pack", "ChirpStack's broker", "our broker",
    }  # fmt: skip
    assert "Nothing listens at" in found["our broker"]["detail"]


def test_wrong_settings_are_not_a_finding_but_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="did you mean 'enabled'"):
        examine(capsys, tmp_path, 1, "[inference]\nenable = true\n")


@pytest.mark.parametrize("text", ["", "host", "host:", ":1883", "host:0", "host:65536", "host:x"])
def test_an_endpoint_has_a_host_and_a_port(text: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        wire.endpoint(text, "test")


def test_an_endpoint_is_a_connection() -> None:
    connection = wire.endpoint("broker.farm:8883", "test")
    assert (connection.host, connection.port) == ("broker.farm", 8883)


def radio_finding(
    capsys: pytest.CaptureFixture[str], folder: Path, settings: str
) -> dict[str, Any]:
    more = f"[chirpstack]\nenabled = false\n[radios.barn]\nboot_s = 0.0\n{settings}\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "CONNECT_S", 0.2)  # there is no broker
        _, found = examine(capsys, folder, free_port(), more)
    assert "ChirpStack's broker" not in found
    finding: dict[str, Any] = found["radio barn"]
    return finding


def test_a_board_is_asked_who_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with plugged_in(answers_of("board")) as port:
        finding = radio_finding(capsys, tmp_path, f"port = '{port}'")
    assert finding["good"]
    assert "lora-gateway board (ATmega328P) 0.3.1 answers" in finding["detail"]


def test_a_board_that_is_not_there_or_says_nothing_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "ANSWER_S", 0.5)
    finding = radio_finding(capsys, tmp_path, "port = '/dev/not-there'")
    assert (finding["good"], "is the board plugged in?" in finding["detail"]) == (False, True)
    with plugged_in(lambda _: b"") as port:
        finding = radio_finding(capsys, tmp_path, f"port = '{port}'")
    assert (finding["good"], "detect --probe" in finding["detail"]) == (False, True)
