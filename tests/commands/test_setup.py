"""`init` writes a file that `check` finds good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.commands import setup
from gateway.config import Config, load
from gateway.errors import ConfigError, GatewayError


def test_the_written_file_is_the_defaults(tmp_path: Path) -> None:
    out = tmp_path / "etc" / "lora-gateway.toml"
    assert setup.init(out, force=False) == 0
    assert load(out, environment={}) == Config()


def test_a_file_that_is_there_is_only_replaced_by_force(tmp_path: Path) -> None:
    out = tmp_path / "lora-gateway.toml"
    out.write_text("mine")
    with pytest.raises(GatewayError, match="is there already; --force overwrites it"):
        setup.init(out, force=False)
    assert out.read_text() == "mine"
    assert setup.init(out, force=True) == 0
    assert out.read_text() == setup.example()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GatewayError, match="cannot be written"):
        setup.init(tmp_path / "file" / "x.toml", force=False)


def test_check_says_what_the_settings_amount_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[mqtt]\nhost = 'broker.farm'\nbase = 'farm'\n[store]\npath = '/data/g.db'\n")
    assert setup.check(path, as_json=False) == 0
    told = capsys.readouterr().out
    assert f"{path}: good." in told
    assert "broker.farm:1883, farm/#" in told
    assert "/data/g.db" in told
    assert setup.check(path, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["mqtt"]["host"] == "broker.farm"


def test_check_opens_every_secret(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    for section in ("mqtt", "chirpstack.mqtt"):
        path.write_text(f"[{section}]\npassword_file = '{tmp_path / 'none'}'\n")
        with pytest.raises(ConfigError, match="cannot be read"):
            setup.check(path, as_json=False)


def test_check_refuses_a_limit_with_a_name_of_the_gateways_own(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[[alerts.threshold]]\nname = 'model'\nchannel = 'x'\nabove = 1\n")
    with pytest.raises(ConfigError, match="built-in rule"):
        setup.check(path, as_json=False)


BOARD = "[radios.barn]\nport = '/dev/ttyUSB0'\n"


def test_check_says_where_a_radio_listens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"[chirpstack]\nenabled = false\n{BOARD}spreading_factor = 9\n")
    assert setup.check(path, as_json=False) == 0
    told = capsys.readouterr().out
    assert "barn: board on /dev/ttyUSB0, 868.100 MHz, SF9, EU868" in told
    assert "uplinks from" not in told
    assert "warning" not in told


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("dialect = 'rn2483'\nport = 'x'", "cannot transmit at a given moment"),
        ("dialect = 'semtech-udp'\nlisten_host = '0.0.0.0'", "know no passwords"),
    ],
)
def test_check_warns_of_what_a_radio_cannot_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: str, said: str
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"[radios.barn]\n{settings}\n")
    assert setup.check(path, as_json=True) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert "radios.barn" in warning
    assert said in warning


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("dialect = 'board'", "a board needs its `port`"),
        ("dialect = 'rnode'\nport = 'x'\nsync_word = 52", "sync word 0x34 cannot be set"),
        ("port = 'x'\nspreading_factor = 5", "spreading factor 5"),
        ("port = 'x'\nhop_hz = [868100000]", "two or more"),
        ("port = 'x'\nhop_hz = [868300000, 868500000]", "868100000"),
        (
            "port = 'x'\nhop_hz = [868100000, 868300000]\nscan_spreading_factors = [7, 8]",
            "exclude each other",
        ),
        ("dialect = 'rn2483'\nport = 'x'\nscan_spreading_factors = [7, 8]", "rn2483|RN2483"),
        ("port = 'x'\nbandwidth_hz = 100000", "bandwidth 100000 Hz"),
        ("port = 'x'\n[radios.hill]\nport = 'x'", "two radios cannot share x"),
        ("port = 'x'\n[radios.chirpstack]\nport = 'y'", "choose another"),
    ],
)
def test_check_refuses_what_a_board_cannot_do(tmp_path: Path, settings: str, said: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"[radios.barn]\n{settings}\n")
    with pytest.raises(ConfigError, match=said):
        setup.check(path, as_json=False)


def test_check_names_a_crop_that_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "lora-gateway.toml"
    path.write_text('[[agronomy.field]]\nname = "North"\ndevices = ["x"]\ncrop = "triffid"\n')
    with pytest.raises(ConfigError, match="triffid"):
        setup.check(path, as_json=False)


def test_check_reads_operators_keys_and_warns_of_those_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, key = tmp_path / "lora-gateway.toml", tmp_path / "anna.key"
    path.write_text(f"[operators.anna]\nkey_file = '{key}'\n[operators.otto]\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        setup.check(path, as_json=True)
    key.write_text("short")
    with pytest.raises(ConfigError, match="holds 5 bytes"):
        setup.check(path, as_json=True)
    key.write_text("long enough to be a key")
    assert setup.check(path, as_json=True) == 0
    shown = capsys.readouterr().out
    (warning,) = json.loads(shown)["warnings"]
    assert warning.startswith("operators.otto: has no `key_file`")
    assert "long enough" not in shown
