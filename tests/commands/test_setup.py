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


def test_check_names_a_crop_that_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "lora-gateway.toml"
    path.write_text('[[agronomy.field]]\nname = "North"\ndevices = ["x"]\ncrop = "triffid"\n')
    with pytest.raises(ConfigError, match="triffid"):
        setup.check(path, as_json=False)
