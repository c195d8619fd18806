"""Codecs are fetched into files: whole, only when changed, and nothing is lost."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers import free_port
from fake_chirpstack import ADMIN, CAYENNE_LPP, NONE, Profile, Server, serving

from gateway.commands import codec_fetch, setup
from gateway.errors import ConfigError, GatewayError

pytestmark = [pytest.mark.network]

SCRIPT = "function decodeUplink(input) { return {data: {t: '°'}}; }\r\n"


class Farm:
    """A server with three profiles, and a gateway's folder."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.tenant_id = server.add_tenant()
        self.soil = server.add_profile(self.tenant_id, "Soil", script=SCRIPT)
        self.lpp = server.add_profile(self.tenant_id, "Tank", runtime=CAYENNE_LPP)
        self.bare = server.add_profile(self.tenant_id, "Bare", runtime=NONE)
        self.config = folder / "gateway.toml"
        self.settings(server.address)

    def settings(self, server: str, token: str = ADMIN) -> None:
        self.config.write_text(f"[chirpstack.api]\nserver = '{server}'\ntoken = '{token}'\n")

    def fetch(self, profile: str | None = None, *, as_json: bool = True) -> int:
        return codec_fetch.run(
            self.config, profile=profile, folder=self.folder, as_json=as_json, now_s=lambda: 0.0
        )

    def file(self, name: str) -> Path:
        return self.folder / "chirpstack" / name

    def index(self) -> dict[str, Any]:
        return dict(json.loads(self.file("index.json").read_text()))


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    """Serve from a thread: the command has an event loop of its own."""
    server, ready, stop = Server(), threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with serving(server):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    yield Farm(server, tmp_path)
    loops[0].call_soon_threadsafe(stop.set)
    thread.join()


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_every_codec_becomes_a_file_and_the_index_says_whose(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert farm.fetch() == 0
    told = rows(capsys)
    assert {name: row["state"] for name, row in told.items()} == {
        "Bare": "no codec", "Soil": "new", "Tank": "new",
    }  # fmt: skip
    script = farm.file(f"{farm.soil.id}.js")
    assert script.read_bytes() == SCRIPT.encode()
    assert told["Soil"]["file"] == str(script)
    layout = farm.file(f"{farm.lpp.id}.toml").read_text()
    assert tomllib.loads(layout) == {"kind": "cayenne_lpp"}
    assert farm.index() == {
        farm.soil.id: {
            "name": "Soil",
            "runtime": "js",
            "sha256": hashlib.sha256(SCRIPT.encode()).hexdigest(),
            "fetched": "1970-01-01T00:00:00.000Z",
        },
        farm.lpp.id: {
            "name": "Tank",
            "runtime": "cayenne_lpp",
            "sha256": hashlib.sha256(layout.encode()).hexdigest(),
            "fetched": "1970-01-01T00:00:00.000Z",
        },
    }
    assert len(list(farm.file("").iterdir())) == 3


def test_only_what_has_changed_is_written_again(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    farm.fetch()
    before = {path: path.stat().st_ino for path in farm.file("").iterdir()}
    capsys.readouterr()
    farm.fetch()
    assert {row["state"] for row in rows(capsys).values()} == {"same", "no codec"}
    assert {path: path.stat().st_ino for path in farm.file("").iterdir()} == before
    farm.soil.script = "function decodeUplink(input) {}"
    farm.fetch()
    assert rows(capsys)["Soil"]["state"] == "changed"
    assert farm.file(f"{farm.soil.id}.js").read_text() == farm.soil.script
    assert {path for path in before if path.stat().st_ino != before[path]} == {
        farm.file(f"{farm.soil.id}.js"), farm.file("index.json"),
    }  # fmt: skip


def test_a_profile_that_is_gone_is_told_and_its_file_is_kept(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    farm.fetch()
    capsys.readouterr()
    del farm.server.profiles[farm.soil.id]
    assert farm.fetch() == 0
    assert rows(capsys)["Soil"]["state"] == "gone"
    assert farm.file(f"{farm.soil.id}.js").exists()
    assert farm.soil.id in farm.index()


@pytest.mark.parametrize("by", ["name", "id", "ID"])
def test_one_profile_is_fetched_by_name_or_id(
    farm: Farm, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = {"name": "Soil", "id": farm.soil.id, "ID": farm.soil.id.upper()}[by]
    assert farm.fetch(wanted) == 0
    assert list(rows(capsys)) == ["Soil"]
    assert list(farm.index()) == [farm.soil.id]


def test_a_profile_that_is_not_there_is_told(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(GatewayError, match="no device profile 'Sol'; it has: Bare, Soil, Tank"):
        farm.fetch("Sol")
    absent = "00000000-0000-0000-0000-000000000001"
    assert farm.fetch(absent) == 1
    assert "does not exist" in rows(capsys)[""]["detail"]


def test_the_table_names_every_profile_and_steers_no_terminal(
    farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    farm.soil.name = "So\x1b[31mil"
    assert farm.fetch(as_json=False) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    lines = out.splitlines()
    assert len(lines) == 3
    assert all(any(one.id in line for line in lines) for one in (farm.soil, farm.lpp, farm.bare))


def test_a_server_without_profiles_is_told(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    farm.server.profiles.clear()
    assert farm.fetch(as_json=False) == 0
    assert capsys.readouterr().out == "The server has no device profile.\n"


def test_a_damaged_index_is_made_anew(farm: Farm) -> None:
    farm.fetch()
    good = farm.index()
    for damage in (b"{", b"[]", b"\xff", b'{"x": 1}'):
        farm.file("index.json").write_bytes(damage)
        farm.fetch()
        assert farm.index() == good


def test_a_server_that_is_away_or_refuses_is_an_error_that_leaves_the_files(farm: Farm) -> None:
    farm.fetch()
    farm.settings(f"127.0.0.1:{free_port()}")
    with pytest.raises(GatewayError, match="Nothing listens at"):
        farm.fetch()
    farm.settings(farm.server.address, token="another")  # noqa: S106 - a key of no server
    with pytest.raises(GatewayError, match="check the token"):
        farm.fetch()
    assert farm.file(f"{farm.soil.id}.js").read_bytes() == SCRIPT.encode()


def test_a_server_cannot_choose_a_files_name(farm: Farm) -> None:
    hostile = Profile(farm.tenant_id, "Hostile", script="x", id=farm.bare.id)
    farm.server.profiles[farm.bare.id] = hostile
    hostile.id = "../../escaped"
    with pytest.raises(GatewayError, match="escaped"):
        farm.fetch(farm.bare.id)
    assert not list(farm.folder.parent.glob("escaped*"))


def test_a_folder_that_cannot_be_made_is_told(farm: Farm) -> None:
    (farm.folder / "chirpstack").write_text("a file")
    with pytest.raises(GatewayError, match="chirpstack"):
        farm.fetch()


def test_without_a_server_in_the_settings_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"set server = .* in \[chirpstack\.api\]"):
        codec_fetch.run(None, profile=None, folder=tmp_path, as_json=False)


def test_check_warns_of_a_token_in_the_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gateway.toml"
    for server, warned in (("192.168.1.5:8080", True), ("127.0.0.1:8080", False)):
        path.write_text(f"[chirpstack.api]\nserver = '{server}'\ntoken = '{ADMIN}'\n")
        assert setup.check(path, as_json=False) == 0
        out = capsys.readouterr().out
        assert f"codecs from    {server}" in out
        assert ("in the clear" in out) is warned
        assert ADMIN not in out
