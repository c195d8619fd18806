"""`lora-gateway init` and `check`: the settings file, written and read."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from gateway.agronomy import Derivation
from gateway.alerts import AlertEngine
from gateway.config import load
from gateway.errors import GatewayError
from gateway.links.chirpstack_wording import EXPOSED

EXAMPLE = "lora-gateway.toml"


def example() -> str:
    """Return the commented settings with every default, as it ships."""
    packaged = resources.files("gateway").joinpath(EXAMPLE)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    # In a checkout the file has one place only, beside the unit that uses it.
    return (Path(__file__).parents[2] / "deploy" / EXAMPLE).read_text(encoding="utf-8")


def init(out: Path, *, force: bool) -> int:
    """Write the example settings; never over a file that is there unless forced."""
    if out.exists() and not force:
        raise GatewayError(f"{out} is there already; --force overwrites it.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(example(), encoding="utf-8")
    except OSError as error:
        raise GatewayError(f"{out} cannot be written: {error.strerror}.") from error
    print(f"{out} written. Set [chirpstack.mqtt] host, then: lora-gateway check --config {out}")
    return 0


def check(config_path: Path | None, *, as_json: bool) -> int:
    """Say that the settings are good and what they amount to, or raise ConfigError."""
    config = load(config_path)
    AlertEngine(config)  # it refuses names that are its own
    Derivation(config.agronomy)  # it knows the crops and soils
    for connection in (config.chirpstack.mqtt, config.mqtt):
        connection.secret()
    api = config.chirpstack.api
    if api.server:
        api.secret()
    warnings = [EXPOSED.format(server=api.server)] if api.exposed else []
    if as_json:
        print(json.dumps({"status": "ok", "warnings": warnings, "settings": config.public()}))
    else:
        source = config.chirpstack.mqtt
        print(f"{config_path or 'the defaults'}: good.")
        print(f"  uplinks from   {source.host}:{source.port}, {config.chirpstack.event_topic}")
        if api.server:
            print(f"  codecs from    {api.server}")
        print(f"  publishing to  {config.mqtt.host}:{config.mqtt.port}, {config.mqtt.base}/#")
        print(f"  database       {config.store.path}")
        print(f"  thresholds     {len(config.alerts.threshold)}")
        for warning in warnings:
            print(f"  warning: {warning}")
    return 0
