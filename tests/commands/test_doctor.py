"""The doctor tries everything and goes on past what fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, free_port
from chirpstack_events import eui, up
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
