"""`lora-gateway init` and `check`: the settings file, written and read."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import resources
from pathlib import Path

from gateway.agronomy import Derivation
from gateway.alerts import AlertEngine
from gateway.alerts.written import describe
from gateway.codecs.dictionary import default_dictionary
from gateway.commands.inspect import reading
from gateway.config import Config, RadioConfig, load
from gateway.errors import GatewayError
from gateway.links.chirpstack_wording import EXPOSED
from gateway.network import Radio
from gateway.radios import radios_of
from gateway.rulebook import warnings_of

FORECASTLESS = "rule {name}: asks the forecast, and [inference] is off: it never fires."

EXAMPLE = "lora-gateway.toml"

OPEN_UDP = (
    "radios.{name}: packet forwarders know no passwords, so whoever reaches {host} can speak for "
    "one. Keep it on loopback, or behind a firewall."
)


CLAIM = (
    "operators.{name}: has no `key_file`, so whoever the broker lets publish may use the name. "
    "Give a key, or see to it that the broker's access list holds."
)


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
    radios = radios_of(config)
    for connection in (config.chirpstack.mqtt, config.mqtt):
        connection.secret()
    api = config.chirpstack.api
    if api.server:
        api.secret()
    for operator in config.operators.values():
        operator.key()
    warnings = [EXPOSED.format(server=api.server)] if api.exposed else []
    warnings += [CLAIM.format(name=name) for name in _unproved(config)]
    warnings += [_cannot_answer(radio) for radio in radios if not radio.times]
    warnings += [
        OPEN_UDP.format(name=name, host=one.listen_host)
        for name, one in config.radios.items()
        if one.exposed
    ]
    channels = _channels(config)
    warnings += [text for rule in config.rule for text in warnings_of(rule, channels)]
    warnings += [
        FORECASTLESS.format(name=rule.name)
        for rule in config.rule
        if not config.inference.enabled and any(leaf.within_s for leaf in rule.leaves())
    ]
    if as_json:
        print(json.dumps({"status": "ok", "warnings": warnings, "settings": config.public()}))
    else:
        source = config.chirpstack.mqtt
        print(f"{config_path or 'the defaults'}: good.")
        if config.chirpstack.enabled:
            print(f"  uplinks from   {source.host}:{source.port}, {config.chirpstack.event_topic}")
        for radio in radios:
            print(f"  radio          {radio.name}: {_listening(config.radios[radio.name], radio)}")
        if api.server:
            print(f"  codecs from    {api.server}")
        print(f"  publishing to  {config.mqtt.host}:{config.mqtt.port}, {config.mqtt.base}/#")
        print(f"  database       {config.store.path}")
        print(f"  thresholds     {len(config.alerts.threshold)}")
        for rule in config.rule:
            print(f"  rule {rule.name}: {describe(rule)}")
        for warning in warnings:
            print(f"  warning: {warning}")
    return 0


def _channels(config: Config) -> set[str]:
    """Return the channels that a rule may mean: listed, configured, or heard before."""
    found = {*default_dictionary().channels}
    layouts = [one.channels for one in config.devices.values()]
    layouts += [one.channels for one in config.profiles.values()]
    found |= {channel.channel for one in layouts for channel in one.values() if channel.channel}
    if config.store.path.is_file():
        with suppress(GatewayError), reading(config) as store:
            found |= store.channels()
    return found


def _unproved(config: Config) -> list[str]:
    """Return the operators who may command by their name alone."""
    return [
        name
        for name, one in config.operators.items()
        if one.role != "viewer" and one.key_file is None and not config.downlink.require_signature
    ]


def _listening(config: RadioConfig, radio: Radio) -> str:
    """Say on one line what a radio is and where it listens."""
    settings = radio.settings
    at = f"{settings.frequency_hz / 1e6:.3f} MHz, SF{settings.spreading_factor}"
    if config.dialect == "semtech-udp":
        return f"packet forwarders at udp {config.listen_host}:{config.listen_port}"
    return f"{config.dialect} on {config.port}, {at}, {radio.region.name}"


def _cannot_answer(radio: Radio) -> str:
    return (
        f"radios.{radio.name}: this board cannot transmit at a given moment. It hears, and reaches "
        "class C devices and home-made nodes; class A devices get no downlink, no acknowledgement "
        "and cannot join."
    )
