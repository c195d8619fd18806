"""Registering devices from the command line: keys come in, and never out."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.commands import device_import, device_views, devices
from gateway.commands.device_keys import KeyWishes
from gateway.config import StoreConfig
from gateway.errors import BadInput, ConfigError, GatewayError
from gateway.network import Kind, from_record
from gateway.store import Registry, Store

KEY = "8899aabbccddeeff0011223344556677"
OTHER = "99aabbccddeeff001122334455667788"
EUI = "70b3d57ed0001234"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lora-gateway.toml"
    path.write_text(f"[store]\npath = '{tmp_path / 'gateway.db'}'\n")
    return path


def add(config: Path, *, force: bool = False, file: Path | None = None, **fields: str) -> int:
    keys = {"app_key", "nwk_s_key", "app_s_key", "key"}
    wishes = KeyWishes({name: text for name, text in fields.items() if name in keys}, file)
    rest = {name: text for name, text in fields.items() if name not in keys}
    return devices.add(config, rest, wishes, force=force)


def stored(config: Path) -> list[str]:
    registry = Registry.look(config.parent / "gateway.db")
    assert registry is not None
    found = [from_record(record).name for record in registry.devices()]
    registry.close()
    return found


def test_a_device_is_added_listed_shown_and_removed(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(config, dev_eui=EUI, app_key=KEY, name="tomato") == 0
    assert device_views.list_devices(config, as_json=False) == 0
    capsys.readouterr()
    device_views.list_devices(config, as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["dev_eui"], row["name"], row["kind"], row["keys"]) == (EUI, "tomato", "otaa", "set")
    device_views.show(config, EUI.upper(), as_json=True)
    assert json.loads(capsys.readouterr().out)["keys"] == {"app_key": "set"}
    device_views.show(config, EUI, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["name", "tomato"] in lines
    assert ["app", "key", "set"] in lines
    assert devices.remove(config, EUI, forget=False) == 0
    with pytest.raises(GatewayError, match="not registered"):
        device_views.show(config, EUI, as_json=False)


def test_a_daemon_may_run_meanwhile(config: Path) -> None:
    store = Store.open(config.parent / "gateway.db", StoreConfig())
    add(config, dev_eui=EUI, app_key=KEY)
    assert [record.dev_eui for record in store.radio_devices()] == [EUI]
    asyncio.run(store.close())


def test_one_that_is_there_is_changed_by_force_alone(config: Path) -> None:
    add(config, dev_eui=EUI, app_key=KEY, name="a")
    with pytest.raises(ConfigError, match="--force"):
        add(config, dev_eui=EUI, app_key=KEY, name="b")
    add(config, force=True, dev_eui=EUI, app_key=KEY, name="b")
    assert stored(config) == ["b"]


def test_a_key_that_is_left_out_is_asked_for(config: Path) -> None:
    asked: list[str] = []

    def ask(title: str) -> str:
        asked.append(title)
        return KEY

    fields = {"dev_eui": EUI, "dev_addr": "260b1234"}
    assert devices.add(config, fields, KeyWishes({}), force=False, ask=ask) == 0
    assert asked == ["NwkSKey", "AppSKey"]


def test_without_a_terminal_a_missing_key_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(ConfigError, match="The AppKey is missing"):
        add(config, dev_eui=EUI)


def test_keys_come_from_stdin_and_from_a_file(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{KEY}\n{OTHER}\n"))
    add(config, dev_eui=EUI, dev_addr="260b1234", nwk_s_key="-", app_s_key="-")
    file = tmp_path / "keys"
    file.write_text(f"# mine\napp_key = {KEY}\n")
    add(config, file=file, dev_eui="70b3d57ed0001235")
    registry = Registry.look(config.parent / "gateway.db")
    assert registry is not None
    by_hand, joining = registry.devices()
    registry.close()
    assert [key.hex() for key in by_hand.keys.values()] == [KEY, OTHER]
    assert joining.keys["app_key"].hex() == KEY
    file.write_text(f"{KEY}\n")
    with pytest.raises(ConfigError, match="line 1") as refused:
        add(config, file=file, dev_eui=EUI)
    assert KEY not in str(refused.value)


def test_a_generated_key_is_shown_once(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    devices.add(config, {"node_id": "18"}, KeyWishes({}, generate=True), force=False)
    registry = Registry.look(config.parent / "gateway.db")
    assert registry is not None
    (record,) = registry.devices()
    registry.close()
    assert f"key: {record.keys['key'].hex()}" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="AppKey is the one printed"):
        devices.add(config, {"dev_eui": EUI}, KeyWishes({}, generate=True), force=False)


def test_a_plain_node_needs_no_key(config: Path) -> None:
    devices.add(config, {"node_id": "18"}, KeyWishes({}, plain=True), force=False)
    with pytest.raises(ConfigError, match="--plain"):
        devices.add(config, {"dev_eui": EUI}, KeyWishes({}, plain=True), force=False)


def test_a_restart_is_noted_and_its_risk_said(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(config, dev_eui=EUI, app_key=KEY)
    devices.restart(config, EUI)
    assert "The risk: whoever recorded an old join-request" in capsys.readouterr().out
    device_views.show(config, EUI, as_json=True)
    assert json.loads(capsys.readouterr().out)["restart_s"] > 0


def test_exchanged_euis_and_public_keys_are_doubted(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "0102030405060708"
    add(config, dev_eui=EUI, join_eui=other, app_key="2b7e151628aed2a6abf7158809cf4f3c")
    assert "well-known example" in capsys.readouterr().err
    add(config, dev_eui=other, join_eui=EUI, app_key=KEY)
    assert "look exchanged" in capsys.readouterr().err


def test_before_the_first_start_there_are_plain_words(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert device_views.list_devices(config, as_json=False) == 0
    assert "No device is registered" in capsys.readouterr().out
    for work in (
        lambda: devices.remove(config, EUI, forget=False),
        lambda: devices.restart(config, EUI),
        lambda: device_views.show(config, EUI, as_json=False),
    ):
        with pytest.raises(GatewayError, match="regist"):
            work()
    assert [file.name for file in config.parent.iterdir()] == [config.name]


def test_an_import_is_whole_or_nothing(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "devices.csv"
    rows = [f"{EUI[:-1]}{number},{KEY},n{number}" for number in range(3)]
    file.write_text("\n".join(["dev_eui,app_key,name", *rows, f"{EUI},{KEY[:30]},x"]))
    assert device_import.run(config, file, dry_run=False, force=False) == 1
    assert "line 5: the AppKey has 30 hex digits" in capsys.readouterr().err
    file.write_text("\n".join(["dev_eui,app_key,name", *rows]))
    assert device_import.run(config, file, dry_run=True, force=False) == 0
    assert not (tmp_path / "gateway.db").exists()
    assert device_import.run(config, file, dry_run=False, force=False) == 0
    assert stored(config) == ["n0", "n1", "n2"]
    assert device_import.run(config, file, dry_run=False, force=False) == 1
    assert device_import.run(config, file, dry_run=False, force=True) == 0
    printed = capsys.readouterr()
    assert KEY[:30] not in printed.out + printed.err


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    slot=st.sampled_from(["dev_eui", "join_eui", "dev_addr", "app_key", "node_id", "class",
                          "region", "nonces", "rx_delay_s", "rx2_frequency_hz"]),
    shape=st.sampled_from(["{}", "{}0", "0x{}", "x{}", "{}:"]),
    secret=st.binary(min_size=16, max_size=16).filter(lambda b: len(set(b)) > 8).map(bytes.hex),
)  # fmt: skip
def test_a_key_in_any_place_is_never_repeated(
    config: Path, capsys: pytest.CaptureFixture[str], slot: str, shape: str, secret: str
) -> None:
    words = ""
    fields = {"dev_eui": EUI, "app_key": secret, slot: shape.format(secret)}
    try:
        add(config, force=True, **fields)
        device_views.list_devices(config, as_json=True)
        device_views.show(config, EUI, as_json=True)
    except (ConfigError, BadInput, GatewayError) as refused:
        words = f"{refused} {refused!r}"
    printed = capsys.readouterr()
    assert secret not in printed.out + printed.err + words
    assert Kind.OTAA.value in printed.out or words
