"""A pack is installed from an address, through a line that breaks, and nothing is left over."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import model_packs as packs
import pytest
from full_disks import files_of_at_most
from web_servers import Handler, serving

from gateway.commands import models_install
from gateway.config import load
from gateway.errors import PackError
from gateway.inference import active, trial

pytestmark = pytest.mark.network


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "c.toml"
    database = tmp_path / "none.db"
    file.write_text(f"[inference]\npacks = '{tmp_path / 'packs'}'\n[store]\npath = '{database}'\n")
    return file


def content(folder: Path) -> bytes:
    return packs.write(
        folder / "made.zip", packs.changed_manifest(lambda m: m.update(version="9"))
    ).read_bytes()


def leftovers(settings: Path) -> list[str]:
    folder = load(settings).inference.packs
    return sorted(path.name for path in folder.glob(".*")) if folder.exists() else []


def test_a_pack_is_installed_from_an_address(
    settings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = content(tmp_path)

    def broken(handler: Handler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        rest, told = body[start:], {"ETag": '"9"', "Content_Length": str(len(body) - start)}
        if start:
            told["Content_Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.give(rest[:600_000], 206 if start else 200, **told)

    with serving(broken) as server:
        url = f"http://127.0.0.1:{server.server_port}/pack.zip"
        sha256 = hashlib.sha256(body).hexdigest()
        models_install.install(url, settings, unsigned=True, sha256=sha256, as_json=True)
        assert len(server.ranges) > 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["version"] == "9"
    config = load(settings).inference
    assert active(config) == Path(facts["installed"])
    assert leftovers(settings) == []
    record = trial.read(config.packs)
    assert record.trial is not None
    assert record.trial.pack == active(config).name


@pytest.mark.parametrize(("cut", "sha256"), [(5000, ""), (None, "1" * 64)])
def test_what_came_spoilt_is_not_kept_for_the_next_try(
    settings: Path, tmp_path: Path, cut: int | None, sha256: str
) -> None:
    body = content(tmp_path)[:cut]
    with serving(lambda handler: handler.give(body, ETag='"9"')) as server:
        url = f"http://127.0.0.1:{server.server_port}/pack.zip"
        with pytest.raises(PackError) as caught:
            models_install.install(url, settings, unsigned=True, sha256=sha256)
    assert caught.value.reason == ("wrong_checksum" if sha256 else "truncated")
    assert leftovers(settings) == []


def test_what_is_refused_for_another_reason_need_not_come_again(
    settings: Path, tmp_path: Path
) -> None:
    body = content(tmp_path)
    with serving(lambda handler: handler.give(body, ETag='"9"')) as server:
        url = f"http://127.0.0.1:{server.server_port}/pack.zip"
        with pytest.raises(PackError) as caught:
            models_install.install(url, settings)
        assert caught.value.reason == "unsigned"
        assert len(leftovers(settings)) == 2
        server.answer = lambda handler: handler.give(b"", 416, Content_Range=f"bytes */{len(body)}")
        models_install.install(url, settings, unsigned=True)
    assert leftovers(settings) == []


def test_a_file_address_is_a_file(settings: Path, tmp_path: Path) -> None:
    content(tmp_path)
    models_install.install(f"file://{tmp_path}/made.zip", settings, unsigned=True)
    with pytest.raises(PackError) as caught:
        models_install.install("file://elsewhere/made.zip", settings, unsigned=True)
    assert caught.value.reason == "insecure_url"


def test_a_disk_that_fills_up_while_it_comes_is_said_and_left_as_it_was(
    settings: Path, tmp_path: Path
) -> None:
    body = content(tmp_path)
    with serving(lambda handler: handler.give(body, ETag='"9"')) as server:
        url = f"http://127.0.0.1:{server.server_port}/pack.zip"
        with files_of_at_most(200_000), pytest.raises(PackError) as caught:
            models_install.install(url, settings, unsigned=True)
    assert caught.value.reason == "not_enough_disk"
    assert leftovers(settings) == []


def test_a_proxy_of_the_environment_is_asked(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = content(tmp_path)
    asked: list[str] = []

    def proxy(handler: Handler) -> None:
        asked.append(handler.path)
        handler.give(body)

    with serving(proxy) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("no_proxy", raising=False)
        models_install.install("http://localhost:9/pack.zip", settings, unsigned=True)
    assert asked == ["http://localhost:9/pack.zip"]
